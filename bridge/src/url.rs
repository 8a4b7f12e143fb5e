//! Addresses of databases. Nothing in here prints a password.

use crate::error::{Code, Error, Result};

/// `scheme://[user[:password]@][host][/path][?name=value&…]`, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// What stands between `//` and the next `/`; may hold a password.
    pub authority: String,
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
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            authority: decode(authority)?,
            path: decode(path)?,
            query,
        })
    }
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
    fn errors_never_show_the_address() {
        for url in
            ["postgresql:u:canary@h/db", "postgresql://u:canary%zz@h/db", "x y://canary", "a://canary%00"]
        {
            let error = Url::parse(url).err().unwrap();
            assert!(!error.detail().contains("canary"), "{error}");
        }
    }
}
