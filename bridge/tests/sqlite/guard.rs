use std::time::{Duration, Instant};

use super::*;

#[test]
fn statements_that_try_to_write_or_to_leave_are_refused() {
    let folder = Folder::with("CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1)");
    let database = folder.open(Access::Manage);
    for (sql, code) in [
        ("INSERT INTO t VALUES (2)", Code::ReadOnly),
        ("INSERT INTO t VALUES (2) RETURNING a", Code::ReadOnly),
        ("DELETE FROM t", Code::ReadOnly),
        ("UPDATE t SET a = 3", Code::ReadOnly),
        ("DROP TABLE t", Code::ReadOnly),
        ("CREATE TABLE u (a)", Code::ReadOnly),
        ("CREATE TEMP TABLE u (a)", Code::ReadOnly),
        ("REINDEX", Code::ReadOnly),
        ("ANALYZE", Code::ReadOnly),
        ("VACUUM", Code::ReadOnly),
        ("VACUUM INTO '/nowhere/copy.db'", Code::ReadOnly),
        ("ATTACH ':memory:' AS x", Code::Forbidden),
        ("BEGIN IMMEDIATE", Code::Forbidden),
        ("COMMIT", Code::Forbidden),
        ("SAVEPOINT s", Code::Forbidden),
        ("PRAGMA query_only = 0", Code::Forbidden),
        ("PRAGMA user_version = 3", Code::Forbidden),
        ("PRAGMA writable_schema = 1", Code::Forbidden),
        ("SELECT load_extension('x')", Code::Forbidden),
        ("SELECT fsspec_db_collect(a) FROM t", Code::Forbidden),
        ("SELECT 1; SELECT 2", Code::InvalidQuery),
        ("SELECT 1; DROP TABLE t", Code::InvalidQuery),
        ("", Code::InvalidQuery),
        ("-- nothing", Code::InvalidQuery),
        ("SELEC 1", Code::InvalidQuery),
        ("SELECT * FROM nowhere", Code::InvalidQuery),
    ] {
        assert_eq!(fails(ask(&database, sql)).code(), code, "{sql}");
    }
    assert_eq!(folder.text("SELECT group_concat(a) FROM t"), "1");
    assert_eq!(fails(ask(&database, &"SELECT 1;".repeat(100_000))).code(), Code::InvalidQuery);
    assert_eq!(folder.text("PRAGMA user_version"), "0");
    for fine in [
        "PRAGMA table_info(t)",
        "SELECT * FROM pragma_table_list",
        "EXPLAIN SELECT 1",
        "VALUES (1)",
        "PRAGMA user_version",
    ] {
        assert!(ask(&database, fine).is_ok(), "{fine}");
    }
}

#[test]
fn a_database_opened_to_read_is_not_written() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER)");
    let database = folder.open(Access::Read);
    let rows = ask(&database, "SELECT 1 AS a").unwrap().one();
    assert_eq!(fails(write(&database, "t", WriteMode::Append, vec![rows])).code(), Code::ReadOnly);
    assert_eq!(fails(database.drop_relation("main", "t")).code(), Code::ReadOnly);
    let missing =
        Options { path: folder.file() + ".missing", access: Access::Read, threads: None, query: Vec::new() };
    assert_eq!(fails(Sqlite::open(&missing)).code(), Code::NotFound);
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[test]
fn a_cancelled_query_stops_and_its_connection_lives_on() {
    let folder = Folder::with("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    let database = folder.open(Access::Read);
    let cancel = Arc::new(Cancel::default());
    let (started, watch) = (Instant::now(), cancel.clone());
    let canceller = std::thread::spawn(move || watch.cancel());
    let query = Query { sql: ENDLESS.to_owned(), params: Params::none(), limit: None };
    let error = fails(database.query(&query, &Collected::default(), &cancel));
    canceller.join().unwrap();
    assert_eq!(error.code(), Code::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(scan(&database, "t").unwrap().rows(), ["1"]);
}

#[test]
fn a_query_past_its_time_stops() {
    let folder = Folder::with("CREATE TABLE t (a)");
    let cancel = Cancel::new(Some(Duration::from_millis(50)));
    let query = Query { sql: ENDLESS.to_owned(), params: Params::none(), limit: None };
    let error = fails(folder.open(Access::Read).query(&query, &Collected::default(), &cancel));
    assert_eq!(error.code(), Code::QueryTimeout);
}

#[test]
fn a_file_that_is_no_database_is_unavailable() {
    let folder = Folder(tempfile::tempdir().unwrap());
    std::fs::write(
        folder.file(),
        "this is not a database, but it is long enough to be looked at".repeat(100),
    )
    .unwrap();
    let options = Options { path: folder.file(), access: Access::Read, threads: None, query: Vec::new() };
    assert_eq!(fails(Sqlite::open(&options)).code(), Code::DatabaseUnavailable);
}

#[test]
fn options_that_are_unknown_or_wrong_are_refused() {
    let folder = Folder::with("CREATE TABLE t (a)");
    for (name, value) in
        [("nope", "1"), ("busy_timeout", "soon"), ("busy_timeout", "-1"), ("attach", "nameless")]
    {
        let query = vec![(name.to_owned(), value.to_owned())];
        let options = Options { path: folder.file(), access: Access::Read, threads: None, query };
        assert_eq!(fails(Sqlite::open(&options)).code(), Code::InvalidParameter, "{name}={value}");
    }
}
