//! Where a server is and as whom to speak to it, as users of libpq expect.
//!
//! What the URL does not say comes from the service file, then from the environment, then from
//! `.pgpass`, as <https://www.postgresql.org/docs/current/libpq-envars.html> has it.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::secure::Security;
use crate::engines::socket::Place;
use crate::error::{Code, Error, Result};
use crate::url::Url;

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub place: Place,
    /// What its certificate has to say, and what `.pgpass` knows it by.
    pub name: String,
    pub port: u16,
}

/// Everything needed to connect. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Address {
    /// Tried in this order.
    pub servers: Vec<Server>,
    pub security: Security,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    /// Command-line options for the backend.
    pub options: Option<String>,
    pub application_name: String,
    pub connect_timeout: Duration,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?}, database {:?}, user {:?})", self.servers, self.database, self.user)
    }
}

/// Parameters that a URL may have, and the variables that stand in for them.
const PARAMETERS: [(&str, &str); 19] = [
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
    ("client_encoding", "PGCLIENTENCODING"),
];

impl Address {
    /// # Errors
    /// `invalid-parameter`; passwords are never in it.
    pub fn new(url: &Url) -> Result<Self> {
        let mut given = of_url(url)?;
        let service = given.get("service").cloned().or_else(|| env::var("PGSERVICE").ok());
        if let Some(service) = service {
            for (name, value) in of_service(&service)? {
                given.entry(name).or_insert(value);
            }
        }
        for (name, variable) in PARAMETERS {
            if let Ok(value) = env::var(variable)
                && !value.is_empty()
            {
                given.entry(name.to_owned()).or_insert(value);
            }
        }
        let take = |name: &str| given.get(name).filter(|value| !value.is_empty()).cloned();
        let user = take("user").or_else(|| env::var("USER").ok()).unwrap_or_else(|| "postgres".to_owned());
        let database = take("dbname").unwrap_or_else(|| user.clone());
        let servers = servers(take("host"), take("hostaddr"), take("port"))?;
        let password = take("password").or_else(|| {
            let file = take("passfile").map(PathBuf::from).or_else(|| Some(home()?.join(".pgpass")))?;
            of_passfile(&file, &servers, &database, &user)
        });
        let seconds = match take("connect_timeout") {
            None => 10,
            Some(text) => text.parse().map_err(|_| wrong("connect_timeout", "a whole number of seconds"))?,
        };
        Ok(Self {
            security: Security::new(take, home().as_deref())?,
            servers,
            user,
            password,
            database,
            options: take("options"),
            application_name: take("application_name").unwrap_or_else(|| "fsspec-db".to_owned()),
            connect_timeout: Duration::from_secs(if seconds == 0 { 3600 } else { seconds }),
        })
    }
}

fn of_url(url: &Url) -> Result<HashMap<String, String>> {
    let mut given = HashMap::new();
    let (login, place) = match url.authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, url.authority.as_str()),
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        given.insert("user".to_owned(), user.to_owned());
        if let Some(password) = password {
            given.insert("password".to_owned(), password.to_owned());
        }
    }
    if !place.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for one in place.split(',') {
            let (name, port) = match one.rsplit_once(':') {
                Some((name, port)) if !port.contains(']') => (name, port),
                _ => (one, ""),
            };
            names.push(name.trim_start_matches('[').trim_end_matches(']').to_owned());
            ports.push(port.to_owned());
        }
        given.insert("host".to_owned(), names.join(","));
        if ports.iter().any(|port| !port.is_empty()) {
            given.insert("port".to_owned(), ports.join(","));
        }
    }
    if !url.path.is_empty() {
        given.insert("dbname".to_owned(), url.path.clone());
    }
    for (name, value) in &url.query {
        if !PARAMETERS.iter().any(|(known, _)| known == name) {
            return Err(Error::new(Code::InvalidParameter, format!("PostgreSQL has no option {name:?}")));
        }
        given.insert(name.clone(), value.clone());
    }
    given.retain(|_, value| !value.is_empty());
    Ok(given)
}

/// Hosts, the addresses to reach them by, and ports, each divided by commas.
fn servers(names: Option<String>, addresses: Option<String>, ports: Option<String>) -> Result<Vec<Server>> {
    let names = names.or_else(|| addresses.clone()).unwrap_or_else(|| {
        let folder = ["/var/run/postgresql", "/tmp"].into_iter().find(|folder| Path::new(folder).is_dir());
        folder.unwrap_or("localhost").to_owned()
    });
    let cut = |list: Option<String>| -> Vec<String> {
        list.map_or_else(Vec::new, |list| list.split(',').map(str::to_owned).collect())
    };
    let (addresses, ports) = (cut(addresses), cut(ports));
    let one = |(at, name): (usize, &str)| {
        let port = match ports.get(at).or(if ports.len() == 1 { ports.first() } else { None }) {
            Some(port) if !port.is_empty() => {
                port.parse().map_err(|_| wrong("port", "a number below 65536"))?
            }
            _ => 5432,
        };
        let reached = addresses.get(at).filter(|address| !address.is_empty());
        let place = match reached {
            Some(address) => Place::Tcp(address.clone(), port),
            None if name.starts_with('/') => Place::Unix(Path::new(name).join(format!(".s.PGSQL.{port}"))),
            None => Place::Tcp(name.to_owned(), port),
        };
        Ok(Server { place, name: name.to_owned(), port })
    };
    names.split(',').enumerate().map(one).collect()
}

fn wrong(option: &str, expected: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("{option} takes {expected}"))
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from)
}

/// A section of the service file: `name=value` lines under `[service]`.
fn of_service(service: &str) -> Result<Vec<(String, String)>> {
    let own =
        env::var_os("PGSERVICEFILE").map(PathBuf::from).or_else(|| Some(home()?.join(".pg_service.conf")));
    let system = env::var_os("PGSYSCONFDIR").map_or_else(
        || PathBuf::from("/etc/postgresql-common/pg_service.conf"),
        |folder| PathBuf::from(folder).join("pg_service.conf"),
    );
    for file in own.into_iter().chain([system]) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let mut lines = text.lines().map(str::trim);
        if lines.by_ref().any(|line| line == format!("[{service}]")) {
            return Ok(lines
                .take_while(|line| !line.starts_with('['))
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                .collect());
        }
    }
    Err(Error::new(Code::InvalidParameter, format!("there is no definition of service {service:?}")))
}

/// `host:port:database:user:password`, with `*` for any and `\` before `:` and `\`.
fn of_passfile(file: &Path, servers: &[Server], database: &str, user: &str) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // libpq ignores a file that others can read, too.
        if fs::metadata(file).ok()?.permissions().mode() & 0o077 != 0 {
            return None;
        }
    }
    let text = fs::read_to_string(file).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = pass_fields(line);
        let [host, port, of, whom, password] = fields.as_slice() else { return None };
        let fits = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        let here = servers.iter().any(|server| {
            let name = if matches!(server.place, Place::Unix(_)) { "localhost" } else { &server.name };
            fits(host, name) && fits(port, &server.port.to_string())
        });
        (here && fits(of, database) && fits(whom, user)).then(|| password.clone())
    })
}

fn pass_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            ':' if !escaped && fields.len() < 5 => fields.push(String::new()),
            c => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
        escaped = false;
    }
    fields
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
        assert_eq!((parsed.user.as_str(), parsed.password.as_deref()), ("ann", Some("p@ss")));
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
        assert_eq!(address("postgres://h:x/d").unwrap_err().code(), Code::InvalidParameter);
    }

    #[test]
    fn fields_of_a_password_file_are_unescaped() {
        assert_eq!(pass_fields(r"h:5432:d\:x:u:p:a\\ss"), ["h", "5432", "d:x", "u", r"p:a\ss"]);
    }
}
