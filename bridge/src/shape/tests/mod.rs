//! What shapes mean, are refused for, and become.

mod predicates;
mod properties;
mod shaping;
mod sqlite;

use super::*;
use crate::dialect::{DUCKDB, GENERIC, MYSQL, POSTGRESQL, SQLITE};

const DIALECTS: [&Dialect; 5] = [&SQLITE, &POSTGRESQL, &MYSQL, &DUCKDB, &GENERIC];

fn columns() -> Vec<String> {
    ["id", "Name", "name", "a b", "x,y", "-z", "date", "日本 語", r#"q"`'"#, "Only"]
        .map(str::to_owned)
        .to_vec()
}

fn filter(text: &str) -> (String, Vec<Value>) {
    filter_for(&SQLITE, text)
}

fn filter_for(dialect: &Dialect, text: &str) -> (String, Vec<Value>) {
    let (mut sql, mut params) = (String::new(), Vec::new());
    Predicate::parse(text).unwrap().render(dialect, &mut sql, &mut params);
    (sql, params)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}
