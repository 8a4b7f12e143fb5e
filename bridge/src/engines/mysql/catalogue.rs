//! What MySQL's catalogue says about schemas and relations.
//!
//! It compares names without regard to case and to spaces at their end, where tables mostly do
//! regard them: what it finds is compared again.

use super::view;
use super::wire::Conn;
use crate::dialect::MYSQL;
use crate::engines::meet::member;
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};

/// A relation and its columns.
#[derive(Clone, Debug)]
pub struct Relation {
    pub schema: String,
    pub name: String,
    pub kind: &'static str,
    /// The storage engine; none for views.
    pub engine: Option<String>,
    pub comment: Option<String>,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub declared: String,
    pub nullable: bool,
    pub default: Option<String>,
    /// What is written there is made anew.
    pub generated: bool,
    /// A NULL takes the next number.
    pub counted: bool,
    /// Position in the primary key, counted from 1.
    pub key: Option<usize>,
    pub comment: Option<String>,
}

member!(Column);

type Row = Vec<Option<String>>;

fn text(row: &mut Row, at: usize) -> Option<String> {
    row.get_mut(at).and_then(Option::take)
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn kind(table_type: &str) -> &'static str {
    match table_type {
        "VIEW" => "view",
        "SYSTEM VIEW" => "system table",
        "SEQUENCE" => "sequence",
        "SYSTEM VERSIONED" => "system versioned table",
        _ => "table",
    }
}

/// Names end with the basic plane; the catalogue does not even compare others.
fn can_be(name: &str) -> bool {
    name.chars().all(|c| c <= '\u{ffff}')
}

/// A name for something new. MySQL would keep another one, with `?` for what it has no place for.
///
/// # Errors
/// `invalid-parameter`.
pub fn check_name(name: &str) -> Result<()> {
    if can_be(name) {
        return Ok(());
    }
    let detail = format!("names in MySQL have no characters beyond U+FFFF, as {name:?} has");
    Err(Error::new(Code::InvalidParameter, detail))
}

fn no_relation(schema: &str, name: &str) -> Error {
    Error::new(Code::NotFound, format!("there is no relation {name:?} in {schema:?}"))
}

/// # Errors
/// What the server said.
pub fn schemas(conn: &mut Conn) -> Result<Vec<SchemaInfo>> {
    let rows = conn.rows(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA
         WHERE SCHEMA_NAME NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') ORDER BY SCHEMA_NAME",
        &[],
    )?;
    let info = |name| SchemaInfo { name, catalog: None, comment: None };
    Ok(rows.into_iter().flatten().flatten().map(info).collect())
}

/// # Errors
/// `not-found` without such a schema.
pub fn relations(conn: &mut Conn, schema: &str) -> Result<Vec<RelationInfo>> {
    let rows = if can_be(schema) {
        conn.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", &[schema])?
    } else {
        Vec::new()
    };
    if !rows.into_iter().flatten().flatten().any(|name| name == schema) {
        return Err(Error::new(Code::NotFound, format!("there is no schema {schema:?}")));
    }
    let rows = conn.rows(
        "SELECT TABLE_NAME, TABLE_TYPE, TABLE_COMMENT FROM information_schema.TABLES
         WHERE TABLE_SCHEMA = ? AND TABLE_TYPE <> 'TEMPORARY' ORDER BY TABLE_NAME",
        &[schema],
    )?;
    let info = |mut row: Row| {
        let kind = kind(row[1].as_deref().unwrap_or_default());
        let comment = text(&mut row, 2).filter(|_| kind != "view");
        let name = text(&mut row, 0)?;
        Some(RelationInfo {
            name,
            kind: kind.to_owned(),
            row_count: None,
            size_bytes: None,
            comment: filled(comment),
        })
    };
    Ok(rows.into_iter().filter_map(info).collect())
}

/// A schema is dropped with all that is in it, so that is looked for before.
///
/// # Errors
/// `not-empty`, `not-found`.
pub fn check_empty(conn: &mut Conn, schema: &str) -> Result<()> {
    let relations = relations(conn, schema)?;
    let others = conn.rows(
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?
         UNION ALL SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?",
        &[schema, schema],
    )?;
    if relations.is_empty() && others.is_empty() {
        return Ok(());
    }
    let detail = format!("schema {schema:?} still has relations, routines or events");
    Err(Error::new(Code::NotEmpty, detail))
}

impl Relation {
    /// # Errors
    /// `not-found`.
    pub fn load(conn: &mut Conn, schema: &str, name: &str) -> Result<Self> {
        if !can_be(schema) || !can_be(name) {
            return Err(no_relation(schema, name));
        }
        let rows = conn.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COMMENT FROM information_schema.TABLES
             WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
            &[schema, name],
        )?;
        let is_it = |row: &Row| row[0].as_deref() == Some(schema) && row[1].as_deref() == Some(name);
        let Some(mut found) = rows.into_iter().find(is_it) else {
            return Err(no_relation(schema, name));
        };
        let kind = kind(found[2].as_deref().unwrap_or_default());
        let mut relation = Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
            kind,
            engine: text(&mut found, 3),
            comment: filled(text(&mut found, 4)).filter(|_| kind != "view"),
            columns: Vec::new(),
        };
        relation.load_columns(conn)?;
        Ok(relation)
    }

    fn load_columns(&mut self, conn: &mut Conn) -> Result<()> {
        let key = self.key(conn)?;
        let rows = conn.rows(
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLUMN_COMMENT,
                    GENERATION_EXPRESSION
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
            &[&self.schema, &self.name],
        )?;
        for mut row in rows {
            if row[0].as_deref() != Some(&self.name) {
                continue;
            }
            let name = text(&mut row, 1).unwrap_or_default();
            let declared = text(&mut row, 2).unwrap_or_default();
            let extra = text(&mut row, 5).unwrap_or_default().to_ascii_lowercase();
            let default = text(&mut row, 4);
            self.columns.push(Column {
                nullable: row[3].as_deref() != Some("NO"),
                default: if conn.server.mariadb {
                    default.filter(|default| default != "NULL")
                } else {
                    default.map(|default| as_sql(default, &declared, &extra))
                },
                generated: filled(text(&mut row, 7)).is_some()
                    || extra.contains("generated") && !extra.contains("default_generated"),
                counted: extra.contains("auto_increment"),
                key: key.iter().position(|column| *column == name).map(|at| at + 1),
                comment: filled(text(&mut row, 6)),
                name,
                declared,
            });
        }
        Ok(())
    }

    /// The columns of the primary key, in its order.
    fn key(&self, conn: &mut Conn) -> Result<Vec<String>> {
        let rows = conn.rows(
            "SELECT COLUMN_NAME FROM information_schema.STATISTICS
             WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
            &[&self.schema, &self.name],
        )?;
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    /// Its name in SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        let mut out = String::new();
        MYSQL.relation_into(&mut out, &self.schema, &self.name);
        out
    }

    /// What `DROP` and `SHOW CREATE` call it.
    #[must_use]
    pub fn sql_kind(&self) -> &'static str {
        match self.kind {
            "view" => "VIEW",
            "sequence" => "SEQUENCE",
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
            nullable: column.nullable,
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
            "SELECT INDEX_NAME, NON_UNIQUE, INDEX_TYPE, COLUMN_NAME FROM information_schema.STATISTICS
             WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX",
            &[&self.schema, &self.name],
        )?;
        let mut indexes: Vec<IndexInfo> = Vec::new();
        for mut row in rows {
            let name = text(&mut row, 0).unwrap_or_default();
            // A part that is an expression has no name.
            let column = text(&mut row, 3).unwrap_or_else(|| "(expression)".to_owned());
            match indexes.last_mut().filter(|index| index.name == name) {
                Some(index) => index.columns.push(column),
                None => indexes.push(IndexInfo {
                    name,
                    columns: vec![column],
                    unique: row[1].as_deref() == Some("0"),
                    method: text(&mut row, 2).map(|method| method.to_ascii_lowercase()),
                }),
            }
        }
        Ok(indexes)
    }

    /// # Errors
    /// What the server said.
    pub fn constraints(&self, conn: &mut Conn) -> Result<Vec<ConstraintInfo>> {
        let place = [self.schema.as_str(), &self.name];
        let rows = conn.rows(
            "SELECT CONSTRAINT_NAME, CONSTRAINT_TYPE FROM information_schema.TABLE_CONSTRAINTS
             WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY CONSTRAINT_NAME",
            &place,
        )?;
        let mut constraints = Vec::with_capacity(rows.len());
        for mut row in rows {
            let kind = match row[1].as_deref() {
                Some("PRIMARY KEY") => "pk",
                Some("FOREIGN KEY") => "fk",
                Some("UNIQUE") => "unique",
                _ => "check",
            };
            constraints.push(ConstraintInfo {
                name: text(&mut row, 0).unwrap_or_default(),
                kind: kind.to_owned(),
                columns: Vec::new(),
                references: None,
                expr: None,
            });
        }
        let rows = conn.rows(
            "SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
             FROM information_schema.KEY_COLUMN_USAGE
             WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION",
            &place,
        )?;
        for row in rows {
            let [Some(name), Some(column), schema, table, referenced] = row.as_slice() else { continue };
            // A foreign key and a unique one may share a name.
            let foreign = referenced.is_some();
            let is_it = |c: &&mut ConstraintInfo| c.name == *name && (c.kind == "fk") == foreign;
            let Some(constraint) = constraints.iter_mut().find(is_it) else { continue };
            constraint.columns.push(column.clone());
            if let (Some(schema), Some(table), Some(referenced)) = (schema, table, referenced) {
                constraint.references = Some(match constraint.references.take() {
                    Some(text) => format!("{}, {referenced})", text.trim_end_matches(')')),
                    None => format!("{schema}.{table}({referenced})"),
                });
            }
        }
        if constraints.iter().any(|constraint| constraint.kind == "check") {
            let of_table = if conn.server.mariadb { " AND TABLE_NAME = ?" } else { "" };
            let sql = format!(
                "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
                 WHERE CONSTRAINT_SCHEMA = ?{of_table}"
            );
            let rows = conn.rows(&sql, &place[..if conn.server.mariadb { 2 } else { 1 }])?;
            for row in rows {
                let [Some(name), Some(expr)] = row.as_slice() else { continue };
                let is_it = |c: &&mut ConstraintInfo| c.name == *name && c.kind == "check";
                if let Some(constraint) = constraints.iter_mut().find(is_it) {
                    constraint.expr = Some(if conn.server.mariadb { expr.clone() } else { unescaped(expr) });
                }
            }
        }
        Ok(constraints)
    }

    /// # Errors
    /// `not-found` for what is no view, or whose text the user may not see.
    pub fn view_definition(&self, conn: &mut Conn) -> Result<String> {
        let rows = conn.rows(
            "SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
            &[&self.schema, &self.name],
        )?;
        filled(rows.into_iter().flatten().flatten().next()).ok_or_else(|| {
            let detail = format!("{:?} is no view, or its text is not for this user (SHOW VIEW)", self.name);
            Error::new(Code::NotFound, detail)
        })
    }

    /// # Errors
    /// What the server said.
    pub fn depends_on(&self, conn: &mut Conn) -> Result<Vec<(String, String)>> {
        match self.view_definition(conn) {
            Ok(text) => Ok(view::sources(&text)),
            Err(error) if error.code() == Code::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// What the server said.
    pub fn definition(&self, conn: &mut Conn) -> Result<Option<String>> {
        let rows = conn.rows(&format!("SHOW CREATE {} {}", self.sql_kind(), self.quoted()), &[])?;
        Ok(rows.into_iter().next().and_then(|mut row| text(&mut row, 1)))
    }
}

/// MySQL gives the value of a default that is no expression without its quotes.
fn as_sql(default: String, declared: &str, extra: &str) -> String {
    if extra.contains("default_generated") {
        return unescaped(&default);
    }
    let quoted = match declared.split(['(', ' ']).next().unwrap_or_default() {
        "char" | "varchar" | "enum" | "set" | "date" | "time" => true,
        // Older ones do not say that it is an expression.
        "datetime" | "timestamp" => !default.starts_with("CURRENT_TIMESTAMP"),
        "binary" | "varbinary" => !default.starts_with("0x"),
        _ => false,
    };
    if quoted { format!("'{}'", default.replace('\\', "\\\\").replace('\'', "''")) } else { default }
}

/// MySQL gives expressions as if they stood in a string.
fn unescaped(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression.chars();
    while let Some(c) = rest.next() {
        out.push(if c == '\\' { rest.next().unwrap_or(c) } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_mysql_are_sql() {
        for (default, declared, extra, sql) in [
            ("1.50", "decimal(5,2)", "", "1.50"),
            ("2", "set('1','2')", "", "'2'"),
            ("CURRENT_TIMESTAMP", "varchar(99)", "", "'CURRENT_TIMESTAMP'"),
            ("CURRENT_TIMESTAMP(3)", "datetime(3)", "default_generated", "CURRENT_TIMESTAMP(3)"),
            ("2024-01-01 00:00:00", "datetime", "", "'2024-01-01 00:00:00'"),
            ("0x6227", "varbinary(3)", "", "0x6227"),
            ("b'101'", "bit(3)", "", "b'101'"),
            ("it's \\", "char(9)", "", "'it''s \\\\'"),
            (r"concat(_utf8mb4\'it\\\'s\')", "varchar(9)", "default_generated", r"concat(_utf8mb4'it\'s')"),
        ] {
            assert_eq!(as_sql(default.to_owned(), declared, extra), sql);
        }
    }
}
