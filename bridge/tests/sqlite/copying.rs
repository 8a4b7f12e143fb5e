//! Rows and relations copied, and tables put in the place of others.

use std::sync::Arc;

use _bridge::database::{Access, Cancel, Database, Scan, Write, WriteMode};
use _bridge::engines::sqlite::{Options, Sqlite};
use _bridge::error::{Code, Result};
use _bridge::shape::Shape;

use super::{Folder, fails};

fn copy(database: &Arc<dyn Database>, from: &str, to: &str, mode: WriteMode) -> Result<Option<u64>> {
    let scan = Scan { schema: "main".to_owned(), relation: from.to_owned(), shape: Shape::default() };
    let write = Write { schema: "main".to_owned(), relation: to.to_owned(), mode, if_version: None };
    database.copy_rows(&scan, &write, &Cancel::default())
}

fn relation(database: &Arc<dyn Database>, from: &str, to: &str, overwrite: bool) -> Result<()> {
    database.copy_relation(("main", from), ("main", to), overwrite, &Cancel::default())
}

#[test]
fn dirty_cells_are_copied_as_they_are() {
    let folder = Folder::with(
        "CREATE TABLE a (i INTEGER, b); CREATE TABLE c (i INTEGER, b); INSERT INTO c VALUES (0, 0);
         INSERT INTO a VALUES (1, 1), ('x', 1.5), (x'ff', 'y'), (CAST(x'ff' AS TEXT), NULL);",
    );
    let cells = |table: &str| {
        folder.text(&format!("SELECT group_concat(hex(i) || typeof(i) || hex(b) || typeof(b)) FROM {table}"))
    };
    let database = folder.open(Access::Manage);
    assert_eq!(copy(&database, "a", "c", WriteMode::Replace).unwrap(), Some(4));
    assert_eq!(cells("c"), cells("a"));
    assert_eq!(copy(&database, "a", "d", WriteMode::Create).unwrap(), Some(4));
    assert_eq!(cells("d"), cells("a"));
}

#[test]
fn what_a_copy_could_change_is_left_to_reading_and_writing() {
    let folder = Folder::with(
        "CREATE TABLE a (i INTEGER); INSERT INTO a VALUES (1); CREATE VIEW v AS SELECT '007' AS i;
         CREATE TABLE text (i TEXT); CREATE TABLE strict (i INTEGER) STRICT; CREATE TABLE other (j INTEGER);
         CREATE TABLE watched (i INTEGER); INSERT INTO watched VALUES (7);
         CREATE TRIGGER t AFTER DELETE ON watched BEGIN DELETE FROM a; END;",
    );
    let database = folder.open(Access::Write);
    for to in ["text", "strict", "other", "watched"] {
        assert_eq!(copy(&database, "a", to, WriteMode::Replace).unwrap(), None, "{to}");
    }
    assert_eq!(copy(&database, "v", "a", WriteMode::Replace).unwrap(), None);
    assert_eq!(folder.text("SELECT (SELECT i FROM a) || (SELECT i FROM watched)"), "17");
    assert_eq!(fails(copy(&database, "a", "v", WriteMode::Replace)).code(), Code::Forbidden);
    assert_eq!(fails(copy(&database, "a", "new", WriteMode::Create)).code(), Code::ReadOnly);
}

#[test]
fn no_conflict_clause_drops_or_changes_a_row_of_a_copy() {
    let folder = Folder::with(
        "CREATE TABLE a (i INTEGER, t TEXT); INSERT INTO a VALUES (1, 'x'), (1, 'y');
         CREATE TABLE c (i INTEGER UNIQUE ON CONFLICT IGNORE, t TEXT); INSERT INTO c VALUES (7, 'z');",
    );
    let database = folder.open(Access::Write);
    let error = fails(copy(&database, "a", "c", WriteMode::Replace));
    assert_eq!((error.code(), error.column()), (Code::ConstraintViolation, Some("i")));
    assert_eq!(folder.text("SELECT group_concat(i || t) FROM c"), "7z");
}

#[test]
fn a_copied_table_has_all_that_its_statement_and_its_indexes_say() {
    let folder = Folder::with(
        "CREATE TABLE \"t x\" (id TEXT COLLATE NOCASE, n INTEGER NOT NULL DEFAULT (1 + 1) CHECK (\"t x\".n > 0),
             g INTEGER GENERATED ALWAYS AS (n * 2) STORED, up TEXT REFERENCES \"t x\" (id), UNIQUE (n, up),
             PRIMARY KEY (id)) STRICT, WITHOUT ROWID;
         CREATE UNIQUE INDEX i ON \"t x\" (lower(id)) WHERE \"t x\".n > 1; CREATE INDEX c_i ON \"t x\" (n);
         INSERT INTO \"t x\" (id, n, up) VALUES ('a', 5, NULL), ('b', 6, 'a');
         CREATE TRIGGER tr AFTER INSERT ON \"t x\" BEGIN SELECT raise(ABORT, 'never'); END;",
    );
    let database = folder.open(Access::Manage);
    relation(&database, "t x", "c", false).unwrap();
    assert_eq!(folder.text("SELECT group_concat(id || n || g || ifnull(up, '-')) FROM c"), "a510-,b612a");
    let other = folder.connection();
    other.execute_batch("PRAGMA foreign_keys = ON; INSERT INTO c (id) VALUES ('d')").unwrap();
    assert_eq!(folder.text("SELECT n || '-' || g FROM c WHERE id = 'D'"), "2-4");
    for refused in
        ["('A', 9, NULL)", "('e', -1, NULL)", "('e', 6, 'a')", "('e', 9, 'none')", "('e', 'x', NULL)"]
    {
        let sql = format!("INSERT INTO c (id, n, up) VALUES {refused}");
        assert!(other.execute_batch(&sql).is_err(), "{refused}");
    }
    let named = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'index'
        AND tbl_name = 'c' AND sql IS NOT NULL ORDER BY name)";
    assert_eq!(folder.text(named), "c_c_i,c_i_2");
    assert_eq!(fails(relation(&database, "t x", "C", true)).code(), Code::AlreadyExists);
    assert_eq!(fails(relation(&database, "t x", "sqlite_c", true)).code(), Code::Forbidden);
}

#[test]
fn views_read_what_has_taken_the_place_of_their_table() {
    let folder = Folder::with(
        "CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT a + 0 AS a FROM t;
         CREATE TABLE new (a); INSERT INTO new VALUES (2); CREATE TABLE newer (a, b); INSERT INTO newer VALUES (3, 3);
         CREATE TRIGGER tr BEFORE DELETE ON new BEGIN SELECT 1; END;",
    );
    let database = folder.open(Access::Manage);
    relation(&database, "newer", "t", true).unwrap();
    assert_eq!(folder.text("SELECT a FROM v"), "3");
    database.rename_relation(("main", "new"), ("main", "t"), true).unwrap();
    assert_eq!(folder.text("SELECT a FROM v"), "2");
    assert_eq!(folder.text("SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger'"), "t");
    database.rename_relation(("main", "v"), ("main", "w"), false).unwrap();
    assert_eq!(folder.text("SELECT a FROM w"), "2");
    assert_eq!(fails(database.relation("main", "new", &Cancel::default())).code(), Code::NotFound);
}

#[test]
fn a_key_of_another_table_is_not_left_without_what_it_refers_to() {
    let folder = Folder::with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1), (2);
         CREATE TABLE q (id INTEGER PRIMARY KEY); INSERT INTO q VALUES (2);
         CREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE); INSERT INTO c VALUES (1);
         CREATE TABLE d (q INTEGER REFERENCES q (id)); CREATE VIEW v AS SELECT id FROM p;",
    );
    let database = folder.open(Access::Manage);
    for outcome in [
        relation(&database, "q", "p", true),
        database.rename_relation(("main", "q"), ("main", "p"), true),
        copy(&database, "q", "p", WriteMode::Replace).map(drop),
    ] {
        assert_eq!(fails(outcome).code(), Code::ConstraintViolation);
    }
    assert_eq!(
        folder.text("SELECT (SELECT count(*) FROM p) || (SELECT count(*) FROM q) || (SELECT p FROM c)"),
        "211"
    );
}

#[test]
fn tables_are_copied_between_files_and_views_are_not() {
    let folder = Folder::with(
        "CREATE TABLE t (a INTEGER DEFAULT 7); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT 1",
    );
    let second = Folder::with("CREATE TABLE u (b)");
    let query = vec![("attach".to_owned(), format!("second:{}", second.file()))];
    let options = Options { path: folder.file(), access: Access::Manage, threads: None, query };
    let database = Sqlite::open(&options).unwrap();
    let copied =
        |from: &str| database.copy_relation(("main", from), ("second", "new"), false, &Cancel::default());
    assert_eq!(fails(copied("v")).code(), Code::Unsupported);
    copied("t").unwrap();
    second.connection().execute_batch("INSERT INTO new DEFAULT VALUES").unwrap();
    assert_eq!(second.text("SELECT group_concat(a) FROM new"), "1,7");
}
