//! What SQLite knows of its relations, asked through its own table-valued pragmas.

use rusqlite::{Connection, OptionalExtension, params};

use super::checks;
use super::connection::Conn;
use super::fault::internal;
use super::types::Kind;
use crate::dialect::SQLITE;
use crate::engines::meet::{key, member};
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo};

/// A relation as a scan or a write needs it.
#[derive(Clone, Debug)]
pub struct Relation {
    pub schema: String,
    pub name: String,
    /// `table`, `view` or `virtual table`.
    pub kind: String,
    pub strict: bool,
    /// A spelling of the rowid that no column hides; none for views, virtual tables and tables without rowid.
    pub rowid: Option<&'static str>,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub declared: String,
    pub not_null: bool,
    pub default: Option<String>,
    /// Position in the primary key, counted from 1.
    pub key: Option<usize>,
    pub generated: bool,
}

member!(Column);

impl Relation {
    /// # Errors
    /// `not-found` unless a relation has exactly this name.
    pub fn load(connection: &Connection, schema: &str, name: &str) -> Result<Self> {
        // The argument keeps SQLite from reading every table; its own tables go by another name there.
        let found = connection
            .prepare_cached(if name.starts_with("sqlite_") {
                "SELECT type, wr, strict FROM pragma_table_list WHERE schema = ?1 AND name = ?2"
            } else {
                "SELECT type, wr, strict FROM pragma_table_list WHERE arg = ?2 AND schema = ?1 AND name = ?2"
            })
            .and_then(|mut statement| {
                statement
                    .query_row([schema, name], |row| {
                        Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?))
                    })
                    .optional()
            })
            .map_err(internal)?;
        let Some((kind, without_rowid, strict)) = found else {
            return Err(Error::new(
                Code::NotFound,
                format!("there is no relation {name:?} in schema {schema:?}"),
            ));
        };
        let columns = columns(connection, schema, name)?;
        let hidden = |word: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(word));
        let rowid = (kind == "table" && !without_rowid)
            .then(|| ["rowid", "_rowid_", "oid"].into_iter().find(|word| !hidden(word)))
            .flatten();
        let kind = if kind == "virtual" { "virtual table".to_owned() } else { kind };
        Ok(Self { schema: schema.to_owned(), name: name.to_owned(), kind, strict, rowid, columns })
    }

    /// The declared kind of each column.
    #[must_use]
    pub fn declared(&self) -> Vec<Kind> {
        self.columns.iter().map(|column| Kind::declared(&column.declared)).collect()
    }

    /// True where SQLite itself enforces the type of every column. It does not for text, which may
    /// be no UTF-8 even in a `STRICT` table.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        let open =
            |declared: &str| declared.eq_ignore_ascii_case("ANY") || declared.eq_ignore_ascii_case("TEXT");
        self.strict && !self.columns.iter().any(|column| open(&column.declared))
    }

    /// Whether only a commit changes what is read. A view may ask for the time, a virtual table anything.
    #[must_use]
    pub fn has_versions(&self) -> bool {
        self.kind == "table"
    }

    /// The columns by which the rows are kept: no two rows agree in all of them.
    pub fn key(&self) -> impl Iterator<Item = &str> {
        let named = key(&self.columns).into_iter().map(|column| column.name.as_str());
        let columns: Vec<&str> = match self.rowid {
            Some(rowid) => vec![rowid],
            None => named.collect(),
        };
        columns.into_iter()
    }

    /// `"schema"."name"`.
    #[must_use]
    pub fn quoted(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    #[must_use]
    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", SQLITE.quoted(schema), SQLITE.quoted(name))
}

/// Case does not tell relations of SQLite apart.
///
/// # Errors
/// `already-exists`; `forbidden` for a name that SQLite keeps for itself.
pub fn must_be_new(connection: &Connection, schema: &str, name: &str) -> Result<()> {
    let found = connection
        .prepare_cached("SELECT 1 FROM pragma_table_list WHERE schema = ?1 AND name = ?2 COLLATE NOCASE")
        .and_then(|mut statement| statement.query_row([schema, name], |_| Ok(())).optional())
        .map_err(internal)?;
    if found.is_some() {
        let detail = format!("there is a relation {name:?} in schema {schema:?} already");
        return Err(Error::new(Code::AlreadyExists, detail));
    }
    if name.to_ascii_lowercase().starts_with("sqlite_") {
        return Err(Error::new(Code::Forbidden, "names that start with \"sqlite_\" are SQLite's own"));
    }
    Ok(())
}

fn columns(connection: &Connection, schema: &str, name: &str) -> Result<Vec<Column>> {
    let mut statement = connection
        .prepare_cached(
            r#"SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?2, ?1) WHERE hidden <> 1"#,
        )
        .map_err(internal)?;
    let rows = statement.query_map([schema, name], |row| {
        Ok(Column {
            name: row.get(0)?,
            declared: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            not_null: row.get(2)?,
            default: row.get(3)?,
            key: usize::try_from(row.get::<_, i64>(4)?).ok().filter(|place| *place > 0),
            generated: row.get::<_, i64>(5)? >= 2,
        })
    });
    rows.and_then(Iterator::collect).map_err(internal)
}

/// Relations of a schema, by name; SQLite's own tables and the shadows of virtual ones are not listed.
///
/// # Errors
/// `database-unavailable`.
pub fn relations(connection: &Connection, schema: &str) -> Result<Vec<RelationInfo>> {
    let sql = format!(
        "SELECT name, CASE WHEN type = 'view' THEN 'view' WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'virtual table' \
         ELSE 'table' END FROM {}.sqlite_schema AS s WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' \
         ESCAPE '\\' ORDER BY name",
        SQLITE.quoted(schema)
    );
    let mut statement = connection.prepare_cached(&sql).map_err(internal)?;
    let found: Vec<RelationInfo> = statement
        .query_map([], |row| {
            Ok(RelationInfo {
                name: row.get(0)?,
                kind: row.get(1)?,
                row_count: None,
                size_bytes: None,
                comment: None,
            })
        })
        .and_then(Iterator::collect)
        .map_err(internal)?;
    if !found.iter().any(|relation| relation.kind == "virtual table") {
        return Ok(found);
    }
    let shadows: Vec<String> = connection
        .prepare_cached("SELECT name FROM pragma_table_list WHERE schema = ?1 AND type = 'shadow'")
        .and_then(|mut statement| statement.query_map([schema], |row| row.get(0))?.collect())
        .map_err(internal)?;
    Ok(found.into_iter().filter(|relation| !shadows.contains(&relation.name)).collect())
}

/// Whether `ANALYZE` was run: a connection reads what it found once, and need not see it change.
///
/// # Errors
/// `database-unavailable`.
pub fn has_statistics(conn: &Conn, schema: &str) -> Result<bool> {
    let sql = format!("SELECT 1 FROM {}.sqlite_schema WHERE name = 'sqlite_stat1'", SQLITE.quoted(schema));
    conn.raw().prepare_cached(&sql).and_then(|mut statement| statement.exists([])).map_err(internal)
}

#[must_use]
pub fn column_infos(relation: &Relation) -> Vec<ColumnInfo> {
    let infos = relation.columns.iter().zip(1..).map(|(column, ordinal)| ColumnInfo {
        name: column.name.clone(),
        data_type: column.declared.clone(),
        nullable: !column.not_null,
        default: column.default.clone(),
        ordinal,
        primary_key: column.key.is_some(),
        comment: None,
    });
    infos.collect()
}

/// # Errors
/// `database-unavailable`.
pub fn indexes(connection: &Connection, relation: &Relation) -> Result<Vec<IndexInfo>> {
    let read = || -> rusqlite::Result<Vec<IndexInfo>> {
        let mut list = connection
            .prepare_cached(r#"SELECT name, "unique" FROM pragma_index_list(?2, ?1) ORDER BY name"#)?;
        let names: Vec<(String, bool)> = list
            .query_map([&relation.schema, &relation.name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut infos = Vec::with_capacity(names.len());
        for (name, unique) in names {
            let columns = index_columns(connection, &relation.schema, &name)?;
            infos.push(IndexInfo { name, columns, unique, method: Some("btree".to_owned()) });
        }
        Ok(infos)
    };
    read().map_err(internal)
}

/// An expression in an index has no name: it is `<expression>`.
fn index_columns(connection: &Connection, schema: &str, index: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(name, CASE cid WHEN -1 THEN 'rowid' ELSE '<expression>' END) FROM pragma_index_xinfo(?2, ?1) \
         WHERE key ORDER BY seqno",
    )?;
    statement.query_map([schema, index], |row| row.get(0))?.collect()
}

/// Primary key, unique and foreign keys, and checks. SQLite forgets the names that keys were given,
/// so these are ours: `pk_table`, the name of the automatic index, `fk_table_0`.
///
/// # Errors
/// `database-unavailable`.
pub fn constraints(connection: &Connection, relation: &Relation) -> Result<Vec<ConstraintInfo>> {
    let mut infos = Vec::new();
    let key = key(&relation.columns);
    if !key.is_empty() {
        infos.push(ConstraintInfo {
            name: format!("pk_{}", relation.name),
            kind: "pk".to_owned(),
            columns: key.iter().map(|column| column.name.clone()).collect(),
            references: None,
            expr: None,
        });
    }
    let read = || -> rusqlite::Result<Vec<ConstraintInfo>> {
        let mut infos = unique_constraints(connection, relation)?;
        infos.extend(foreign_keys(connection, relation)?);
        Ok(infos)
    };
    infos.extend(read().map_err(internal)?);
    if relation.kind == "table"
        && let Some(create) = creation(connection, relation)?
    {
        infos.extend(checks::constraints(&create, &infos));
    }
    Ok(infos)
}

fn unique_constraints(connection: &Connection, relation: &Relation) -> rusqlite::Result<Vec<ConstraintInfo>> {
    let mut list = connection
        .prepare_cached("SELECT name FROM pragma_index_list(?2, ?1) WHERE origin = 'u' ORDER BY seq")?;
    let names: Vec<String> =
        list.query_map([&relation.schema, &relation.name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let info = |name: String| {
        Ok(ConstraintInfo {
            columns: index_columns(connection, &relation.schema, &name)?,
            name,
            kind: "unique".to_owned(),
            references: None,
            expr: None,
        })
    };
    names.into_iter().map(info).collect()
}

fn foreign_keys(connection: &Connection, relation: &Relation) -> rusqlite::Result<Vec<ConstraintInfo>> {
    let mut list = connection.prepare_cached(
        r#"SELECT id, "table", group_concat("to", ', ') FROM (SELECT * FROM pragma_foreign_key_list(?2, ?1) ORDER BY id, seq)
           GROUP BY id ORDER BY id"#,
    )?;
    let keys: Vec<(i64, String, Option<String>)> = list
        .query_map([&relation.schema, &relation.name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut from = connection
        .prepare_cached(r#"SELECT "from" FROM pragma_foreign_key_list(?2, ?1) WHERE id = ?3 ORDER BY seq"#)?;
    let mut info = |(id, table, to): (i64, String, Option<String>)| {
        let columns = from
            .query_map(params![relation.schema, relation.name, id], |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()?;
        Ok(ConstraintInfo {
            name: format!("fk_{}_{id}", relation.name),
            kind: "fk".to_owned(),
            columns,
            references: Some(match to {
                Some(to) => format!("{}.{table}({to})", relation.schema),
                None => format!("{}.{table}", relation.schema),
            }),
            expr: None,
        })
    };
    keys.into_iter().map(&mut info).collect()
}

/// The statement that made a table; none for those of SQLite's own.
fn creation(connection: &Connection, relation: &Relation) -> Result<Option<String>> {
    let sql = format!(
        "SELECT sql FROM {}.sqlite_schema WHERE type = 'table' AND name = ?1",
        SQLITE.quoted(&relation.schema)
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([&relation.name], |row| row.get(0)).optional())
        .map(Option::flatten)
        .map_err(internal)
}

/// The statement that made the relation, and those of its indexes and triggers.
///
/// # Errors
/// `database-unavailable`.
pub fn definition(connection: &Connection, relation: &Relation) -> Result<Option<String>> {
    let sql = format!(
        "SELECT sql FROM {}.sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL \
         ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, name",
        SQLITE.quoted(&relation.schema)
    );
    let statements: Vec<String> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map([&relation.name], |row| row.get(0))?.collect())
        .map_err(internal)?;
    Ok((!statements.is_empty()).then(|| statements.join(";\n") + ";\n"))
}

/// # Errors
/// `not-found` unless it is a view.
pub fn view_definition(connection: &Connection, schema: &str, view: &str) -> Result<String> {
    let sql =
        format!("SELECT sql FROM {}.sqlite_schema WHERE type = 'view' AND name = ?1", SQLITE.quoted(schema));
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([view], |row| row.get(0)).optional())
        .map_err(internal)?
        .ok_or_else(|| Error::new(Code::NotFound, format!("there is no view {view:?} in schema {schema:?}")))
}
