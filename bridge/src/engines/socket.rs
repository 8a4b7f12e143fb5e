//! A connected socket, of either family, in the clear or under TLS.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::tls::Tls;

/// What is received at once, before it is deciphered.
const CIPHERED: usize = 64 << 10;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A name or an address, and a port.
    Tcp(String, u16),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// How soon a TCP connection ends whose other side fell silent. Without a number, it is the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Whether the other side is asked at all.
    pub asks: bool,
    /// Silence before it is asked.
    pub idle: Option<Duration>,
    /// From question to question.
    pub interval: Option<Duration>,
    /// Questions without an answer.
    pub count: Option<u32>,
    /// How long what was sent may be without an answer; where the system knows that.
    pub patience: Option<Duration>,
}

impl Default for KeepAlive {
    /// Two minutes in all: some systems would wait that many hours.
    fn default() -> Self {
        let (idle, interval) = (Duration::from_secs(60), Duration::from_secs(10));
        Self { asks: true, idle: Some(idle), interval: Some(interval), count: Some(6), patience: None }
    }
}

impl KeepAlive {
    #[cfg(unix)]
    fn apply(&self, stream: &TcpStream) -> io::Result<()> {
        use rustix::net::sockopt;

        sockopt::set_socket_keepalive(stream, self.asks)?;
        if self.asks {
            self.idle.map_or(Ok(()), |idle| sockopt::set_tcp_keepidle(stream, idle))?;
            self.interval.map_or(Ok(()), |interval| sockopt::set_tcp_keepintvl(stream, interval))?;
            self.count.map_or(Ok(()), |count| sockopt::set_tcp_keepcnt(stream, count))?;
        }
        #[cfg(target_os = "linux")]
        if let Some(patience) = self.patience {
            sockopt::set_tcp_user_timeout(stream, u32::try_from(patience.as_millis()).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn apply(&self, _: &TcpStream) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}, port {port}"),
            Self::Unix(file) => write!(f, "{}", file.display()),
        }
    }
}

/// A connection to a server.
pub enum Socket {
    Clear(Link),
    Tls(Box<StreamOwned<ClientConnection, Buffered>>),
}

impl Socket {
    /// # Errors
    /// The system's; for a name with several addresses, that of the last.
    pub fn connect(place: &Place, timeout: Duration) -> io::Result<Self> {
        Link::connect(place, timeout).map(Self::Clear)
    }

    /// Begins TLS, for a server that was asked and is ready for it. `name` is what its certificate
    /// has to say.
    ///
    /// # Errors
    /// The system's, or `InvalidData` around what TLS has against the other side.
    pub fn secure(self, tls: &Tls, name: &str) -> io::Result<Self> {
        let Self::Clear(link) = self else {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "TLS has begun already"));
        };
        let mut link = Buffered(BufReader::with_capacity(CIPHERED, link));
        let mut session = tls.session(name)?;
        while session.is_handshaking() {
            if session.complete_io(&mut link)? == (0, 0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, link))))
    }

    /// The server's own certificate, as DER; none in the clear.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Clear(_) => None,
            Self::Tls(stream) => stream.conn.peer_certificates()?.first().map(AsRef::as_ref),
        }
    }

    fn link(&self) -> &Link {
        match self {
            Self::Clear(link) => link,
            Self::Tls(stream) => stream.sock.0.get_ref(),
        }
    }

    /// Another handle to what lies below, by which another thread can shut it.
    ///
    /// # Errors
    /// The system's.
    pub fn handle(&self) -> io::Result<Link> {
        self.link().try_clone()
    }

    /// How a silence of the other side is met, where that is not as usual. Unix sockets have none.
    ///
    /// # Errors
    /// The system's.
    pub fn keep_alive(&self, keep_alive: &KeepAlive) -> io::Result<()> {
        match self.link() {
            Link::Tcp(stream) => keep_alive.apply(stream),
            #[cfg(unix)]
            Link::Unix(_) => Ok(()),
        }
    }

    /// How long a read or a write waits at most; none is for ever.
    ///
    /// # Errors
    /// The system's.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self.link() {
            Link::Tcp(stream) => {
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
            #[cfg(unix)]
            Link::Unix(stream) => {
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(link) => link.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(link) => link.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Sends what TLS has gathered.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// TCP or a Unix socket.
pub enum Link {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Link {
    fn connect(place: &Place, timeout: Duration) -> io::Result<Self> {
        match place {
            Place::Tcp(host, port) => {
                let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, timeout) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Self::Tcp(stream));
                        }
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
            #[cfg(unix)]
            Place::Unix(file) => UnixStream::connect(file).map(Self::Unix),
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    /// Ends both directions; whoever reads or writes returns.
    pub fn shut(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A link that is read in larger pieces than TLS asks for.
pub struct Buffered(BufReader<Link>);

impl Read for Buffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
