//! Addresses of databases. Nothing in here prints a password.
//!
//! What divides an address is looked for before its escapes are decoded: `%3A`, `%40`, `%2C` and
//! `%2F` are characters of a name, of a password, of a host.

use crate::error::{Code, Error, Result};

/// `scheme://[user[:password]@][host[:port][,…]][/path][?name=value&…]`, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// The user and the password, before the `@`.
    pub login: Option<(String, Option<String>)>,
    /// Hosts and their ports, which are empty where none is said; several stand between commas.
    pub hosts: Vec<(String, String)>,
    /// Without its first slash: `sqlite:///a` is relative, `sqlite:////a` is absolute.
    pub path: String,
    pub query: Vec<(String, String)>,
}

impl Url {
    /// # Errors
    /// `invalid-parameter`; the text of the address is not in it, for it may hold a password.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| {
                scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            })
            .ok_or_else(|| invalid("an address is written scheme://…"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_>>()?;
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let login = login.map(|login| -> Result<_> {
            Ok(match login.split_once(':') {
                Some((user, password)) => (decode(user)?, Some(decode(password)?)),
                None => (decode(login)?, None),
            })
        });
        let hosts = place.split(',').filter(|_| !place.is_empty());
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            login: login.transpose()?,
            hosts: hosts.map(host).collect::<Result<_>>()?,
            path: decode(path)?,
            query,
        })
    }
}

/// `host`, `host:port`, or with an address of IPv6 `[::1]:port`.
fn host(text: &str) -> Result<(String, String)> {
    let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((name, ""))) => (name, ""),
        Some(Some((name, port))) => {
            (name, port.strip_prefix(':').ok_or_else(|| invalid("a port stands behind a colon"))?)
        }
        Some(None) => return Err(invalid("an address of IPv6 stands in brackets: [::1]:5432")),
        None => text.split_once(':').unwrap_or((text, "")),
    };
    if port.contains(':') {
        return Err(invalid("an address of IPv6 stands in brackets: [::1]:5432"));
    }
    Ok((decode(name)?, decode(port)?))
}

/// The name of an option that a database does not have, for an error: what is no name of any may be the
/// end of a password with a `?` in it.
#[must_use]
pub fn shown(name: &str) -> &str {
    let named = name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte));
    if named { name } else { "…" }
}

fn invalid(detail: &str) -> Error {
    Error::new(Code::InvalidParameter, detail)
}

fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let [high, low, tail @ ..] = tail else {
                return Err(invalid("the address has a malformed percent escape"));
            };
            match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Err(invalid("the address has a malformed percent escape")),
            }
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(invalid("the address is not text in UTF-8")),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn three_slashes_are_relative_and_four_absolute() {
        assert_eq!(Url::parse("sqlite:///data/a.db").unwrap().path, "data/a.db");
        assert_eq!(Url::parse("SQLite:////data/a.db").unwrap().path, "/data/a.db");
        assert_eq!(Url::parse("sqlite://").unwrap().path, "");
        assert_eq!(Url::parse("sqlite:///:memory:").unwrap().path, ":memory:");
    }

    #[test]
    fn escapes_are_decoded_once_and_parameters_kept_in_order() {
        let url = Url::parse("sqlite:///a%20%2562%3F.db?x=1&y=%26&flag").unwrap();
        assert_eq!(url.path, "a %62?.db");
        let query: Vec<_> = url.query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(query, [("x", "1"), ("y", "&"), ("flag", "")]);
    }

    #[test]
    fn an_authority_is_cut_before_it_is_decoded() {
        let url =
            Url::parse("x://a%40b%3Ac:p%3A%40%2F:w@h%2C1:7,[::1]:8,%2Frun%2Fpg,,[fe80::1%25eth0]/d%2Fe")
                .unwrap();
        assert_eq!(url.login, Some(("a@b:c".to_owned(), Some("p:@/:w".to_owned()))));
        let hosts: Vec<_> = url.hosts.iter().map(|(name, port)| (name.as_str(), port.as_str())).collect();
        assert_eq!(hosts, [("h,1", "7"), ("::1", "8"), ("/run/pg", ""), ("", ""), ("fe80::1%eth0", "")]);
        assert_eq!(url.path, "d/e");
        let bare = Url::parse("x://ann@").unwrap();
        assert_eq!((bare.login, bare.hosts.len()), (Some(("ann".to_owned(), None)), 0));
        for wrong in ["x://::1/d", "x://[::1/d", "x://[::1]5/d", "x://h:1:2/d"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn errors_never_show_the_address() {
        for url in [
            "postgresql:u:canary@h/db",
            "postgresql://u:canary@h:1:2/db",
            "postgresql://u:canary%zz@h/db",
            "x y://canary",
            "a://canary%00",
        ] {
            let error = Url::parse(url).err().unwrap();
            assert!(!error.detail().contains("canary"), "{error}");
        }
    }
}
