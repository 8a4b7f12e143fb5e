//! From an address to a connection that has been let in.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::address::{Address, Secure};
use super::cells::Reader;
use super::fault::{broken, of_packet, unexpected};
use super::login;
use super::statement::{BULK, EXTENDED_METADATA};
use super::wire::{Conn, Server};
use crate::engines::socket::{KeepAlive, Place, Socket};
use crate::engines::tls::Tls;
use crate::error::{Code, Error, Result};

/// Capabilities, as <https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>
/// counts them. Not among them: local files, several statements at once.
const WITH_DATABASE: u32 = 1 << 3;
const TLS: u32 = 1 << 11;
const ATTRIBUTES: u32 = 1 << 20;
const WANTED: u32 = 1 << 2 // longer flags
    | 1 << 9 // protocol 4.1
    | 1 << 13 // transactions
    | 1 << 15 // proofs of this century
    | 1 << 19 // by plugins
    | ATTRIBUTES
    | 1 << 21; // of any length
/// A server without it is MariaDB, and says more.
const MYSQL: u32 = 1;

/// `utf8mb4_general_ci`, which every server knows.
const CHARSET: u8 = 45;

/// What a server says first.
pub struct Greeting {
    pub server: Server,
    capabilities: u32,
    pub salt: Vec<u8>,
    pub plugin: String,
}

/// # Errors
/// `database-unavailable` with what the server said, `invalid-parameter` for files of certificates.
pub fn open(address: &Arc<Address>) -> Result<Conn> {
    let cannot = |error: &io::Error| {
        let detail = format!("cannot connect to MySQL at {}: {error}", address.place);
        Error::new(Code::DatabaseUnavailable, detail)
    };
    let mut socket =
        Socket::connect(&address.place, address.connect_timeout).map_err(|error| cannot(&error))?;
    socket.set_patience(Some(address.connect_timeout)).map_err(|error| cannot(&error))?;
    socket.keep_alive(&KeepAlive::default()).map_err(|error| cannot(&error))?;
    let greeting = greeting(&receive(&mut socket).map_err(|error| cannot(&error))?)?;
    let local = matches!(address.place, Place::Unix(_));
    let able = greeting.capabilities & TLS != 0;
    let secure = match address.secure {
        _ if local => false,
        Secure::Never => false,
        Secure::Preferred => able,
        Secure::Always if able => true,
        Secure::Always => {
            let detail = format!("MySQL at {} does not speak TLS", address.place);
            return Err(Error::new(Code::DatabaseUnavailable, detail));
        }
    };
    let mut capabilities = WANTED & greeting.capabilities;
    if !address.database.is_empty() {
        capabilities |= WITH_DATABASE;
    }
    if secure {
        capabilities |= TLS;
    }
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend_from_slice(&(1_u32 << 30).to_le_bytes());
    head.push(CHARSET);
    head.resize(head.len() + 19, 0);
    head.extend_from_slice(&greeting.server.extended.to_le_bytes());
    let mut sequence = 1;
    if secure {
        let tls = Tls::new(&address.tls)?;
        let length = u32::try_from(head.len()).unwrap_or(0) | 1 << 24;
        let request = [&length.to_le_bytes()[..], &head].concat();
        socket.write_all(&request).map_err(|error| cannot(&error))?;
        socket = socket.secure(&tls, &address.name).map_err(|error| cannot(&error))?;
        sequence = 2;
    }
    let mut conn = Conn::new(socket, address.clone());
    conn.server = greeting.server;
    conn.sequence = sequence;
    let attributes = capabilities & ATTRIBUTES != 0;
    login::enter(&mut conn, &head, &greeting, attributes, secure || local)?;
    conn.set_up()?;
    conn.socket.set_patience(None).map_err(|error| broken(&error))?;
    Ok(conn)
}

/// The first packet, and not a byte more: what else came in the clear is not believed.
fn receive(socket: &mut Socket) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    socket.read_exact(&mut header)?;
    let mut body = vec![0; (u32::from_le_bytes(header) & 0xffff) as usize];
    socket.read_exact(&mut body)?;
    Ok(body)
}

fn greeting(body: &[u8]) -> Result<Greeting> {
    let mut reader = Reader(body);
    match reader.number::<1>()? {
        10 => {}
        0xff => {
            let refused = of_packet(reader.0);
            return Err(Error::new(Code::DatabaseUnavailable, refused.detail()));
        }
        _ => return Err(unexpected("another protocol")),
    }
    let name = String::from_utf8_lossy(reader.zero_ended()?).into_owned();
    let connection = reader.number::<4>()? as u32;
    let mut salt = reader.bytes(8)?.to_vec();
    let _zero = reader.number::<1>()?;
    let mut capabilities = reader.number::<2>()? as u32;
    let _charset_and_status = reader.bytes(3)?;
    capabilities |= (reader.number::<2>()? as u32) << 16;
    let salted = usize::try_from(reader.number::<1>()?).unwrap_or(0);
    let _reserved = reader.bytes(6)?;
    let extended = reader.number::<4>()? as u32;
    let rest = reader.bytes(salted.saturating_sub(8).max(13).min(reader.0.len()))?;
    salt.extend_from_slice(rest);
    salt.truncate(20);
    let plugin = reader.zero_ended().unwrap_or(reader.0);
    let mariadb = capabilities & MYSQL == 0;
    Ok(Greeting {
        server: Server {
            mariadb: mariadb || name.contains("MariaDB"),
            version: version(&name),
            extended: if mariadb { extended & (EXTENDED_METADATA | BULK) } else { 0 },
            connection,
        },
        capabilities,
        salt,
        plugin: String::from_utf8_lossy(plugin).into_owned(),
    })
}

/// `8.0.36-debian` as 80036; MariaDB may pretend to be `5.5.5-10.11.19-MariaDB`.
fn version(name: &str) -> u32 {
    let name = name.strip_prefix("5.5.5-").unwrap_or(name);
    let mut parts = name.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0).min(999);
    next() * 10_000 + next() * 100 + next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version("8.0.36-0ubuntu"), 80_036);
        assert_eq!(version("5.5.5-10.11.19-MariaDB-0+deb12u1"), 101_119);
        assert_eq!(version("x"), 0);
    }

    #[test]
    fn a_greeting_cut_short_is_no_greeting() {
        let whole = [
            &[10][..],
            b"8.0.36\0",
            &[1, 0, 0, 0],
            &[7; 8],
            &[0, 0xff, 0xff, 45, 2, 0, 0xff, 0xff, 21],
            &[0; 10],
            &[9; 12],
            &[0],
            b"caching_sha2_password\0",
        ]
        .concat();
        let read = greeting(&whole).unwrap();
        assert_eq!(
            (read.salt.len(), read.plugin.as_str(), read.server.mariadb),
            (20, "caching_sha2_password", false)
        );
        for end in 0..30 {
            assert!(greeting(&whole[..end]).is_err());
        }
    }
}
