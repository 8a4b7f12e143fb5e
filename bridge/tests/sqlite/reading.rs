use super::*;

const TYPES: &str = "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, f BOOLEAN, d DATE, ts TIMESTAMP, tm TIME,
    dec DECIMAL(10,2), j JSON, n);
  INSERT INTO t VALUES (9223372036854775807, 1.5, 'hé', x'00ff', 1, '1969-12-31', '1969-12-31 23:59:59.999999',
    '23:59:59.5', '12345678.91', '{\"a\": 1}', 'x');
  INSERT INTO t VALUES (-9223372036854775808, -0.25, '', x'', 0, '9999-12-31', '2024-02-29T00:00:00', '00:00:00', -3, '[]', NULL);
  INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);";

#[test]
fn declared_types_become_arrow_types() {
    let folder = Folder::with(TYPES);
    let got = scan(&folder.open(Access::Read), "t").unwrap();
    assert_eq!(
        got.types(),
        [
            "Int64",
            "Float64",
            "Utf8",
            "Binary",
            "Boolean",
            "Date32",
            "Timestamp(µs)",
            "Time64(µs)",
            "Decimal128(10, 2)",
            "Utf8",
            "Utf8"
        ]
    );
    assert_eq!(
        got.rows(),
        [
            "9223372036854775807|1.5|hé|00ff|true|1969-12-31|1969-12-31T23:59:59.999999|23:59:59.500|12345678.91|{\"a\": 1}|x",
            "-9223372036854775808|-0.25|||false|9999-12-31|2024-02-29T00:00:00|00:00:00|-3.00|[]|NULL",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        ]
    );
    assert_eq!(nulls(&got.one()), 12);
    assert_eq!(got.schema().field(8).metadata()["fsspec_db.sql_type"], "DECIMAL(10,2)");
    assert_eq!(got.schema().field(9).metadata()["ARROW:extension:name"], "arrow.json");
}

#[test]
fn a_dirty_cell_widens_its_column_and_loses_nothing() {
    let folder = Folder::with(
        "CREATE TABLE t (real INTEGER, wide INTEGER, text INTEGER, bytes TEXT, bad TEXT, day DATE, cents DECIMAL(15,2), flag BOOLEAN);
         INSERT INTO t VALUES (1, 9007199254740993, 7, 'a', 'a', '2024-01-01', 1.25, 1);
         INSERT INTO t VALUES (2.5, 0.5, 'seven', x'ff', CAST(x'fe' AS TEXT), 'yesterday', 0.001, 2);",
    );
    let got = scan(&folder.open(Access::Read), "t").unwrap();
    assert_eq!(got.types(), ["Float64", "Utf8", "Utf8", "Binary", "Binary", "Utf8", "Float64", "Int64"]);
    assert_eq!(
        got.rows(),
        ["1.0|9007199254740993|7|61|61|2024-01-01|1.25|1", "2.5|0.5|seven|ff|fe|yesterday|0.001|2"]
    );
}

#[test]
fn every_kind_of_relation_is_read() {
    let folder = Folder::with(
        "CREATE TABLE s (a INT, b ANY) STRICT; INSERT INTO s VALUES (1, 'x'), (2, 3);
         CREATE TABLE w (k TEXT PRIMARY KEY, v INT) WITHOUT ROWID; INSERT INTO w VALUES ('b', 2), ('a', 1);
         CREATE TABLE g (a INT, twice INT AS (a * 2), thrice INT AS (a * 3) STORED); INSERT INTO g (a) VALUES (4);
         CREATE TABLE rowid (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO rowid VALUES ('x', 'y', 'z');
         CREATE VIEW v AS SELECT k, v + 0.5 AS half FROM w;
         CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('hello');
         CREATE TABLE empty (a INTEGER, b DATE);",
    );
    let database = folder.open(Access::Read);
    let rows = |relation| scan(&database, relation).unwrap().rows();
    assert_eq!(rows("s"), ["1|x", "2|3"]);
    assert_eq!(rows("w"), ["a|1", "b|2"]);
    assert_eq!(rows("g"), ["4|8|12"]);
    assert_eq!(rows("rowid"), ["x|y|z"]);
    assert_eq!(rows("v"), ["a|1.5", "b|2.5"]);
    assert_eq!(rows("f"), ["hello"]);
    assert_eq!(scan(&database, "empty").unwrap().types(), ["Int64", "Date32"]);
    assert!(rows("empty").is_empty());
    assert!(!rows("sqlite_schema").is_empty());
    let listed: Vec<String> = database.relations("main").unwrap().into_iter().map(|r| r.name).collect();
    assert_eq!(listed, ["empty", "f", "g", "rowid", "s", "v", "w"], "without shadows and SQLite's own");
}

#[test]
fn a_name_is_found_only_in_its_own_spelling() {
    let folder =
        Folder::with("CREATE TABLE Users (a); CREATE TABLE \"\"\"; drop table x; --\" (\"a\"\"b\"); ");
    let database = folder.open(Access::Read);
    assert_eq!(fails(scan(&database, "users")).code(), Code::NotFound);
    assert!(scan(&database, "Users").is_ok());
    assert_eq!(scan(&database, "\"; drop table x; --").unwrap().schema().field(0).name(), "a\"b");
    assert_eq!(fails(database.relations("nowhere")).code(), Code::NotFound);
}

#[test]
fn shaping_selects_filters_orders_and_cuts() {
    let folder = Folder::with(
        "CREATE TABLE t (a INTEGER, b TEXT, c REAL); CREATE INDEX by_a ON t (a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO t SELECT i % 100, 'row ' || i, i / 2.0 FROM n;",
    );
    let database = folder.open(Access::Read);
    let rows = |shape| scan_shaped(&database, "t", shape).unwrap().rows();
    assert_eq!(rows("columns=b,a&limit=2"), ["row 1|1", "row 2|2"]);
    assert_eq!(rows("where=a%3D7&columns=b&order=-c&limit=2"), ["row 4907", "row 4807"]);
    assert_eq!(rows("where=a%3D7").len(), 50, "through the index");
    assert_eq!(rows("where=c%3E2499"), ["99|row 4999|2499.5", "0|row 5000|2500.0"], "passing over all rows");
    assert_eq!(rows("offset=4999&columns=b"), ["row 5000"]);
    assert_eq!(rows("limit=0"), Vec::<String>::new());
    let error = fails(scan_shaped(&database, "t", "columns=nope"));
    assert_eq!((error.code(), error.column()), (Code::InvalidParameter, Some("nope")));
}

#[test]
fn the_batches_of_a_version_do_not_depend_on_the_machine() {
    let folder = Folder::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO t SELECT i * i, 'value ' || i FROM n; DELETE FROM t WHERE id % 7 = 0;",
    );
    let batches = |threads| {
        let got = scan(&folder.open_with(Access::Read, Some(threads)), "t").unwrap();
        got.batches()
    };
    let one = batches(1);
    assert!(one.len() > 2);
    for threads in [2, 5] {
        assert_eq!(batches(threads), one, "{threads} threads");
    }
}

#[test]
fn large_values_are_cut_into_small_batches() {
    let folder = Folder::with(
        "CREATE TABLE t (s TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO t SELECT printf('%.*c', 1000000, 'x') FROM n;",
    );
    let got = scan(&folder.open(Access::Read), "t").unwrap();
    let batches = got.batches();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 16), "each at most 16 MB");
}

#[test]
fn metadata_tells_what_the_database_knows() {
    let folder = Folder::with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE DEFAULT 'x');
         CREATE TABLE c (a INT, b INT, p INT REFERENCES p (id), PRIMARY KEY (b, a));
         CREATE INDEX by_p ON c (p, abs(a)); CREATE VIEW v AS SELECT code, a FROM p JOIN c ON p = id;",
    );
    let database = folder.open(Access::Read);
    let columns = database.columns("main", "p").unwrap();
    assert_eq!(
        (columns[1].nullable, columns[1].default.as_deref(), columns[1].ordinal),
        (false, Some("'x'"), 2)
    );
    assert!(columns[0].primary_key);
    let constraints = database.constraints("main", "c").unwrap();
    assert_eq!(constraints[0].columns, ["b", "a"]);
    assert_eq!(constraints[1].references.as_deref(), Some("main.p(id)"));
    let indexes = database.indexes("main", "c").unwrap();
    assert_eq!(indexes.iter().find(|index| index.name == "by_p").unwrap().columns, ["p", "<expression>"]);
    assert!(database.definition("main", "c").unwrap().unwrap().contains("CREATE INDEX by_p"));
    assert!(database.view_definition("main", "v").unwrap().starts_with("CREATE VIEW v"));
    assert_eq!(fails(database.view_definition("main", "p")).code(), Code::NotFound);
    let main = |name: &str| ("main".to_owned(), name.to_owned());
    assert_eq!(database.depends_on("main", "v").unwrap(), [main("c"), main("p")]);
}

#[test]
fn results_of_queries_take_the_types_of_their_values() {
    let folder = Folder::with(TYPES);
    let database = folder.open(Access::Read);
    let got = ask(&database, "SELECT count(*), sum(r), max(s), NULL, x'61', dec, d FROM t").unwrap();
    assert_eq!(got.types(), ["Int64", "Float64", "Utf8", "Utf8", "Binary", "Decimal128(10, 2)", "Date32"]);
    let mixed = ask(&database, "SELECT i FROM t UNION ALL SELECT 'text'").unwrap();
    assert_eq!(mixed.types(), ["Utf8"]);
    scan(&database, "t").unwrap();
    let mixed = ask(&database, "SELECT i FROM t UNION ALL SELECT 'text'").unwrap();
    assert_eq!(mixed.types(), ["Utf8"], "though the type of t.i is known now");
    let known = ask(&database, "SELECT dec FROM t WHERE dec > 0").unwrap();
    assert_eq!(known.rows(), ["12345678.91"]);
    assert_eq!(ask(&database, "SELECT 1 WHERE false").unwrap().rows(), Vec::<String>::new());
}

#[test]
fn a_large_result_is_spooled_and_comes_back_whole() {
    let folder = Folder::with("CREATE TABLE t (a)");
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
        SELECT i, 'a longer text to spill over ' || i, CASE i WHEN 300000 THEN 0.5 ELSE i END FROM n";
    let got = ask(&folder.open(Access::Read), sql).unwrap();
    assert_eq!(got.types(), ["Int64", "Utf8", "Float64"]);
    let rows = got.rows();
    assert_eq!(rows.len(), 300_000);
    assert_eq!(rows[299_999], "300000|a longer text to spill over 300000|0.5");
}

#[test]
fn parameters_are_bound_by_place_and_by_name() {
    let folder = Folder::with("CREATE TABLE t (a)");
    let database = folder.open(Access::Read);
    let positional = Params::Positional(vec![int(1), Value::Text("'; drop table t".into()), Value::Null]);
    assert_eq!(
        query(&database, "SELECT ?, ?, ?", positional, None).unwrap().rows(),
        ["1|'; drop table t|NULL"]
    );
    let named = Params::Named(vec![("a".into(), Value::Date(0)), ("b".into(), Value::Bytes(vec![1]))]);
    assert_eq!(query(&database, "SELECT :a, $b, @a", named, None).unwrap().rows().len(), 1);
    for (sql, params) in [
        ("SELECT ?", Params::none()),
        ("SELECT 1", Params::Positional(vec![int(1)])),
        ("SELECT :a", Params::Named(vec![("b".into(), int(1))])),
        ("SELECT :a, :b", Params::Named(vec![("b".into(), int(1))])),
        ("SELECT ?", Params::Positional(vec![Value::List(vec![])])),
    ] {
        assert_eq!(fails(query(&database, sql, params, None)).code(), Code::InvalidQuery, "{sql}");
    }
}

#[test]
fn a_row_limit_cuts_and_says_so() {
    let folder = Folder::with("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2), (3)");
    let database = folder.open(Access::Read);
    for known in [false, true] {
        let cut = query(&database, "SELECT a FROM t", Params::none(), Some(2)).unwrap();
        assert_eq!((cut.rows().len(), cut.truncated.get().is_some()), (2, true), "types known: {known}");
        let whole = query(&database, "SELECT a FROM t", Params::none(), Some(3)).unwrap();
        assert_eq!((whole.rows().len(), whole.truncated.get().is_some()), (3, false), "types known: {known}");
        scan(&database, "t").unwrap();
    }
}

#[test]
fn a_database_in_memory_is_shared_by_its_connections() {
    let options =
        Options { path: ":memory:".into(), access: Access::Manage, threads: None, query: Vec::new() };
    let database = Sqlite::open(&options).unwrap();
    let schema = Arc::new(arrow_schema::Schema::new(vec![arrow_schema::Field::new(
        "a",
        arrow_schema::DataType::Int64,
        true,
    )]));
    let batch =
        RecordBatch::try_new(schema, vec![Arc::new(arrow_array::Int64Array::from(vec![1, 2]))]).unwrap();
    assert_eq!(write(&database, "t", WriteMode::Create, vec![batch]).unwrap(), 2);
    assert_eq!(scan(&database, "t").unwrap().rows(), ["1", "2"]);
    let other = Sqlite::open(&options).unwrap();
    assert_eq!(fails(scan(&other, "t")).code(), Code::NotFound);
}

#[test]
fn a_text_that_is_no_utf8_is_read_even_from_a_strict_table() {
    let folder =
        Folder::with("CREATE TABLE t (a TEXT) STRICT; INSERT INTO t VALUES ('x'), (CAST(x'ff' AS TEXT))");
    let got = scan(&folder.open(Access::Read), "t").unwrap();
    assert_eq!(
        (got.types(), got.rows()),
        (vec!["Binary".to_owned()], vec!["78".to_owned(), "ff".to_owned()])
    );
}

#[test]
fn a_stray_semicolon_before_a_statement_does_no_harm() {
    let folder = Folder::with("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    let database = folder.open(Access::Read);
    for _ in 0..2 {
        assert_eq!(ask(&database, "; SELECT a FROM t").unwrap().rows(), ["1"]);
        scan(&database, "t").unwrap();
    }
}

#[test]
fn an_attached_file_that_is_replaced_is_read_anew() {
    let (main, old, new) = (
        Folder::with(""),
        Folder::with("CREATE TABLE z (a); INSERT INTO z VALUES (1)"),
        Folder::with("CREATE TABLE z (a); INSERT INTO z VALUES (2)"),
    );
    let query = vec![("attach".to_owned(), format!("x:{}", old.file()))];
    let database =
        Sqlite::open(&Options { path: main.file(), access: Access::Read, threads: None, query }).unwrap();
    let read = || ask(&database, "SELECT a FROM x.z").unwrap().rows();
    assert_eq!(read(), ["1"]);
    std::fs::rename(new.file(), old.file()).unwrap();
    assert_eq!(read(), ["2"]);
}

#[test]
fn checks_are_constraints_among_the_others() {
    let folder = Folder::with(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE t (id INTEGER PRIMARY KEY CHECK (id > 0), p REFERENCES parent (id), u UNIQUE,
           CONSTRAINT \"no nines\" CHECK (id <> 9 AND u <> ')'));
         ALTER TABLE t ADD COLUMN late TEXT CHECK (late <> '');
         CREATE VIEW v AS SELECT * FROM t;",
    );
    let database = folder.open(Access::Read);
    let found = database.constraints("main", "t").unwrap();
    let found: Vec<_> =
        found.iter().map(|info| (info.name.as_str(), info.kind.as_str(), info.expr.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("pk_t", "pk", None),
            ("sqlite_autoindex_t_1", "unique", None),
            ("fk_t_0", "fk", None),
            ("check_1", "check", Some("id > 0")),
            // SQLite adds a column before the constraints of the table.
            ("check_2", "check", Some("late <> ''")),
            ("no nines", "check", Some("id <> 9 AND u <> ')'")),
        ]
    );
    assert_eq!(database.constraints("main", "v").unwrap(), []);
    assert_eq!(database.constraints("main", "sqlite_schema").unwrap(), []);
}
