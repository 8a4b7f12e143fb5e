//! A real database reads what is rendered, and reads the same as in the text.

use proptest::prelude::*;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};

use super::properties::condition;
use super::*;

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    let rows = "
        CREATE TABLE t (id INTEGER PRIMARY KEY, \"a b\", n NUMERIC, s TEXT, r REAL);
        INSERT INTO t VALUES
            (1, 'canary', 1, 'Canary', 0.5), (2, 31337, 31337, '31337', 313.37), (3, NULL, NULL, NULL, NULL),
            (4, X'31337313', -1, '', -0.0), (5, 'IT''S CANARY', 2, 'a%b', 1e9), (6, 313.37, 0, 'a_b', 49.5),
            (7, '', 9223372036854775807, 'axb', 2.0), (31337, 0, 3, '%', 3.0);";
    database.execute_batch(rows).unwrap();
    database
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(bool) => Cell::Integer((*bool).into()),
        Value::Int(int) => Cell::Integer(*int),
        Value::Float(float) => Cell::Real(*float),
        // SQLite has no decimals: the literal in a text of SQL is a float, too.
        Value::Decimal(digits) => Cell::Real(digits.parse().unwrap()),
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Bytes(bytes) => Cell::Blob(bytes.clone()),
        other => panic!("{other:?}"),
    }
}

fn ids(database: &Connection, sql: &str, params: &[Value]) -> rusqlite::Result<Vec<i64>> {
    let mut statement = database.prepare(sql)?;
    statement.query_map(params_from_iter(params.iter().map(cell)), |row| row.get(0))?.collect()
}

fn written(database: &Connection, condition: &str) -> rusqlite::Result<Vec<i64>> {
    ids(database, &format!("SELECT id FROM t WHERE {condition} ORDER BY id"), &[])
}

fn rendered(database: &Connection, condition: &str) -> rusqlite::Result<Vec<i64>> {
    let (sql, params) = filter(condition);
    ids(database, &format!("SELECT id FROM t WHERE {sql} ORDER BY id"), &params)
}

#[test]
fn the_rendered_condition_selects_what_the_written_one_does() {
    let database = database();
    for condition in [
        "id > 2 and id < 6 or n = 31337",
        "not id = 1",
        "not n is null and n + 1 > 0",
        "n between 0 and 2",
        "n not between 0 and 2",
        "s in ('axb', '', 'nope')",
        "s not in ('axb')",
        "s like 'a_b'",
        "s like 'A!_b' escape '!'",
        "s not like 'a%'",
        "s is null",
        "n is not null",
        "n is true",
        "n is not false",
        "r = 49.5 or r = 2",
        "n * 2 - 1 = 3",
        "n % 2 = 1",
        "-n = 1",
        "-(-n) = -1",
        "n = 9223372036854775807",
        "n / 2 = 15668",
        "\"a b\" = X'31337313'",
        "`a b` = 'canary'",
        "\"a b\" = ''",
        "cast(\"a b\" as text) = '31337'",
        "cast(s as integer) = 31337",
        "cast(n as real) / 2 = 0.5",
        "true",
        "false or null",
    ] {
        let found = rendered(&database, condition).unwrap();
        assert_eq!(found, written(&database, condition).unwrap(), "{condition}");
        assert!(condition.contains("false") || !found.is_empty(), "{condition}");
    }
    assert_eq!(rendered(&database, "s ilike 'CAN%'").unwrap(), [1]);
    assert_eq!(rendered(&database, "s not ilike '%!%%' escape '!' and s ilike 'A%'").unwrap(), [6, 7]);
}

#[test]
fn a_whole_select_runs() {
    let database = database();
    let all = ["id", "a b", "n", "s", "r"].map(str::to_owned);
    for (query, expected) in [
        ("", vec![1, 2, 3, 4, 5, 6, 7, 31337]),
        ("order=-ID&limit=2", vec![31337, 7]),
        ("order=-id&limit=2&offset=1", vec![7, 6]),
        ("order=id&offset=6", vec![7, 31337]),
        ("limit=0", vec![]),
        ("offset=9223372036854775807", vec![]),
        ("columns=id,r&where=r+in+(2,+3.0)&order=-r", vec![31337, 7]),
    ] {
        let (sql, params) =
            Shape::parse(query).unwrap().bind(&all).unwrap().select(&SQLITE, "main", "t", &all);
        assert_eq!(ids(&database, &sql, &params).unwrap(), expected, "{query}");
    }
}

#[test]
fn the_largest_conditions_are_within_the_limits_of_the_database() {
    let database = database();
    let or = (0..1400).map(|id| format!("id={id}")).collect::<Vec<_>>().join(" or ");
    assert_eq!(rendered(&database, &or).unwrap().len(), 7);
    let list = (0..3000).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(rendered(&database, &format!("id in ({list})")).unwrap().len(), 7);
    let mut nested = vec!["id"; 129].join(" + ") + " > 0";
    let terms = vec!["id"; 15].join(" and ");
    for _ in 0..63 {
        nested = format!("({nested}) is true or s ilike s or {terms} or {terms}");
    }
    assert!((15_000..=16_384).contains(&nested.len()), "{}", nested.len());
    rendered(&database, &nested).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_condition_means_the_same_rendered_as_written(condition in condition()) {
        let database = database();
        // SQLite has neither; its LIKE is blind to case, and a date is a text to it.
        let text = condition.replace("DATE ", "").replace("ILIKE", "LIKE");
        prop_assert_eq!(rendered(&database, &text.replace("LIKE", "ILIKE")).ok(), written(&database, &text).ok());
        prop_assert_eq!(rendered(&database, &text).unwrap(), written(&database, &text).unwrap());
    }
}
