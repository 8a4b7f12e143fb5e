use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn decimals(values: Vec<i128>, precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
}

/// A body, and the code, column and row of its refusal.
type Case = (RecordBatch, Code, Option<&'static str>, Option<u64>);

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INTEGER DEFAULT 7);
    INSERT INTO t VALUES (1, 'old', 1), (2, 'older', 2);";

fn state(folder: &Folder) -> String {
    folder.text(
        "SELECT coalesce(group_concat(id || ' ' || name || ' ' || coalesce(n, 'NULL'), ', '), '') FROM t",
    )
}

#[test]
fn each_mode_does_what_it_says() {
    let folder = Folder::with(TABLE);
    let database = folder.open(Access::Manage);
    let rows = |id, name| batch(vec![("name", texts(&[name])), ("ID", ints([id]))]);
    assert_eq!(write(&database, "t", WriteMode::Append, vec![rows(3, "new"), rows(4, "newer")]).unwrap(), 2);
    assert_eq!(state(&folder), "1 old 1, 2 older 2, 3 new 7, 4 newer 7");
    assert_eq!(
        write(&database, "t", WriteMode::Upsert, vec![rows(2, "changed"), rows(5, "added")]).unwrap(),
        2
    );
    assert_eq!(state(&folder), "1 old 1, 2 changed 2, 3 new 7, 4 newer 7, 5 added 7");
    assert_eq!(write(&database, "t", WriteMode::Replace, vec![rows(9, "only")]).unwrap(), 1);
    assert_eq!(state(&folder), "9 only 7");
    assert_eq!(write(&database, "u", WriteMode::Create, vec![rows(1, "made")]).unwrap(), 1);
    assert_eq!(folder.text("SELECT name || \"ID\" FROM u"), "made1");
    assert_eq!(
        fails(write(&database, "u", WriteMode::Create, vec![rows(1, "made")])).code(),
        Code::AlreadyExists
    );
    assert_eq!(
        fails(write(&database, "U", WriteMode::Create, vec![rows(1, "made")])).code(),
        Code::AlreadyExists
    );
    assert_eq!(fails(write(&database, "nope", WriteMode::Append, vec![rows(1, "x")])).code(), Code::NotFound);
}

#[test]
fn what_fails_changes_nothing_and_says_where() {
    let folder = Folder::with(TABLE);
    let database = folder.open(Access::Write);
    let before = state(&folder);
    let many: Vec<i64> = (10..5010).chain([10]).collect();
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(many.iter().map(i64::to_string)));
    let last_row = batch(vec![("id", ints(many)), ("name", names)]);
    let null = RecordBatch::try_new(
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
        ])),
        vec![ints([5, 6]), Arc::new(StringArray::from(vec![Some("x"), None]))],
    );
    let cases: Vec<Case> = vec![
        (last_row, Code::ConstraintViolation, Some("id"), Some(5001)),
        (null.unwrap(), Code::ConstraintViolation, Some("name"), Some(2)),
        (batch(vec![("id", ints([1])), ("nope", ints([1]))]), Code::SchemaMismatch, Some("nope"), None),
        (batch(vec![("id", texts(&["x"])), ("name", texts(&["x"]))]), Code::SchemaMismatch, Some("id"), None),
        (batch(vec![("name", ints([1]))]), Code::SchemaMismatch, Some("name"), None),
        (
            batch(vec![("name", texts(&["a", "b"])), ("n", Arc::new(UInt64Array::from(vec![1, u64::MAX])))]),
            Code::ValueOutOfRange,
            Some("n"),
            Some(2),
        ),
        (
            batch(vec![("name", texts(&["a"])), ("NAME", texts(&["a"]))]),
            Code::SchemaMismatch,
            Some("name"),
            None,
        ),
    ];
    for mode in [WriteMode::Replace, WriteMode::Append] {
        for (rows, code, column, row) in &cases {
            let error = fails(write(&database, "t", mode, vec![rows.clone()]));
            assert_eq!((error.code(), error.column(), error.row()), (*code, *column, *row), "{error}");
            assert_eq!(state(&folder), before);
        }
        let good = batch(vec![("name", texts(&["x"]))]);
        let broken = Err(Error::new(Code::IncompleteBody, "cut short"));
        let error = fails(write_results(&database, "t", mode, good.schema(), vec![Ok(good.clone()), broken]));
        assert_eq!(error.code(), Code::IncompleteBody);
        assert_eq!(state(&folder), before);
    }
}

#[test]
fn values_are_stored_exactly_or_refused() {
    let folder = Folder::with(
        "CREATE TABLE t (d DECIMAL(38,2), wide DECIMAL_TEXT(38,2), r REAL, day DATE, ts TIMESTAMP)",
    );
    let database = folder.open(Access::Write);
    let digits = 123_456_789_012_345_678_901_i128;
    let exact = batch(vec![
        ("d", decimals(vec![-1234, 100], 10, 2)),
        ("wide", decimals(vec![digits, -5], 38, 2)),
        ("r", Arc::new(Int32Array::from(vec![1, 2]))),
        ("day", Arc::new(Date32Array::from(vec![-1, 2_932_896]))),
        ("ts", Arc::new(Date32Array::from(vec![0, 1]))),
    ]);
    write(&database, "t", WriteMode::Replace, vec![exact]).unwrap();
    assert_eq!(
        folder.text("SELECT group_concat(d || ' ' || typeof(d) || ' ' || wide || ' ' || r || ' ' || day || ' ' || ts, ', ') FROM t"),
        "-12.34 real 1234567890123456789.01 1.0 1969-12-31 1970-01-01 00:00:00, \
         1 integer -0.05 2.0 9999-12-31 1970-01-02 00:00:00"
    );
    let read = scan(&database, "t").unwrap();
    assert_eq!(read.rows()[0], "-12.34|1234567890123456789.01|1.0|1969-12-31|1970-01-01T00:00:00");
    for (column, values) in [
        ("d", decimals(vec![digits], 38, 2)),
        ("d", Arc::new(Float64Array::from(vec![0.001])) as ArrayRef),
        ("r", Arc::new(Float64Array::from(vec![f64::NAN])) as ArrayRef),
        ("r", ints([9_007_199_254_740_993])),
        ("day", Arc::new(Date32Array::from(vec![i32::MAX])) as ArrayRef),
    ] {
        let error = fails(write(&database, "t", WriteMode::Append, vec![batch(vec![(column, values)])]));
        assert_eq!(
            (error.code(), error.column(), error.row()),
            (Code::ValueOutOfRange, Some(column), Some(1)),
            "{error}"
        );
    }
}

#[test]
fn what_was_read_goes_back_into_an_empty_copy() {
    let tables = "(i INTEGER, r REAL, s TEXT, b BLOB, f BOOLEAN, d DATE, ts TIMESTAMP, tm TIME, dec DECIMAL(15,2), j JSON,
        dirty INTEGER, mixed DATE, g AS (i + 1), plain)";
    let folder = Folder::with(&format!(
        "CREATE TABLE t {tables}; CREATE TABLE copy {tables};
         INSERT INTO t VALUES (1, -1.5, 'é', x'00', 1, '2024-02-29', '2024-02-29 01:02:03.000004', '01:02:03', 0.07, '1', 1, '2024-01-01', 9);
         INSERT INTO t VALUES (2, 1e300, '', x'', 0, '0000-01-01', '9999-12-31 23:59:59', '23:59:59.999999', -99, '{{}}', 2.5, 'soon', 0.5);
         INSERT INTO t (s) VALUES (NULL);"
    ));
    let database = folder.open(Access::Write);
    let batches = scan(&database, "t").unwrap().batches();
    assert_eq!(write(&database, "copy", WriteMode::Replace, batches).unwrap(), 3);
    for (one, other) in [("t", "copy"), ("copy", "t")] {
        assert_eq!(
            folder.text(&format!("SELECT count(*) FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other})")),
            "0"
        );
    }
}

#[test]
fn replacing_rows_cascades_nowhere_and_leaves_no_reference_dangling() {
    let folder = Folder::with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE);
         INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1), (2);",
    );
    let database = folder.open(Access::Write);
    let rows = |name: &str, values: Vec<i64>| vec![batch(vec![(name, ints(values))])];
    write(&database, "p", WriteMode::Replace, rows("id", vec![2, 1, 3])).unwrap();
    assert_eq!(folder.text("SELECT count(*) FROM c"), "2", "no cascade");
    for (table, column, mode, values) in [
        ("p", "id", WriteMode::Replace, vec![1]),
        ("c", "p", WriteMode::Replace, vec![4]),
        ("c", "p", WriteMode::Append, vec![4]),
    ] {
        let error = fails(write(&database, table, mode, rows(column, values)));
        assert_eq!(error.code(), Code::ConstraintViolation, "{error}");
    }
    assert_eq!(folder.text("SELECT count(*) FROM p"), "3");
    assert_eq!(folder.text("SELECT count(*) FROM c"), "2");
}

#[test]
fn a_new_table_holds_what_its_rows_hold() {
    let folder = Folder::with("");
    let database = folder.open(Access::Manage);
    let schema = Schema::new(vec![
        Field::new("i", DataType::Int32, false),
        Field::new("d", DataType::Decimal128(10, 2), true),
        Field::new("wide", DataType::Decimal128(30, 2), true),
        Field::new("\"; drop table t; --", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1])),
        decimals(vec![150], 10, 2),
        decimals(vec![12_345_678_901_234_567_890], 30, 2),
        texts(&["x"]),
    ];
    let rows = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    write(&database, "new", WriteMode::Create, vec![rows]).unwrap();
    let got = scan(&database, "new").unwrap();
    assert_eq!(got.types(), ["Int64", "Decimal128(10, 2)", "Decimal128(30, 2)", "Utf8"]);
    assert_eq!(got.rows(), ["1|1.50|123456789012345678.90|x"]);
    assert!(!got.schema().field(0).is_nullable());
    let duration: ArrayRef = Arc::new(arrow_array::DurationSecondArray::from(vec![1]));
    let error = fails(write(&database, "no", WriteMode::Create, vec![batch(vec![("d", duration)])]));
    assert_eq!((error.code(), error.column()), (Code::SchemaMismatch, Some("d")));
    assert_eq!(fails(scan(&database, "no")).code(), Code::NotFound);
}

#[test]
fn a_view_takes_no_rows_and_a_table_without_key_no_upsert() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER); CREATE VIEW v AS SELECT * FROM t;");
    let database = folder.open(Access::Write);
    let rows = || vec![batch(vec![("a", ints([1]))])];
    assert_eq!(fails(write(&database, "v", WriteMode::Append, rows())).code(), Code::Forbidden);
    assert_eq!(fails(write(&database, "t", WriteMode::Upsert, rows())).code(), Code::SchemaMismatch);
}

#[test]
fn a_database_locked_by_others_is_unavailable_after_the_timeout() {
    let folder = Folder::with(TABLE);
    let query = vec![("busy_timeout".to_owned(), "0.05".to_owned())];
    let options = Options { path: folder.file(), access: Access::Write, threads: None, query };
    let database = Sqlite::open(&options).unwrap();
    let other = folder.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let rows = batch(vec![("name", texts(&["x"]))]);
    let started = std::time::Instant::now();
    assert_eq!(
        fails(write(&database, "t", WriteMode::Append, vec![rows.clone()])).code(),
        Code::DatabaseUnavailable
    );
    assert!(started.elapsed() < Duration::from_secs(2));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(write(&database, "t", WriteMode::Append, vec![rows]).unwrap(), 1);
}

#[test]
fn relations_are_dropped_and_renamed_by_who_may() {
    let folder = Folder::with("CREATE TABLE t (a); CREATE TABLE u (a); CREATE VIEW v AS SELECT 1 AS a");
    let database = folder.open(Access::Manage);
    assert_eq!(
        fails(database.rename_relation(("main", "t"), ("main", "u"), false)).code(),
        Code::AlreadyExists
    );
    database.rename_relation(("main", "t"), ("main", "a\"b"), false).unwrap();
    database.drop_relation("main", "v").unwrap();
    database.drop_relation("main", "u").unwrap();
    let left: Vec<String> = database.relations("main").unwrap().into_iter().map(|r| r.name).collect();
    assert_eq!(left, ["a\"b"]);
    assert_eq!(fails(database.drop_relation("main", "u")).code(), Code::NotFound);
}

#[test]
fn a_table_with_the_name_of_our_source_is_not_read_in_its_place() {
    let folder = Folder::with(
        "CREATE TABLE fsspec_db_rows (c0); INSERT INTO fsspec_db_rows VALUES (666); CREATE TABLE t (a INTEGER)",
    );
    write(&folder.open(Access::Write), "t", WriteMode::Replace, vec![batch(vec![("a", ints([1, 2]))])])
        .unwrap();
    assert_eq!(folder.text("SELECT group_concat(a) FROM t"), "1,2");
}

#[test]
fn no_conflict_clause_of_a_column_drops_or_changes_a_row() {
    let folder = Folder::with(
        "CREATE TABLE t (a INTEGER UNIQUE ON CONFLICT IGNORE, b TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'x')",
    );
    let database = folder.open(Access::Write);
    let twice = batch(vec![("a", ints([1, 1])), ("b", texts(&["x", "y"]))]);
    let error = fails(write(&database, "t", WriteMode::Append, vec![twice]));
    assert_eq!((error.code(), error.row()), (Code::ConstraintViolation, Some(2)));
    let null: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    let error =
        fails(write(&database, "t", WriteMode::Append, vec![batch(vec![("a", ints([1])), ("b", null)])]));
    assert_eq!(error.code(), Code::ConstraintViolation);
    assert_eq!(folder.text("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_text_that_sqlite_would_make_a_number_of_is_refused() {
    let folder = Folder::with("CREATE TABLE t (s STRING)");
    let database = folder.open(Access::Write);
    write(&database, "t", WriteMode::Append, vec![batch(vec![("s", texts(&["abc", "7", "1.50"]))])]).unwrap();
    for text in ["007", "1e5", "12345678901234567890123", " 5 "] {
        let error =
            fails(write(&database, "t", WriteMode::Append, vec![batch(vec![("s", texts(&["a", text]))])]));
        assert_eq!(
            (error.code(), error.column(), error.row()),
            (Code::ValueOutOfRange, Some("s"), Some(2)),
            "{text}"
        );
    }
}

#[test]
fn dropping_a_table_takes_no_row_of_another_with_it() {
    let folder = Folder::with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE);
         INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);",
    );
    let database = folder.open(Access::Manage);
    assert_eq!(fails(database.drop_relation("main", "p")).code(), Code::ConstraintViolation);
    assert_eq!(folder.text("SELECT (SELECT count(*) FROM c) || (SELECT count(*) FROM p)"), "11");
    database.drop_relation("main", "c").unwrap();
    database.drop_relation("main", "p").unwrap();
}

#[test]
fn wide_decimals_keep_their_form_whatever_they_come_as() {
    let folder = Folder::with("CREATE TABLE t (d DECIMAL_TEXT(30,2))");
    let database = folder.open(Access::Manage);
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
    write(&database, "t", WriteMode::Append, vec![batch(vec![("d", float)])]).unwrap();
    assert_eq!(folder.text("SELECT d FROM t"), "1.50");
    assert_eq!(scan(&database, "t").unwrap().types(), ["Decimal128(30, 2)"]);
    let negative = batch(vec![("d", decimals(vec![123], 20, -2))]);
    assert_eq!(
        fails(write(&database, "new", WriteMode::Create, vec![negative])).code(),
        Code::SchemaMismatch
    );
}

#[test]
fn a_column_of_texts_and_blobs_is_not_written_back_as_blobs() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (x'ff')");
    let database = folder.open(Access::Write);
    let batches = scan(&database, "t").unwrap().batches();
    assert_eq!(fails(write(&database, "t", WriteMode::Replace, batches)).code(), Code::SchemaMismatch);
    assert_eq!(folder.text("SELECT group_concat(typeof(a)) FROM t"), "integer,blob");
}

#[test]
fn a_violation_behind_a_trigger_claims_no_row() {
    let folder = Folder::with(
        "CREATE TABLE log (a); CREATE TABLE t (a INTEGER UNIQUE);
         CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); END;",
    );
    let rows = batch(vec![("a", ints([1, 1, 2]))]);
    let error = fails(write(&folder.open(Access::Write), "t", WriteMode::Append, vec![rows]));
    assert_eq!((error.code(), error.row()), (Code::ConstraintViolation, None));
}

#[test]
fn a_new_name_that_differs_by_case_alone_is_taken() {
    let folder = Folder::with("CREATE TABLE a (x); CREATE TABLE B (x)");
    let database = folder.open(Access::Manage);
    assert_eq!(
        fails(database.rename_relation(("main", "a"), ("main", "b"), false)).code(),
        Code::AlreadyExists
    );
    assert_eq!(
        fails(database.rename_relation(("main", "a"), ("main", "sqlite_a"), false)).code(),
        Code::Forbidden
    );
    assert_eq!(
        fails(database.rename_relation(("main", "a"), ("main", "A"), true)).code(),
        Code::AlreadyExists
    );
}

/// Rows that do not come.
struct Stuck(SchemaRef, std::sync::mpsc::Receiver<()>);

impl Iterator for Stuck {
    type Item = Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.1.recv();
        None
    }
}

impl Rows for Stuck {
    fn schema(&self) -> SchemaRef {
        self.0.clone()
    }
}

#[test]
fn a_write_whose_rows_do_not_come_can_be_called_off() {
    let folder = Folder::with("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1)");
    let database = folder.open(Access::Write);
    let schema = batch(vec![("i", Arc::new(Int64Array::from(vec![1])))]).schema();
    let target = Write {
        schema: "main".to_owned(),
        relation: "t".to_owned(),
        mode: WriteMode::Replace,
        if_version: None,
    };
    for timeout in [Some(Duration::from_millis(100)), None] {
        let cancel = Cancel::new(timeout);
        let (hold, held) = std::sync::mpsc::channel();
        let started = Instant::now();
        let error = std::thread::scope(|scope| {
            let stuck = Box::new(Stuck(schema.clone(), held));
            let writing = scope.spawn(|| database.write(&target, stuck, &cancel));
            if timeout.is_none() {
                std::thread::sleep(Duration::from_millis(100));
                cancel.cancel();
            }
            // Lets the rows end where nothing else ended the write.
            let limit = Duration::from_secs(3);
            while !writing.is_finished() && started.elapsed() < limit {
                std::thread::sleep(Duration::from_millis(10));
            }
            drop(hold);
            fails(writing.join().unwrap())
        });
        let expected = if timeout.is_some() { Code::QueryTimeout } else { Code::Cancelled };
        assert_eq!(error.code(), expected, "{error}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert_eq!(folder.text("SELECT count(*) FROM t"), "1");
    }
}

#[test]
fn what_comes_before_a_write_keeps_to_its_time_limit() {
    let folder = Folder::with("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1)");
    let database = folder.open(Access::Write);
    let locked = folder.connection();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let rows = || {
        let batch = batch(vec![("i", Arc::new(Int64Array::from(vec![2])))]);
        Box::new(Body { schema: batch.schema(), batches: vec![Ok(batch)].into_iter() }) as Box<dyn Rows>
    };
    let target = Write {
        schema: "main".to_owned(),
        relation: "t".to_owned(),
        mode: WriteMode::Append,
        if_version: None,
    };
    let limit = || Cancel::new(Some(Duration::from_millis(100)));
    let attempts: [(&str, &dyn Fn() -> Error); 3] = [
        ("relation", &|| fails(database.relation("main", "t", &limit()))),
        ("schema", &|| fails(database.arrow_schema("main", "t", &limit()))),
        ("write", &|| fails(database.write(&target, rows(), &limit()))),
    ];
    for (what, attempt) in attempts {
        let started = Instant::now();
        assert_eq!(attempt().code(), Code::QueryTimeout, "{what}");
        assert!(started.elapsed() < Duration::from_secs(2), "{what}: {:?}", started.elapsed());
    }
    locked.execute_batch("ROLLBACK").unwrap();
    assert_eq!(database.write(&target, rows(), &limit()).unwrap(), 1);
}
