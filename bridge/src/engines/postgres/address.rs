//! Where a server is and as whom to speak to it, as users of libpq expect.
//!
//! What the URL does not say comes from the service file, then from the environment, then from
//! `.pgpass`, as <https://www.postgresql.org/docs/current/libpq-envars.html> has it.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files;
use super::secure::Security;
use crate::engines::socket::{KeepAlive, Place};
use crate::error::{Code, Error, Result};
use crate::url::{Url, shown};

/// One server to try.
#[derive(Clone)]
pub struct Server {
    pub place: Place,
    /// What its certificate has to say.
    pub name: String,
    pub port: u16,
    pub password: Option<String>,
}

/// Everything needed to connect. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Address {
    /// Tried in this order.
    pub servers: Vec<Server>,
    pub security: Security,
    pub user: String,
    pub database: String,
    /// Command-line options for the backend.
    pub options: Option<String>,
    pub application_name: String,
    pub connect_timeout: Duration,
    pub keep_alive: KeepAlive,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.servers.iter().map(|server| &server.place).collect();
        write!(f, "Address({places:?}, database {:?}, user {:?})", self.database, self.user)
    }
}

/// Options, and the variables that stand in for them.
const OPTIONS: [(&str, &str); 23] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
];

/// Options that promise what is not done here, so that they are refused, but for some values.
const REFUSED: [(&str, &str, &[&str]); 8] = [
    ("sslcrldir", "PGSSLCRLDIR", &[]),
    ("sslpassword", "", &[]),
    ("sslcertmode", "PGSSLCERTMODE", &["allow"]),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ("requirepeer", "PGREQUIREPEER", &[]),
    ("require_auth", "PGREQUIREAUTH", &[]),
    ("gssencmode", "PGGSSENCMODE", &["disable", "prefer"]),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", &["any"]),
];

/// Options that are taken and make no difference.
const IDLE: [&str; 3] = ["client_encoding", "fallback_application_name", "sslcompression"];

type Options = HashMap<String, String>;

impl Address {
    /// # Errors
    /// `invalid-parameter`, `unsupported`; passwords are never in it.
    pub fn new(url: &Url) -> Result<Self> {
        let mut given = of_url(url)?;
        let service = given.get("service").cloned().or_else(|| variable("PGSERVICE"));
        if let Some(service) = service {
            for (name, value) in files::service(&service)? {
                put_default(&mut given, &name, value)?;
            }
        }
        let refused = REFUSED.iter().map(|(name, of, _)| (name, of));
        for (name, of) in OPTIONS.iter().map(|(name, of)| (name, of)).chain(refused) {
            if let Some(value) = variable(of) {
                put_default(&mut given, name, value)?;
            }
        }
        let take = |name: &str| given.get(name).cloned();
        let user = take("user").or_else(|| variable("USER")).unwrap_or_else(|| "postgres".to_owned());
        let database = take("dbname").unwrap_or_else(|| user.clone());
        let mut servers = servers(take("host"), take("hostaddr"), take("port"))?;
        let home = files::home();
        let passwords = take("passfile").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".pgpass")));
        for server in &mut servers {
            server.password = take("password")
                .or_else(|| files::password(passwords.as_ref()?, &known_as(server), &database, &user));
        }
        let seconds: i64 = match take("connect_timeout") {
            None => 10,
            Some(text) => text.parse().map_err(|_| wrong("connect_timeout", "a whole number of seconds"))?,
        };
        let seconds = u64::try_from(seconds).ok().filter(|seconds| (1..86_400).contains(seconds));
        Ok(Self {
            security: Security::new(take, home.as_deref())?,
            servers,
            user,
            database,
            options: take("options"),
            application_name: take("application_name").unwrap_or_else(|| "fsspec-db".to_owned()),
            connect_timeout: Duration::from_secs(seconds.unwrap_or(86_400)),
            keep_alive: keep_alive(take)?,
        })
    }
}

/// What is said to be zero is the system's.
fn keep_alive(take: impl Fn(&str) -> Option<String>) -> Result<KeepAlive> {
    let number = |name: &str, usual: u32| -> Result<Option<u32>> {
        let Some(text) = take(name) else { return Ok(Some(usual).filter(|usual| *usual > 0)) };
        let number: i32 = text.parse().map_err(|_| wrong(name, "a whole number"))?;
        Ok(u32::try_from(number).ok().filter(|number| *number > 0))
    };
    // As many as every system takes.
    let seconds = |name: &str, usual: u32| -> Result<Option<Duration>> {
        Ok(number(name, usual)?.map(|seconds| Duration::from_secs(seconds.min(32_767).into())))
    };
    Ok(KeepAlive {
        asks: number("keepalives", 1)?.is_some(),
        idle: seconds("keepalives_idle", 60)?,
        interval: seconds("keepalives_interval", 10)?,
        count: number("keepalives_count", 6)?.map(|count| count.min(127)),
        patience: number("tcp_user_timeout", 0)?.map(|ms| Duration::from_millis(ms.into())),
    })
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Sets what nobody has said yet.
fn put_default(given: &mut Options, name: &str, value: String) -> Result<()> {
    if let Some((_, _, harmless)) = REFUSED.iter().find(|(refused, _, _)| *refused == name) {
        if harmless.contains(&value.as_str()) {
            return Ok(());
        }
        return Err(Error::new(Code::Unsupported, format!("PostgreSQL's option {name} is not heeded here")));
    }
    if OPTIONS.iter().any(|(known, _)| *known == name) {
        if !value.is_empty() {
            given.entry(name.to_owned()).or_insert(value);
        }
    } else if !IDLE.contains(&name) {
        let detail = format!("PostgreSQL has no option {:?}", shown(name));
        return Err(Error::new(Code::InvalidParameter, detail));
    }
    Ok(())
}

/// Options behind the `?` count more than what stands before it.
fn of_url(url: &Url) -> Result<Options> {
    let mut given = Options::new();
    for (name, value) in &url.query {
        let (name, value) = match (name.as_str(), value.as_str()) {
            ("ssl", "true") => ("sslmode", "require"),
            both => both,
        };
        put_default(&mut given, name, value.to_owned())?;
    }
    if let Some((user, password)) = &url.login {
        put_default(&mut given, "user", user.clone())?;
        put_default(&mut given, "password", password.clone().unwrap_or_default())?;
    }
    let join = |each: fn(&(String, String)) -> &str| url.hosts.iter().map(each).collect::<Vec<_>>().join(",");
    put_default(&mut given, "host", join(|(name, _)| name))?;
    if url.hosts.iter().any(|(_, port)| !port.is_empty()) {
        put_default(&mut given, "port", join(|(_, port)| port))?;
    }
    put_default(&mut given, "dbname", url.path.clone())?;
    Ok(given)
}

/// The folder in which a server of this machine has its socket.
fn usual_folder() -> Option<&'static str> {
    ["/var/run/postgresql", "/tmp"].into_iter().find(|folder| cfg!(unix) && Path::new(folder).is_dir())
}

/// Hosts, the addresses to reach them by, and ports, each divided by commas.
fn servers(names: Option<String>, addresses: Option<String>, ports: Option<String>) -> Result<Vec<Server>> {
    let usual = || usual_folder().unwrap_or("localhost").to_owned();
    let names = names.or_else(|| addresses.clone()).unwrap_or_else(usual);
    let names: Vec<&str> = names.split(',').collect();
    let cut = |list: Option<String>| -> Vec<String> {
        list.map_or_else(Vec::new, |list| list.split(',').map(str::to_owned).collect())
    };
    let (addresses, ports) = (cut(addresses), cut(ports));
    if !addresses.is_empty() && addresses.len() != names.len() {
        return Err(wrong("hostaddr", "as many addresses as there are hosts"));
    }
    if ports.len() > 1 && ports.len() != names.len() {
        return Err(wrong("port", "one number, or as many as there are hosts"));
    }
    let one = |(at, name): (usize, &&str)| {
        let port = match ports.get(at).or(ports.first()).map(String::as_str) {
            None | Some("") => 5432,
            Some(port) => port.parse().map_err(|_| wrong("port", "a number below 65536"))?,
        };
        let name = if name.is_empty() { usual() } else { (*name).to_owned() };
        let place = match addresses.get(at).filter(|address| !address.is_empty()) {
            Some(address) => Place::Tcp(address.clone(), port),
            None if name.starts_with('/') => Place::Unix(Path::new(&name).join(format!(".s.PGSQL.{port}"))),
            None => Place::Tcp(name.clone(), port),
        };
        Ok(Server { place, name, port, password: None })
    };
    names.iter().enumerate().map(one).collect()
}

/// The host and the port that `.pgpass` has for a server.
fn known_as(server: &Server) -> [String; 2] {
    let name = if Some(server.name.as_str()) == usual_folder() { "localhost" } else { &server.name };
    [name.to_owned(), server.port.to_string()]
}

fn wrong(option: &str, expected: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("{option} takes {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address> {
        Address::new(&Url::parse(url)?)
    }

    fn places(address: &Address) -> Vec<Place> {
        address.servers.iter().map(|server| server.place.clone()).collect()
    }

    fn tcp(host: &str, port: u16) -> Place {
        Place::Tcp(host.to_owned(), port)
    }

    #[test]
    fn a_url_says_host_port_user_and_database() {
        let parsed = address("postgresql://ann:p%40ss@db.example:5433/sales?application_name=x").unwrap();
        assert_eq!(places(&parsed), [tcp("db.example", 5433)]);
        assert_eq!((parsed.user.as_str(), parsed.servers[0].password.as_deref()), ("ann", Some("p@ss")));
        assert_eq!((parsed.database.as_str(), parsed.application_name.as_str()), ("sales", "x"));
        assert!(!format!("{parsed:?}").contains("p@ss"));
    }

    #[test]
    fn several_hosts_and_sockets_are_kept_in_order() {
        let parsed = address("postgres://a:1,b:2/d").unwrap();
        assert_eq!(places(&parsed), [tcp("a", 1), tcp("b", 2)]);
        let parsed = address("postgres:///d?host=/run/pg&port=7").unwrap();
        assert_eq!(places(&parsed), [Place::Unix("/run/pg/.s.PGSQL.7".into())]);
        let parsed = address("postgres://[::1]:7/d").unwrap();
        assert_eq!(places(&parsed), [tcp("::1", 7)]);
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert_eq!(address("postgres://h/d?nonsense=1").unwrap_err().code(), Code::InvalidParameter);
        for wrong in ["h:x/d", "h:1,h:2,h/d?port=1,2", "h,i/d?hostaddr=::1", "h/d?connect_timeout=soon"] {
            let error = address(&format!("postgres://{wrong}")).unwrap_err();
            assert_eq!(error.code(), Code::InvalidParameter, "{wrong}");
        }
        for refused in
            ["sslcrldir=/x", "requirepeer=x", "target_session_attrs=read-write", "gssencmode=require"]
        {
            let error = address(&format!("postgres://h/d?{refused}")).unwrap_err();
            assert_eq!(error.code(), Code::Unsupported, "{refused}");
        }
        assert!(address("postgres://h/d?keepalives=1&target_session_attrs=any&gssencmode=disable").is_ok());
    }
}
