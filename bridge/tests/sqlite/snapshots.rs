use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::*;

/// Every row of one generation has the same number: a torn read would show two.
fn fill(connection: &Connection, generation: i64) {
    connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM t;").unwrap();
    connection
        .execute(
            "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             SELECT i, ?1, 'some text to fill pages with' FROM n",
            [generation],
        )
        .unwrap();
    connection.execute_batch("COMMIT").unwrap();
}

/// Ends the writer, also where the reader ends by a failure: the scope waits for both.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn one_generation_a_read(journal: &str) {
    let folder = Folder::with(&format!(
        "PRAGMA journal_mode = {journal}; CREATE TABLE t (id INTEGER PRIMARY KEY, generation INTEGER, filler TEXT)"
    ));
    let connection = folder.connection();
    connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    fill(&connection, 0);
    let database = folder.open_with(Access::Read, Some(3));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            let mut generation = 1;
            while !stop.load(Ordering::Relaxed) {
                fill(&connection, generation);
                generation += 1;
            }
        });
        let _stops = Stops(stop);
        let mut seen = std::collections::BTreeSet::new();
        let mut reads = 0;
        while reads < 40 || seen.len() < 2 {
            reads += 1;
            let batch = scan(&database, "t").unwrap().one();
            let numbers = batch.column(1).as_primitive::<Int64Type>();
            assert_eq!(numbers.len(), 20_000);
            assert!(numbers.values().iter().all(|number| *number == numbers.value(0)), "a torn read");
            seen.insert(numbers.value(0));
        }
    });
}

#[test]
fn parallel_readers_see_one_state_beside_a_writer_in_wal_mode() {
    one_generation_a_read("WAL");
}

#[test]
fn parallel_readers_see_one_state_beside_a_writer_with_a_rollback_journal() {
    one_generation_a_read("DELETE");
}

#[test]
fn the_data_version_moves_with_every_commit_and_only_then() {
    let folder = Folder::with("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER)");
    let database = folder.open(Access::Write);
    let version = || database.data_version("main", "t").unwrap().unwrap();
    let connection = folder.connection();
    let mut last = version();
    assert_eq!(version(), last);
    scan(&database, "t").unwrap();
    assert_eq!(version(), last, "reading moves nothing");
    connection.execute_batch("BEGIN; INSERT INTO t VALUES (1); ROLLBACK").unwrap();
    assert_eq!(version(), last, "a rollback moves nothing");
    let row = ask(&database, "SELECT 1 AS a").unwrap().one();
    for change in ["INSERT INTO t VALUES (1)", "CREATE TABLE u (a)", "DROP TABLE u"] {
        connection.execute_batch(change).unwrap();
        assert_ne!(version(), last, "{change}");
        last = version();
    }
    write(&database, "t", WriteMode::Append, vec![row]).unwrap();
    assert_ne!(version(), last, "our own write");
    assert_ne!(
        folder.open(Access::Read).data_version("main", "t").unwrap().unwrap(),
        version(),
        "another process"
    );
}

#[test]
fn types_are_made_sure_of_anew_when_the_data_changes() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    let database = folder.open(Access::Read);
    assert_eq!(scan(&database, "t").unwrap().types(), ["Int64"]);
    folder.connection().execute_batch("INSERT INTO t VALUES ('text')").unwrap();
    assert_eq!(scan(&database, "t").unwrap().types(), ["Utf8"]);
    folder
        .connection()
        .execute_batch("DELETE FROM t WHERE a = 'text'; ALTER TABLE t ADD COLUMN b REAL")
        .unwrap();
    assert_eq!(scan(&database, "t").unwrap().types(), ["Int64", "Float64"]);
}

#[test]
fn a_file_put_in_the_place_of_another_is_read_instead() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    let other = Folder::with("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (2)");
    let database = folder.open(Access::Read);
    let version = database.data_version("main", "t").unwrap();
    assert_eq!(scan(&database, "t").unwrap().rows(), ["1"]);
    std::fs::rename(other.file(), folder.file()).unwrap();
    assert_eq!(scan(&database, "t").unwrap().rows(), ["2"]);
    assert_ne!(database.data_version("main", "t").unwrap(), version);
}

#[test]
fn a_closed_database_is_unavailable() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER)");
    let database = folder.open(Access::Read);
    database.close();
    assert_eq!(fails(scan(&database, "t")).code(), Code::DatabaseUnavailable);
}
