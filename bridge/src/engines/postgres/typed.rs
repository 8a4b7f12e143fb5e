//! A relation with the Arrow types of its columns, and the `SELECT` that gives them.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

use super::catalogue::Relation;
use super::types::{Kind, Types};
use super::wire::Conn;
use crate::dialect::POSTGRESQL;
use crate::error::{Code, Error, Result};
use crate::shape::Shape;

const INET: u32 = 869;
const SHOWN: &str = "pg_catalog.textin(pg_catalog.inet_out(";

/// Types of arrays that columns have several dimensions of which a view reads, through other views or
/// itself: its own columns say nothing of theirs.
const GRIDS: &str = "
    WITH RECURSIVE reads(relation, number) AS (
        SELECT $1::pg_catalog.oid, 0
        UNION
        SELECT d.refobjid, d.refobjsubid FROM reads
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = relation
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)
    SELECT DISTINCT a.atttypid FROM reads
    JOIN pg_catalog.pg_attribute a ON a.attrelid = relation AND a.attnum = number
    WHERE a.attndims > 1";

/// What a relation's columns are, as a read sees them.
pub struct Typed {
    pub relation: Relation,
    pub kinds: Vec<Kind>,
}

impl Typed {
    /// # Errors
    /// `not-found`, or what the server said.
    pub fn load(conn: &mut Conn, types: &Types, schema: &str, name: &str) -> Result<Self> {
        let relation = Relation::load(conn, schema, name)?;
        let mut kinds = Vec::with_capacity(relation.columns.len());
        for column in &relation.columns {
            kinds.push(types.kind(conn, column.oid, column.typmod)?);
        }
        let lists = kinds.iter().any(|kind| matches!(kind, Kind::List(_)));
        let grids = if lists && relation.kind.ends_with("view") {
            conn.rows(GRIDS, &[Some(&relation.oid)])?
        } else {
            Vec::new()
        };
        let grids: Vec<u32> =
            grids.into_iter().flatten().flatten().filter_map(|oid| oid.parse().ok()).collect();
        // Arrays of several dimensions have no one type in Arrow.
        for (kind, column) in kinds.iter_mut().zip(&relation.columns) {
            if matches!(kind, Kind::List(_)) && (column.dimensions > 1 || grids.contains(&column.oid)) {
                *kind = Kind::AsText;
            }
        }
        Ok(Self { relation, kinds })
    }

    /// The Arrow schema of some columns.
    #[must_use]
    pub fn schema(&self, columns: &[usize]) -> SchemaRef {
        let field = |&index: &usize| {
            let column = &self.relation.columns[index];
            self.kinds[index].field(&column.name, !column.not_null, &column.declared)
        };
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// `SELECT` of some columns: those that have no binary form we read as the server's text, under a
    /// name of our own, for `ORDER BY` takes a name for that of a result before that of a column.
    #[must_use]
    pub fn select(&self, columns: &[usize]) -> String {
        let all = &self.relation.columns;
        let mut alias = String::from("fsspec_db_");
        while all.iter().any(|column| column.name.starts_with(&alias)) {
            alias.push('_');
        }
        let mut sql = String::from("SELECT ");
        for (at, &index) in columns.iter().enumerate() {
            if at > 0 {
                sql.push_str(", ");
            }
            let name = POSTGRESQL.quoted(&all[index].name);
            if !self.kinds[index].is_cast() {
                sql.push_str(&name);
                continue;
            }
            // The cast of an address adds the mask that it is shown without.
            let address = all[index].oid == INET;
            let (before, after) = if address { (SHOWN, "))") } else { ("", "::pg_catalog.text") };
            sql.extend([before, &name, after, " AS ", &alias, &at.to_string()]);
        }
        sql.push_str(" FROM ");
        POSTGRESQL.relation_into(&mut sql, &self.relation.schema, &self.relation.name);
        sql
    }

    /// Indexes of the columns that a shape selects.
    ///
    /// # Errors
    /// `invalid-parameter` for a column that is not there.
    pub fn selected(&self, shape: &Shape) -> Result<Vec<usize>> {
        let columns = &self.relation.columns;
        let Some(names) = &shape.columns else { return Ok((0..columns.len()).collect()) };
        let find = |name: &String| {
            columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                Error::new(Code::InvalidParameter, format!("there is no column {name:?}")).with_column(name)
            })
        };
        names.iter().map(find).collect()
    }
}
