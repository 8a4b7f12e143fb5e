//! Where a server is and as whom to speak to it, as users of the `mysql` client expect.
//!
//! What the URL does not say comes from the environment (`MYSQL_HOST`, `MYSQL_TCP_PORT`,
//! `MYSQL_UNIX_PORT`, `MYSQL_PWD`), then from `[client]` in `~/.my.cnf`.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engines::socket::Place;
use crate::engines::tls::{Roots, Settings};
use crate::error::{Code, Error, Result};
use crate::url::{Url, shown};

/// Where servers listen that nobody told to listen elsewhere.
const SOCKETS: [&str; 3] = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/// Options that a URL may have.
const OPTIONS: [&str; 13] = [
    "connect-timeout",
    "defaults-file",
    "host",
    "password",
    "port",
    "socket",
    "ssl-ca",
    "ssl-cert",
    "ssl-crl",
    "ssl-key",
    "ssl-mode",
    "user",
    "zero-dates",
];

/// Those of them that stand in `~/.my.cnf`.
const OF_FILE: [&str; 10] =
    ["host", "password", "port", "socket", "ssl-ca", "ssl-cert", "ssl-crl", "ssl-key", "ssl-mode", "user"];

/// Whether a connection is to be under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secure {
    Never,
    /// Where the server can.
    Preferred,
    Always,
}

/// Everything needed to connect. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Address {
    pub place: Place,
    /// What the server's certificate has to say.
    pub name: String,
    pub user: String,
    pub password: Option<String>,
    /// Empty for none.
    pub database: String,
    pub secure: Secure,
    pub tls: Settings,
    pub connect_timeout: Duration,
    /// Dates that no calendar has are read as NULL, rather than refused.
    pub null_dates: bool,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, database {:?}, user {:?})", self.place, self.database, self.user)
    }
}

impl Address {
    /// # Errors
    /// `invalid-parameter`; passwords are never in it.
    pub fn new(url: &Url) -> Result<Self> {
        let mut given = of_url(url)?;
        let place = place(&given)?;
        for (name, variable) in [
            ("host", "MYSQL_HOST"),
            ("port", "MYSQL_TCP_PORT"),
            ("socket", "MYSQL_UNIX_PORT"),
            ("password", "MYSQL_PWD"),
        ] {
            if let Ok(value) = env::var(variable)
                && !value.is_empty()
            {
                given.entry(name.to_owned()).or_insert(value);
            }
        }
        let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".my.cnf"));
        let of_file = match given.get("defaults-file") {
            Some(file) => fs::read_to_string(file)
                .map_err(|error| wrong(&format!("defaults-file cannot be read: {error}")))?,
            None => home()
                .filter(|file| is_private(file))
                .and_then(|file| fs::read_to_string(file).ok())
                .unwrap_or_default(),
        };
        for (name, value) in of_client_section(&of_file) {
            given.entry(name).or_insert(value);
        }
        let place = match place {
            Some(place) => place,
            None => self::place(&given)?.unwrap_or_else(usual),
        };
        let take = |name: &str| given.get(name).filter(|value| !value.is_empty()).cloned();
        let (secure, tls) = security(&take)?;
        let seconds = match take("connect-timeout") {
            None => 10,
            Some(text) => {
                text.parse().map_err(|_| wrong("connect-timeout takes a whole number of seconds"))?
            }
        };
        Ok(Self {
            name: match &place {
                Place::Tcp(host, _) => host.clone(),
                Place::Unix(_) => "localhost".to_owned(),
            },
            place,
            user: take("user").or_else(|| env::var("USER").ok()).unwrap_or_else(|| "root".to_owned()),
            password: take("password"),
            database: url.path.clone(),
            secure,
            tls,
            connect_timeout: Duration::from_secs(if seconds == 0 { 3600 } else { seconds }),
            null_dates: match take("zero-dates").as_deref() {
                None | Some("error") => false,
                Some("null") => true,
                Some(_) => return Err(wrong("zero_dates is \"error\" or \"null\"")),
            },
        })
    }
}

fn wrong(detail: &str) -> Error {
    Error::new(Code::InvalidParameter, detail)
}

fn of_url(url: &Url) -> Result<HashMap<String, String>> {
    let mut given = HashMap::new();
    let (host, port) = match url.hosts.as_slice() {
        [] => (String::new(), String::new()),
        [one] => one.clone(),
        _ => return Err(wrong("several hosts are not tried one after the other")),
    };
    let (user, password) = url.login.clone().unwrap_or_default();
    for (name, value) in
        [("user", user), ("password", password.unwrap_or_default()), ("host", host), ("port", port)]
    {
        given.insert(name.to_owned(), value);
    }
    for (name, value) in &url.query {
        let name = spelling(name);
        if !OPTIONS.contains(&name.as_str()) {
            let known = OPTIONS.join(", ");
            return Err(wrong(&format!("MySQL has no option {:?}; there are {known}", shown(&name))));
        }
        given.insert(name, value.clone());
    }
    given.retain(|_, value| !value.is_empty());
    Ok(given)
}

/// Options are written with `-` or `_`.
fn spelling(name: &str) -> String {
    match name.to_ascii_lowercase().replace('_', "-").as_str() {
        "sslmode" => "ssl-mode".to_owned(),
        name => name.to_owned(),
    }
}

/// The place that is named, if one is.
fn place(given: &HashMap<String, String>) -> Result<Option<Place>> {
    let port =
        given.get("port").map(|port| port.parse().map_err(|_| wrong("port takes a number below 65536")));
    let port = port.transpose()?;
    Ok(match (given.get("socket"), given.get("host")) {
        (Some(file), None) => Some(Place::Unix(file.into())),
        (_, Some(file)) if file.starts_with('/') => Some(Place::Unix(file.into())),
        // As the client has it, the socket is the way to `localhost`.
        (Some(file), Some(host)) if host == "localhost" => Some(Place::Unix(file.into())),
        (_, Some(host)) => Some(Place::Tcp(host.clone(), port.unwrap_or(3306))),
        (None, None) => port.map(|port| Place::Tcp("localhost".to_owned(), port)),
    })
}

/// Where a server of this machine is.
fn usual() -> Place {
    match SOCKETS.iter().map(Path::new).find(|file| file.exists()) {
        Some(file) => Place::Unix(file.to_owned()),
        None => Place::Tcp("localhost".to_owned(), 3306),
    }
}

/// The client ignores what everybody may write.
fn is_private(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o002 == 0)
    }
    #[cfg(not(unix))]
    file.exists()
}

/// `name=value` under `[client]`.
fn of_client_section(text: &str) -> Vec<(String, String)> {
    let mut here = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            here = matches!(line, "[client]" | "[client-server]" | "[client-mariadb]");
        } else if here && let Some((name, value)) = line.split_once('=') {
            let (name, value) = (spelling(name.trim()), value.trim());
            let quoted = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
            if OF_FILE.contains(&name.as_str()) {
                found.push((name, quoted.unwrap_or(value).to_owned()));
            }
        }
    }
    // The last of several is the one that counts.
    found.reverse();
    found
}

fn security(take: &impl Fn(&str) -> Option<String>) -> Result<(Secure, Settings)> {
    let file = |name: &str| take(name).map(PathBuf::from);
    let authorities = file("ssl-ca").map(Roots::File);
    let usual = if authorities.is_some() { "VERIFY_CA" } else { "PREFERRED" };
    let mode = take("ssl-mode").unwrap_or_else(|| usual.to_owned()).to_ascii_uppercase().replace('-', "_");
    let (secure, roots) = match mode.as_str() {
        "DISABLED" => (Secure::Never, None),
        "PREFERRED" => (Secure::Preferred, None),
        "REQUIRED" => (Secure::Always, None),
        "VERIFY_CA" if authorities.is_none() => {
            return Err(wrong("ssl-mode=VERIFY_CA needs ssl-ca, a file of certificates of authorities"));
        }
        "VERIFY_CA" => (Secure::Always, authorities),
        "VERIFY_IDENTITY" => (Secure::Always, Some(authorities.unwrap_or(Roots::System))),
        _ => {
            return Err(wrong("ssl-mode is DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"));
        }
    };
    let identity = match (file("ssl-cert"), file("ssl-key")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(wrong("ssl-cert and ssl-key are given together")),
    };
    let check_name = mode == "VERIFY_IDENTITY";
    let revoked = if roots.is_some() { file("ssl-crl") } else { None };
    Ok((secure, Settings { roots, check_name, revoked, identity }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address> {
        let separator = if url.contains('?') { '&' } else { '?' };
        Address::new(&Url::parse(&format!("{url}{separator}defaults-file=/dev/null"))?)
    }

    #[test]
    fn a_url_says_host_port_user_and_database() {
        let parsed = address("mysql://ann:p%40s%3As@db.example:3307/sales").unwrap();
        assert_eq!(parsed.place, Place::Tcp("db.example".to_owned(), 3307));
        assert_eq!((parsed.user.as_str(), parsed.password.as_deref()), ("ann", Some("p@s:s")));
        assert_eq!(parsed.database, "sales");
        assert!(!format!("{parsed:?}").contains("p@s:s"));
        assert_eq!(address("mysql://[::1]/d").unwrap().place, Place::Tcp("::1".to_owned(), 3306));
        assert_eq!(address("mysql:///d?socket=/s").unwrap().place, Place::Unix("/s".into()));
        assert_eq!(address("mysql://h/d?socket=/s").unwrap().place, Place::Tcp("h".to_owned(), 3306));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for url in [
            "mysql://h/d?nonsense=1",
            "mysql://h:x/d",
            "mysql://h/d?zero_dates=maybe",
            "mysql://h/?ssl-cert=c",
        ] {
            assert_eq!(address(url).unwrap_err().code(), Code::InvalidParameter, "{url}");
        }
    }

    #[test]
    fn tls_is_used_where_there_is_and_verified_where_authorities_are_given() {
        let secure = |query: &str| address(&format!("mysql://h/d?{query}")).map(|a| (a.secure, a.tls));
        assert_eq!(secure("").unwrap(), (Secure::Preferred, Settings::default()));
        assert_eq!(secure("sslmode=disabled").unwrap().0, Secure::Never);
        let (mode, tls) = secure("ssl_ca=/ca.pem").unwrap();
        assert_eq!(
            (mode, tls.roots, tls.check_name),
            (Secure::Always, Some(Roots::File("/ca.pem".into())), false)
        );
        let (mode, tls) = secure("ssl-mode=VERIFY_IDENTITY").unwrap();
        assert_eq!((mode, tls.roots, tls.check_name), (Secure::Always, Some(Roots::System), true));
        assert!(secure("ssl-mode=VERIFY_CA").is_err());
    }

    #[test]
    fn the_client_section_is_read() {
        let text = "[mysqld]\nuser=no\n[client]\n# c\nuser = ann\npassword=\"a b\"\nssl_ca=/x\nother=1\n[mysql]\nhost=no";
        let mut found = of_client_section(text);
        found.sort();
        let expected = [("password", "a b"), ("ssl-ca", "/x"), ("user", "ann")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
