//! What PostgreSQL's catalogue says about schemas and relations.

use super::wire::{Conn, Row};
use crate::dialect::POSTGRESQL;
use crate::engines::meet::member;
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};

/// A relation and its columns.
#[derive(Clone, Debug)]
pub struct Relation {
    pub oid: String,
    pub schema: String,
    pub name: String,
    pub kind: &'static str,
    pub comment: Option<String>,
    /// Its rows, and those of its heirs if they are so too, change by commits alone.
    pub kept: bool,
    /// There may be tables that inherit from it, or are parts of it.
    pub heirs: bool,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub oid: u32,
    pub typmod: i32,
    /// Declared dimensions of an array.
    pub dimensions: i32,
    pub declared: String,
    /// Of tables alone: elsewhere nothing holds the rows to it.
    pub not_null: bool,
    pub default: Option<String>,
    /// `GENERATED ALWAYS`: what is written there is made anew.
    pub generated: bool,
    /// `GENERATED … AS IDENTITY`.
    pub identity: bool,
    /// Position in the primary key, counted from 1.
    pub key: Option<usize>,
    pub comment: Option<String>,
}

member!(Column);

fn text(row: &mut Row, at: usize) -> Option<String> {
    row.get_mut(at).and_then(Option::take)
}

fn number<T: std::str::FromStr>(row: &Row, at: usize) -> Option<T> {
    row.get(at)?.as_deref()?.parse().ok()
}

fn truth(row: &Row, at: usize) -> bool {
    row.get(at).and_then(Option::as_deref) == Some("t")
}

fn names(row: &Row, at: usize) -> Vec<String> {
    let json = row.get(at).and_then(Option::as_deref).unwrap_or("[]");
    serde_json::from_str(json).unwrap_or_default()
}

fn kind(letter: Option<&str>) -> &'static str {
    match letter {
        Some("v") => "view",
        Some("m") => "materialized view",
        Some("f") => "foreign table",
        Some("p") => "partitioned table",
        _ => "table",
    }
}

// A name is compared as a text: as a `name` it would be cut to 63 bytes, and be another's.

const SCHEMA: &str =
    "SELECT nspname, pg_catalog.current_database(), pg_catalog.obj_description(oid, 'pg_namespace')
    FROM pg_catalog.pg_namespace";

fn schema_info(mut row: Row) -> SchemaInfo {
    SchemaInfo {
        name: text(&mut row, 0).unwrap_or_default(),
        catalog: text(&mut row, 1),
        comment: text(&mut row, 2),
    }
}

/// Those that are not the system's.
///
/// # Errors
/// What the server said.
pub fn schemas(conn: &mut Conn) -> Result<Vec<SchemaInfo>> {
    let listed = format!(
        r"{SCHEMA} WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
            AND pg_catalog.has_schema_privilege(oid, 'USAGE') ORDER BY nspname"
    );
    Ok(conn.rows(&listed, &[])?.into_iter().map(schema_info).collect())
}

/// Any schema.
///
/// # Errors
/// `not-found`.
pub fn schema(conn: &mut Conn, schema: &str) -> Result<SchemaInfo> {
    let found = conn.rows(&format!("{SCHEMA} WHERE nspname = $1::pg_catalog.text"), &[Some(schema)])?;
    let found = found.into_iter().next().map(schema_info);
    found.ok_or_else(|| Error::new(Code::NotFound, format!("there is no schema {schema:?}")))
}

/// # Errors
/// `not-found` without such a schema.
pub fn relations(conn: &mut Conn, schema: &str) -> Result<Vec<RelationInfo>> {
    let rows = conn.rows(
        "SELECT c.relname, c.relkind, pg_catalog.obj_description(c.oid, 'pg_class')
         FROM pg_catalog.pg_namespace n
         LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
         WHERE n.nspname = $1::pg_catalog.text ORDER BY c.relname",
        &[Some(schema)],
    )?;
    if rows.is_empty() {
        return Err(Error::new(Code::NotFound, format!("there is no schema {schema:?}")));
    }
    let info = |mut row: Row| {
        let name = text(&mut row, 0)?;
        let kind = kind(row[1].as_deref()).to_owned();
        Some(RelationInfo { name, kind, row_count: None, size_bytes: None, comment: text(&mut row, 2) })
    };
    Ok(rows.into_iter().filter_map(info).collect())
}

impl Relation {
    /// Of `pg_class` as `c`: its rows change by commits alone. Not those that are kept elsewhere, that are
    /// computed, that depend on who asks, or that a crash empties.
    pub const KEPT: &str = "c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relrowsecurity";

    /// # Errors
    /// `not-found`.
    pub fn load(conn: &mut Conn, schema: &str, name: &str) -> Result<Self> {
        let sql = format!(
            "SELECT c.oid, c.relkind, pg_catalog.obj_description(c.oid, 'pg_class'),
                    a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod),
                    c.relkind IN ('r', 'p') AND (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull))
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid = c.oid
                        AND o.contype = 'n' AND NOT o.convalidated AND a.attnum = ANY (o.conkey)), a.attndims,
                    pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '',
                    (SELECT 1 + pg_catalog.array_position(i.indkey::pg_catalog.int2[], a.attnum)
                     FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
                    pg_catalog.col_description(c.oid, a.attnum), a.attidentity <> '', {}, c.relhassubclass
             FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
             LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
             ORDER BY a.attnum",
            Self::KEPT
        );
        let rows = conn.rows(&sql, &[Some(schema), Some(name)])?;
        let Some(first) = rows.first() else {
            return Err(Error::new(Code::NotFound, format!("there is no relation {name:?} in {schema:?}")));
        };
        let mut relation = Self {
            oid: first[0].clone().unwrap_or_default(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            kind: kind(first[1].as_deref()),
            comment: first[2].clone(),
            kept: truth(first, 14) && !(schema.starts_with("pg_") || schema == "information_schema"),
            heirs: truth(first, 15),
            columns: Vec::with_capacity(rows.len()),
        };
        for mut row in rows {
            let Some(name) = text(&mut row, 3) else { continue };
            relation.columns.push(Column {
                name,
                oid: number(&row, 4).unwrap_or(0),
                typmod: number(&row, 5).unwrap_or(-1),
                declared: text(&mut row, 6).unwrap_or_default(),
                not_null: truth(&row, 7),
                dimensions: number(&row, 8).unwrap_or(0),
                default: text(&mut row, 9),
                generated: truth(&row, 10),
                identity: truth(&row, 13),
                key: number(&row, 11),
                comment: text(&mut row, 12),
            });
        }
        Ok(relation)
    }

    /// Its name in SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        let mut out = String::new();
        POSTGRESQL.relation_into(&mut out, &self.schema, &self.name);
        out
    }

    /// What `DROP` and `ALTER` call it.
    #[must_use]
    pub fn sql_kind(&self) -> &'static str {
        match self.kind {
            "view" => "VIEW",
            "materialized view" => "MATERIALIZED VIEW",
            "foreign table" => "FOREIGN TABLE",
            _ => "TABLE",
        }
    }

    #[must_use]
    pub fn info(&self) -> RelationInfo {
        RelationInfo {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            row_count: None,
            size_bytes: None,
            comment: self.comment.clone(),
        }
    }

    #[must_use]
    pub fn column_infos(&self) -> Vec<ColumnInfo> {
        let info = |(ordinal, column): (i64, &Column)| ColumnInfo {
            name: column.name.clone(),
            data_type: column.declared.clone(),
            nullable: !column.not_null,
            default: column.default.clone(),
            ordinal,
            primary_key: column.key.is_some(),
            comment: column.comment.clone(),
        };
        (1..).zip(&self.columns).map(info).collect()
    }

    /// # Errors
    /// What the server said.
    pub fn indexes(&self, conn: &mut Conn) -> Result<Vec<IndexInfo>> {
        let rows = conn.rows(
            "SELECT i.relname, x.indisunique, m.amname,
                    pg_catalog.array_to_json(ARRAY(
                        SELECT COALESCE(a.attname::text, pg_catalog.pg_get_indexdef(x.indexrelid, k, true))
                        FROM pg_catalog.generate_series(1, x.indnkeyatts) k
                        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k - 1] AND a.attnum > 0
                        ORDER BY k))
             FROM pg_catalog.pg_index x
             JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
             JOIN pg_catalog.pg_am m ON m.oid = i.relam
             WHERE x.indrelid = $1::pg_catalog.oid ORDER BY i.relname",
            &[Some(&self.oid)],
        )?;
        let info = |mut row: Row| IndexInfo {
            name: text(&mut row, 0).unwrap_or_default(),
            columns: names(&row, 3),
            unique: truth(&row, 1),
            method: text(&mut row, 2),
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// # Errors
    /// What the server said.
    pub fn constraints(&self, conn: &mut Conn) -> Result<Vec<ConstraintInfo>> {
        let rows = conn.rows(
            "SELECT o.conname, o.contype,
                    pg_catalog.array_to_json(ARRAY(
                        SELECT a.attname FROM pg_catalog.unnest(o.conkey) WITH ORDINALITY AS k(n, at)
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.n ORDER BY k.at)),
                    (SELECT n.nspname || '.' || f.relname || '(' || (
                        SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY k.at)
                        FROM pg_catalog.unnest(o.confkey) WITH ORDINALITY AS k(n, at)
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.n) || ')'
                     FROM pg_catalog.pg_class f JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
                     WHERE f.oid = o.confrelid),
                    pg_catalog.pg_get_expr(o.conbin, o.conrelid)
             FROM pg_catalog.pg_constraint o
             WHERE o.conrelid = $1::pg_catalog.oid AND o.contype IN ('p', 'f', 'u', 'c', 'x') ORDER BY o.conname",
            &[Some(&self.oid)],
        )?;
        let info = |mut row: Row| ConstraintInfo {
            name: text(&mut row, 0).unwrap_or_default(),
            kind: match row[1].as_deref() {
                Some("p") => "pk",
                Some("f") => "fk",
                Some("u") => "unique",
                Some("x") => "exclusion",
                _ => "check",
            }
            .to_owned(),
            columns: names(&row, 2),
            references: text(&mut row, 3),
            expr: text(&mut row, 4),
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// # Errors
    /// `not-found` for what is no view.
    pub fn view_definition(&self, conn: &mut Conn) -> Result<String> {
        if !self.kind.ends_with("view") {
            return Err(Error::new(Code::NotFound, format!("{:?} is no view", self.name)));
        }
        let rows =
            conn.rows("SELECT pg_catalog.pg_get_viewdef($1::pg_catalog.oid, true)", &[Some(&self.oid)])?;
        Ok(rows.into_iter().flatten().flatten().next().unwrap_or_default())
    }

    /// # Errors
    /// What the server said.
    pub fn depends_on(&self, conn: &mut Conn) -> Result<Vec<(String, String)>> {
        let rows = conn.rows(
            "SELECT DISTINCT n.nspname, c.relname
             FROM pg_catalog.pg_rewrite r
             JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
                  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
             JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE r.ev_class = $1::pg_catalog.oid AND c.oid <> r.ev_class ORDER BY 1, 2",
            &[Some(&self.oid)],
        )?;
        Ok(rows.into_iter().filter_map(|mut row| Some((text(&mut row, 0)?, text(&mut row, 1)?))).collect())
    }
}
