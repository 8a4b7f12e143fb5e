//! From an address to a connection that has been let in; and the request that stops one.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::address::{Address, Server};
use super::fault::{broken, unexpected};
use super::login;
use super::wire::Conn;
use crate::engines::socket::{Place, Socket};
use crate::engines::tls::Tls;
use crate::error::{Code, Error, Result};

const SSL_REQUEST: u32 = 80_877_103;
const CANCEL_REQUEST: u32 = 80_877_102;

/// Connects to the first server that lets us in, with TLS or without as the address says.
///
/// # Errors
/// `database-unavailable` with what was said last, `invalid-parameter` for files of certificates.
pub fn open(address: &Address) -> Result<Conn> {
    let mut failure = Error::new(Code::DatabaseUnavailable, "no host was given");
    for server in &address.servers {
        for &secure in address.security.attempts(matches!(server.place, Place::Unix(_))) {
            match enter(server, address, secure) {
                Ok(conn) => return Ok(conn),
                Err(Refusal { error, again }) => {
                    failure = error;
                    if !again {
                        break;
                    }
                }
            }
        }
        // Who we are was doubted; another server is not asked.
        if failure.sqlstate().is_some_and(|state| state.starts_with("28")) {
            break;
        }
    }
    Err(failure)
}

/// Why a server did not let us in, and whether it is worth to try without TLS, or with it.
struct Refusal {
    error: Error,
    again: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, again: false }
    }
}

fn enter(server: &Server, address: &Address, secure: bool) -> Result<Conn, Refusal> {
    let cannot = |error: &io::Error| {
        let detail = format!("cannot connect to PostgreSQL at {}: {error}", server.place);
        Error::new(Code::DatabaseUnavailable, detail)
    };
    let tls = if secure { Some(Tls::new(&address.security.settings)?) } else { None };
    let mut socket =
        Socket::connect(&server.place, address.connect_timeout).map_err(|error| cannot(&error))?;
    socket.set_patience(Some(address.connect_timeout)).map_err(|error| cannot(&error))?;
    socket.keep_alive(&address.keep_alive).map_err(|error| cannot(&error))?;
    let mut canceller = Canceller { server: server.clone(), tls: None, key: (0, 0) };
    if let Some(tls) = tls {
        if asks(&mut socket).map_err(|error| cannot(&error))? {
            socket = socket
                .secure(&tls, &server.name)
                .map_err(|error| Refusal { error: cannot(&error), again: true })?;
            canceller.tls = Some(tls);
        } else if !address.security.yields() {
            let detail = format!("PostgreSQL at {} does not speak TLS", server.place);
            return Err(Error::new(Code::DatabaseUnavailable, detail).into());
        }
    }
    let mut conn = Conn::new(socket, canceller);
    let mut asked = false;
    let password = server.password.as_deref();
    login::enter(&mut conn, address, password, &mut asked)
        .map_err(|error| Refusal { error, again: !asked })?;
    conn.socket.set_patience(None).map_err(|error| broken(&error))?;
    Ok(conn)
}

/// Whether a server is ready for TLS. Exactly one byte is taken: what else came in the clear is not
/// believed.
fn asks(socket: &mut Socket) -> io::Result<bool> {
    let mut request = 8_u32.to_be_bytes().to_vec();
    request.extend_from_slice(&SSL_REQUEST.to_be_bytes());
    socket.write_all(&request)?;
    let mut answer = [0];
    socket.read_exact(&mut answer)?;
    match answer {
        [b'S'] => Ok(true),
        [b'N'] => Ok(false),
        _ => Err(io::Error::other(unexpected("neither yes nor no to TLS"))),
    }
}

/// Where and what to send so that the server stops what a connection does.
#[derive(Clone)]
pub struct Canceller {
    server: Server,
    tls: Option<Tls>,
    pub key: (u32, u32),
}

impl Canceller {
    /// Asks the server, under TLS if the connection was; waits until it has taken the request.
    pub fn cancel(&self) {
        // Whoever cancels has left, and there is nobody to hear of a failure.
        let _ = self.ask();
    }

    fn ask(&self) -> io::Result<()> {
        let patience = Duration::from_secs(5);
        let mut socket = Socket::connect(&self.server.place, patience)?;
        socket.set_patience(Some(patience))?;
        if let Some(tls) = &self.tls {
            if !asks(&mut socket)? {
                return Ok(());
            }
            socket = socket.secure(tls, &self.server.name)?;
        }
        let mut request = Vec::with_capacity(16);
        for word in [16, CANCEL_REQUEST, self.key.0, self.key.1] {
            request.extend_from_slice(&word.to_be_bytes());
        }
        socket.write_all(&request)?;
        socket.flush()?;
        socket.read(&mut [0]).map(drop)
    }
}
