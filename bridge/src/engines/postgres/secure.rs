//! `sslmode` and its companions, as libpq reads them.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>

use std::path::{Path, PathBuf};

use crate::engines::tls::{Roots, Settings};
use crate::error::{Code, Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
}

/// Whether a proof of the password is bound to the TLS below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Disable,
    Prefer,
    Require,
}

/// Whether to use TLS, and how.
#[derive(Clone, Debug)]
pub struct Security {
    mode: Mode,
    pub settings: Settings,
    pub binding: Binding,
}

impl Security {
    /// Reads the options; `home` has the folder of the default files.
    ///
    /// # Errors
    /// `invalid-parameter`, `unsupported`.
    pub fn new(option: impl Fn(&str) -> Option<String>, home: Option<&Path>) -> Result<Self> {
        let file = |name: &str, usual: &str| {
            let usual = || Some(home?.join(".postgresql").join(usual)).filter(|file| file.exists());
            option(name).map(PathBuf::from).or_else(usual)
        };
        let roots = match option("sslrootcert").as_deref() {
            Some("system") => Some(Roots::System),
            _ => file("sslrootcert", "root.crt").map(Roots::File),
        };
        let system = roots == Some(Roots::System);
        let mode = option("sslmode").unwrap_or_else(|| if system { "verify-full" } else { "prefer" }.into());
        let verify = mode.starts_with("verify-");
        if verify && roots.is_none() {
            let detail = format!(
                "sslmode={mode} needs the certificates of authorities: give sslrootcert, a file or \"system\""
            );
            return Err(wrong(detail));
        }
        if system && mode != "verify-full" {
            return Err(wrong(format!("sslmode={mode} is too weak for sslrootcert=system: use verify-full")));
        }
        if option("sslnegotiation").is_some_and(|how| how != "postgres") {
            let detail = "sslnegotiation is \"postgres\"; others are not spoken here";
            return Err(Error::new(Code::Unsupported, detail));
        }
        let identity = file("sslcert", "postgresql.crt").zip(file("sslkey", "postgresql.key"));
        if identity.is_none() && option("sslcert").is_some() {
            return Err(wrong("sslcert is of no use without sslkey".to_owned()));
        }
        Ok(Self {
            mode: match mode.as_str() {
                "disable" => Mode::Disable,
                "allow" => Mode::Allow,
                "prefer" => Mode::Prefer,
                "require" | "verify-ca" | "verify-full" => Mode::Require,
                other => return Err(wrong(format!("there is no sslmode {other:?}"))),
            },
            settings: Settings {
                roots,
                check_name: mode == "verify-full",
                revoked: file("sslcrl", "root.crl"),
                identity,
            },
            binding: match option("channel_binding").as_deref() {
                None | Some("prefer") => Binding::Prefer,
                Some("disable") => Binding::Disable,
                Some("require") => Binding::Require,
                Some(other) => return Err(wrong(format!("there is no channel_binding {other:?}"))),
            },
        })
    }

    /// What is tried in turn: with TLS or without.
    #[must_use]
    pub fn attempts(&self, unix: bool) -> &'static [bool] {
        match self.mode {
            _ if unix => &[false],
            Mode::Disable => &[false],
            Mode::Allow => &[false, true],
            Mode::Prefer => &[true, false],
            Mode::Require => &[true],
        }
    }

    /// A server without TLS will do, although it was asked for it.
    #[must_use]
    pub fn yields(&self) -> bool {
        self.mode == Mode::Prefer
    }
}

fn wrong(detail: String) -> Error {
    Error::new(Code::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(options: &[(&str, &str)], home: Option<&Path>) -> Result<Security> {
        let given = |name: &str| options.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Security::new(given, home)
    }

    #[test]
    fn tls_is_tried_first_unless_told_otherwise() {
        for (mode, attempts) in [
            ("disable", &[false][..]),
            ("allow", &[false, true]),
            ("prefer", &[true, false]),
            ("require", &[true]),
        ] {
            assert_eq!(security(&[("sslmode", mode)], None).unwrap().attempts(false), attempts);
        }
        assert_eq!(security(&[], None).unwrap().attempts(false), [true, false]);
        assert_eq!(security(&[("sslmode", "require")], None).unwrap().attempts(true), [false]);
    }

    #[test]
    fn what_is_to_be_verified_needs_authorities() {
        for mode in ["verify-ca", "verify-full"] {
            assert_eq!(security(&[("sslmode", mode)], None).unwrap_err().code(), Code::InvalidParameter);
        }
        let system = security(&[("sslrootcert", "system")], None).unwrap();
        assert!(system.settings.check_name && !system.yields());
        assert!(security(&[("sslrootcert", "system"), ("sslmode", "require")], None).is_err());
    }

    #[test]
    fn files_at_home_are_used_where_none_are_named() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".postgresql");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(security(&[], Some(home.path())).unwrap().settings, Settings::default());
        for name in ["root.crt", "root.crl", "postgresql.crt", "postgresql.key"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let found = security(&[("sslkey", "/k")], Some(home.path())).unwrap().settings;
        assert_eq!(found.roots, Some(Roots::File(folder.join("root.crt"))));
        assert_eq!(found.revoked, Some(folder.join("root.crl")));
        assert_eq!(found.identity, Some((folder.join("postgresql.crt"), "/k".into())));
    }
}
