//! Relations renamed and copied. Each statement that makes, renames or drops one is a transaction of its
//! own: what is new is made ready under a passing name, and takes its place by one statement.

use super::catalogue::{Relation, check_name};
use super::copy;
use super::wire::Conn;
use super::write::passing_name;
use super::{Mysql, quoted};
use crate::database::{Access, Cancel};
use crate::dialect::MYSQL;
use crate::error::{Code, Error, Result};

impl Mysql {
    /// Gives `from` the name of `to`; what has that is dropped afterwards.
    pub(super) fn rename(&self, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
        for name in [from.0, from.1, to.0, to.1] {
            check_name(name)?;
        }
        let Some(old) = (if overwrite { self.in_the_way(to)? } else { None }) else {
            return self.changing(&format!("RENAME TABLE {} TO {}", quoted(from), quoted(to)));
        };
        let passing = passing_name();
        let aside = quoted((to.0, &passing));
        self.changing(&format!(
            "RENAME TABLE {} TO {aside}, {} TO {}",
            quoted(to),
            quoted(from),
            quoted(to)
        ))?;
        self.changing(&format!("DROP {} {aside}", old.sql_kind())).or_else(|error| {
            // It is needed, after all: all is as it was.
            let back = format!("RENAME TABLE {} TO {}, {aside} TO {}", quoted(to), quoted(from), quoted(to));
            self.changing(&back).and(Err(error))
        })
    }

    /// What is to be dropped, if it may be.
    fn in_the_way(&self, place: (&str, &str)) -> Result<Option<Relation>> {
        self.reading(&Cancel::default(), |conn| {
            let old = match Relation::load(conn, place.0, place.1) {
                Ok(old) => old,
                Err(error) if error.code() == Code::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            not_referred_to(conn, &old)?;
            Ok(Some(old))
        })
    }

    pub(super) fn copy(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        overwrite: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        check_name(to.1)?;
        let passing = (to.0, &*passing_name());
        let source = self.about(from.0, from.1, |_, relation| Ok(relation))?;
        let taken = self.reading(cancel, |conn| Relation::load(conn, to.0, to.1));
        match taken {
            Ok(_) if overwrite => {}
            Ok(_) => {
                let detail = format!("there is a relation {:?} already", to.1);
                return Err(Error::new(Code::AlreadyExists, detail));
            }
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
        }
        let copied =
            self.copy_as(&source, passing, cancel).and_then(|()| self.rename(passing, to, overwrite));
        if copied.is_err() {
            let kind = source.sql_kind();
            self.changing(&format!("DROP {kind} IF EXISTS {}", quoted(passing)))?;
        }
        copied
    }

    fn copy_as(&self, source: &Relation, target: (&str, &str), cancel: &Cancel) -> Result<()> {
        match source.kind {
            "view" => {
                let create = self.reading(cancel, |conn| view(conn, source, target))?;
                return self.changing(&create);
            }
            "table" | "system versioned table" => {}
            other => return Err(Error::new(Code::Unsupported, format!("MySQL cannot copy a {other}"))),
        }
        self.changing(&format!("CREATE TABLE {} LIKE {}", quoted(target), source.quoted()))?;
        self.writing(Access::Manage, cancel, |conn| copy::fill(conn, source, target))
    }
}

/// The statement that makes a view like this one, of whoever makes it.
fn view(conn: &mut Conn, source: &Relation, target: (&str, &str)) -> Result<String> {
    let definition = source.view_definition(conn).map_err(|error| match error.code() {
        Code::NotFound => Error::new(Code::Unsupported, error.detail()),
        _ => error,
    })?;
    let rows = conn.rows(
        "SELECT SECURITY_TYPE, CHECK_OPTION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        &[&source.schema, &source.name],
    )?;
    let said = |at: usize| rows.first().and_then(|row| row.get(at)?.as_deref()).unwrap_or_default();
    let security = if said(0) == "INVOKER" { "INVOKER" } else { "DEFINER" };
    let check = match said(1) {
        "CASCADED" => " WITH CASCADED CHECK OPTION",
        "LOCAL" => " WITH LOCAL CHECK OPTION",
        _ => "",
    };
    let columns: Vec<String> = source.columns.iter().map(|column| MYSQL.quoted(&column.name)).collect();
    let columns = columns.join(", ");
    let view = quoted(target);
    Ok(format!("CREATE SQL SECURITY {security} VIEW {view} ({columns}) AS {definition}{check}"))
}

/// The keys of others would go on to refer to what is dropped.
fn not_referred_to(conn: &mut Conn, relation: &Relation) -> Result<()> {
    let rows = conn.rows(
        "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?
         AND NOT (CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?) ORDER BY CONSTRAINT_NAME LIMIT 1",
        &[&relation.schema, &relation.name, &relation.schema, &relation.name],
    )?;
    match rows.into_iter().flatten().flatten().next() {
        None => Ok(()),
        Some(key) => Err(Error::new(
            Code::ConstraintViolation,
            format!("the foreign key {key:?} of another table refers to {:?}", relation.name),
        )),
    }
}
