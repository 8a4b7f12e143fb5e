//! The files in which users keep what they do not want to say each time.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};

pub fn home() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from)
}

/// What stands under `[service]` in the first service file that has it.
///
/// # Errors
/// `invalid-parameter` where none has.
pub fn service(service: &str) -> Result<Vec<(String, String)>> {
    let own =
        env::var_os("PGSERVICEFILE").map(PathBuf::from).or_else(|| Some(home()?.join(".pg_service.conf")));
    let system = env::var_os("PGSYSCONFDIR")
        .map_or_else(|| PathBuf::from("/etc/postgresql-common"), PathBuf::from)
        .join("pg_service.conf");
    for file in own.into_iter().chain([system]) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        if let Some(section) = section(&text, service) {
            return Ok(section);
        }
    }
    Err(Error::new(Code::InvalidParameter, format!("there is no definition of service {service:?}")))
}

fn section(text: &str, service: &str) -> Option<Vec<(String, String)>> {
    let mut lines = text.lines().map(str::trim);
    lines.by_ref().find(|line| *line == format!("[{service}]"))?;
    let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Some(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}

/// The password that a file like `.pgpass` has for a host, a port, a database and a user.
///
/// As libpq does, a file that others may read is passed over.
pub fn password(file: &Path, [host, port]: &[String; 2], database: &str, user: &str) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let about = fs::metadata(file).ok()?;
        if !about.is_file() || about.permissions().mode() & 0o077 != 0 {
            return None;
        }
    }
    find(&fs::read_to_string(file).ok()?, [host, port, database, user])
}

/// Lines of `host:port:database:user:password`, with `*` for any.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = fields(line);
        let password = fields.pop().filter(|_| fields.len() == wanted.len())?;
        let fits = |(pattern, value): (&Field, &str)| pattern.any || pattern.text == value;
        fields.iter().zip(wanted).all(fits).then_some(password.text)
    })
}

#[derive(Default)]
struct Field {
    text: String,
    /// A bare `*`.
    any: bool,
}

/// Fields with `\\` before `:` and `\\`. The fifth goes on to the end of the line.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut escaped = false;
    for c in line.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else if c == ':' && !escaped && fields.len() < 5 {
            fields.push(Field::default());
        } else if let Some(field) = fields.last_mut() {
            field.any = field.text.is_empty() && c == '*' && !escaped;
            field.text.push(c);
            escaped = false;
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# h:1:d:u:no\nh:1:other:u:no\n*:*:d\\:x:u:p:a\\\\s\\:s\nh:*:d:*:\nh:1:d:u:late\nshort:1\n\\*:1:d:u:star\n";
        for (wanted, password) in [
            (["h", "1", "d:x", "u"], Some("p:a\\s:s")),
            (["h", "1", "d", "u"], Some("")),
            (["i", "1", "d", "u"], None),
            (["*", "1", "d", "u"], Some("star")),
        ] {
            assert_eq!(find(text, wanted).as_deref(), password, "{wanted:?}");
        }
    }

    #[test]
    fn a_service_ends_where_the_next_begins() {
        let text = "[a]\nhost=x\n\n [ b ]\n[b]\n# host=no\nhost = y\noptions=-c a=b\n[c]\nport=1\n";
        let pairs = section(text, "b").unwrap();
        assert_eq!(
            pairs,
            [("host".into(), "y".into()), ("options".into(), "-c a=b".into())] as [(String, String); 2]
        );
        assert!(section(text, "d").is_none());
    }
}
