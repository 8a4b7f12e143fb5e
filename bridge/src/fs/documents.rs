//! The small files of the tree: metadata as JSON, DDL as text.

use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo};

/// `text` as a file: its last line ends.
pub fn line(mut text: String) -> Vec<u8> {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.into_bytes()
}

fn document(value: &Value) -> Vec<u8> {
    line(value.to_string())
}

pub fn column(info: &ColumnInfo) -> Vec<u8> {
    document(&json!({
        "name": info.name,
        "data_type": info.data_type,
        "nullable": info.nullable,
        "default": info.default,
        "ordinal": info.ordinal,
        "primary_key": info.primary_key,
        "comment": info.comment,
    }))
}

pub fn index(info: &IndexInfo) -> Vec<u8> {
    document(&json!({
        "name": info.name,
        "columns": info.columns,
        "unique": info.unique,
        "method": info.method,
    }))
}

pub fn constraint(info: &ConstraintInfo) -> Vec<u8> {
    document(&json!({
        "name": info.name,
        "kind": info.kind,
        "columns": info.columns,
        "references": info.references,
        "expr": info.expr,
    }))
}

pub fn dependency(schema: &str, relation: &str) -> Vec<u8> {
    document(&json!({ "schema": schema, "relation": relation }))
}

/// `CREATE TABLE`, for an engine that does not keep the text. Types, defaults and expressions are
/// the database's own words.
pub fn create_table(
    dialect: &Dialect,
    schema: &str,
    relation: &str,
    columns: &[ColumnInfo],
    constraints: &[ConstraintInfo],
) -> String {
    let mut lines: Vec<String> = columns.iter().map(|info| column_line(dialect, info)).collect();
    let keys: Vec<&str> =
        columns.iter().filter(|info| info.primary_key).map(|info| info.name.as_str()).collect();
    if !keys.is_empty() && !constraints.iter().any(|info| info.kind == "pk") {
        lines.push(format!("PRIMARY KEY {}", list(dialect, &keys)));
    }
    lines.extend(constraints.iter().filter_map(|info| constraint_line(dialect, info)));
    format!(
        "CREATE TABLE {}.{} (\n  {}\n);",
        dialect.quoted(schema),
        dialect.quoted(relation),
        lines.join(",\n  ")
    )
}

fn column_line(dialect: &Dialect, info: &ColumnInfo) -> String {
    let mut line = dialect.quoted(&info.name);
    if !info.data_type.is_empty() {
        line.push(' ');
        line.push_str(&info.data_type);
    }
    if !info.nullable {
        line.push_str(" NOT NULL");
    }
    if let Some(default) = &info.default {
        line.push_str(" DEFAULT ");
        line.push_str(default);
    }
    line
}

fn constraint_line(dialect: &Dialect, info: &ConstraintInfo) -> Option<String> {
    let columns = list(dialect, &info.columns);
    let rule = match info.kind.as_str() {
        "pk" => format!("PRIMARY KEY {columns}"),
        "unique" => format!("UNIQUE {columns}"),
        "fk" => format!("FOREIGN KEY {columns} REFERENCES {}", info.references.as_deref()?),
        "check" => format!("CHECK ({})", info.expr.as_deref()?),
        _ => return None,
    };
    Some(if info.name.is_empty() {
        rule
    } else {
        format!("CONSTRAINT {} {rule}", dialect.quoted(&info.name))
    })
}

fn list(dialect: &Dialect, names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| dialect.quoted(name.as_ref())).collect();
    format!("({})", names.join(", "))
}
