//! Connections to MySQL, kept and stopped as those of all servers are.

use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::connect;
use super::fault::broken;
use super::wire::{Conn, RESET};
pub use crate::engines::session::Watch;
use crate::engines::session::{self, Connection};
use crate::engines::socket::Link;
use crate::error::Result;

pub type Pool = session::Pool<Conn>;
pub type Session<'a> = session::Session<'a, Conn>;

/// A transaction that sees one state and that no statement can make writable.
pub const READ: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
/// A transaction that may write, whatever the session's default is.
pub const WRITE: &str = "START TRANSACTION READ WRITE";

/// What our SQL and our reading must not depend on: a server's or a user's taste. Values are written
/// exactly or not at all, a zero is a zero, and a reader may be slow.
const SESSION: &str = "SET NAMES utf8mb4, time_zone = '+00:00', \
    sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
    autocommit = 1, completion_type = 0, sql_safe_updates = 0, sql_select_limit = DEFAULT, sql_auto_is_null = 0, \
    sql_quote_show_create = 1, foreign_key_checks = 1, unique_checks = 1, net_write_timeout = 86400, net_read_timeout = 86400";
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
/// Keys that the server makes up, where it was told to, are no columns of ours.
const HIDE_KEYS: &str = "SET show_gipk_in_create_table_and_information_schema = 0";
/// MySQL 8.0.30 has them.
const INVISIBLE_KEYS: u32 = 80_030;

impl Conn {
    /// Makes the session as everything here expects it.
    ///
    /// # Errors
    /// What the server said.
    pub fn set_up(&mut self) -> Result<()> {
        self.run(self.settings()).map(drop)
    }

    fn settings(&self) -> &'static [&'static str] {
        let hides = !self.server.mariadb && self.server.version >= INVISIBLE_KEYS;
        if hides { &[SESSION, ISOLATION, HIDE_KEYS] } else { &[SESSION, ISOLATION] }
    }
}

/// Milliseconds after its limit until the server stops a statement by itself. We do that in time; the server's
/// way is for when we cannot, and not all that it stops is an error: `SLEEP` gives a row.
const GRACE: u128 = 1000;

impl Connection for Conn {
    type Address = Arc<Address>;

    fn open(address: &Self::Address) -> Result<Self> {
        connect::open(address)
    }

    fn begin(&mut self, begin: &str, limit: Option<u128>) -> Result<()> {
        if limit.is_none() && self.limit.is_none() {
            let outcome = self.run(&[begin]).map(drop);
            // A server that says why it ends an idle connection ends it all the same.
            self.idle &= outcome.is_ok();
            return outcome;
        }
        let name = if self.server.mariadb { "max_statement_time" } else { "max_execution_time" };
        let value = match limit.map(|ms| ms + GRACE) {
            None => "DEFAULT".to_owned(),
            Some(ms) if self.server.mariadb => format!("{}.{:03}", ms / 1000, ms % 1000),
            Some(ms) => ms.to_string(),
        };
        self.limit = limit;
        let outcome = self.run(&[&format!("SET SESSION {name} = {value}"), begin]).map(drop);
        self.idle &= outcome.is_ok();
        outcome
    }

    fn end(&mut self, end: &str) -> Result<()> {
        self.run(&[end]).map(drop)
    }

    fn refresh(&mut self) -> Result<()> {
        self.command(RESET);
        self.end_message();
        let settings = self.settings();
        let outcome = self.ask(settings).and_then(|()| self.answers(1 + settings.len())).map(drop);
        self.limit = None;
        // What cannot be cleaned is not used again.
        self.idle = outcome.is_ok();
        outcome
    }

    fn is_idle(&self) -> bool {
        self.idle
    }

    fn link(&self) -> Result<Link> {
        self.socket.handle().map_err(|error| broken(&error))
    }

    fn teller(&self) -> Box<dyn FnOnce() + Send> {
        let (address, id) = (self.address.clone(), self.server.connection);
        Box::new(move || {
            let mut address = Address::clone(&address);
            address.connect_timeout = address.connect_timeout.min(Duration::from_secs(5));
            address.database.clear();
            // Whoever cancels has left, and there is nobody to hear of a failure.
            if let Ok(mut conn) = connect::open(&Arc::new(address)) {
                let _ = conn.run(&[&format!("KILL QUERY {id}")]);
            }
        })
    }
}
