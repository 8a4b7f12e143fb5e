//! Connections to PostgreSQL, kept and stopped as those of all servers are.

use super::address::Address;
use super::connect;
use super::wire::Conn;
pub use crate::engines::session::Watch;
use crate::engines::session::{self, Connection};
use crate::engines::socket::Link;
use crate::error::{Code, Error, Result};

pub type Pool = session::Pool<Conn>;
pub type Session<'a> = session::Session<'a, Conn>;

impl Connection for Conn {
    type Address = Address;

    fn open(address: &Address) -> Result<Self> {
        connect::open(address)
    }

    fn begin(&mut self, begin: &str, limit: Option<u128>) -> Result<()> {
        let limit = limit.map_or_else(String::new, at_most);
        self.run(&format!("{begin}{limit}"))
    }

    fn end(&mut self, end: &str) -> Result<()> {
        let mut undone = false;
        self.put_query(end);
        self.flush()?;
        self.answer(|tag, body| {
            undone |= tag == b'C' && body.starts_with(b"ROLLBACK");
            Ok(())
        })?;
        if undone && end.starts_with("COMMIT") {
            let detail = "PostgreSQL took back the transaction that it was to commit";
            return Err(Error::new(Code::DatabaseUnavailable, detail));
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        self.run("DISCARD ALL")
    }

    fn is_idle(&self) -> bool {
        self.idle
    }

    fn link(&self) -> Result<Link> {
        self.link()
    }

    fn teller(&self) -> Box<dyn FnOnce() + Send> {
        let canceller = self.canceller();
        Box::new(move || canceller.cancel())
    }
}

/// Limits the statements that follow in a transaction. Whoever set a shorter limit for the role or
/// the database meant it.
fn at_most(ms: u128) -> String {
    format!(
        "; SELECT pg_catalog.set_config('statement_timeout', '{ms}', true)
           WHERE pg_catalog.current_setting('statement_timeout')::interval NOT BETWEEN '1 us' AND '{ms} ms'"
    )
}
