use super::*;

/// Two columns of decimals kept as text, of different scales, and an integer beside them.
const WIDE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, d DECIMAL_TEXT(38,2), e DECIMAL_TEXT(30,10), i INTEGER);
  INSERT INTO t VALUES
    (1, '10.00', '10.0000000000', 10), (2, '9.00', '9.0000000001', 9), (3, '-10.00', '-9.9999999999', -10),
    (4, '-9.00', '-9.0000000000', -9), (5, NULL, NULL, NULL), (6, '0.00', '0.0000000000', 0),
    (7, '123456789012345678901234567890.12', '0.0000000001', 1), (8, '123456789012345678901234567890.13', NULL, 2);";

fn ids(database: &Arc<dyn Database>, shape: &str) -> String {
    let found = scan_shaped(database, "t", &format!("columns=id&{}", shape.replace(' ', "+"))).unwrap();
    found.rows().join(" ")
}

#[test]
fn decimals_kept_as_text_compare_as_numbers() {
    let folder = Folder::with(WIDE);
    // With an index of the texts, which must not be asked.
    folder.connection().execute_batch("CREATE INDEX by_d ON t (d)").unwrap();
    let database = folder.open(Access::Read);
    for (condition, expected) in [
        ("d = 10", "1"),
        ("d = 10.0", "1"),
        ("d = '10.000'", "1"),
        ("10 = d", "1"),
        ("d < 10", "2 3 4 6"),
        ("d <= 9", "2 3 4 6"),
        ("d > 9", "1 7 8"),
        ("d > 9.99 and d < 11", "1"),
        ("d <> 10", "2 3 4 6 7 8"),
        ("d < -9.5", "3"),
        ("-9.5 > d", "3"),
        ("d = 123456789012345678901234567890.12", "7"),
        ("d > 123456789012345678901234567890.12", "8"),
        ("d between -9 and 10", "1 2 4 6"),
        ("d not between -9 and 10", "3 7 8"),
        ("d in (10, -9.0, 123456789012345678901234567890.130)", "1 4 8"),
        ("d not in (10, -9)", "2 3 6 7 8"),
        ("0 in (d, e)", "6"),
        ("d in (1, NULL)", ""),
        ("d = -0", "6"),
        ("d is null", "5"),
        ("d is not null and d < 0", "3 4"),
        ("not (d < 10)", "1 7 8"),
        ("d = e", "1 4 6"),
        ("d < e", "2 3"),
        ("e > 0.0000000001", "1 2"),
        ("cast(d as text) = '10.00'", "1"),
        ("d = 10 or i = 9", "1 2"),
    ] {
        assert_eq!(ids(&database, &format!("where={condition}")), expected, "{condition}");
    }
}

#[test]
fn decimals_kept_as_text_order_as_numbers() {
    let folder = Folder::with(WIDE);
    let database = folder.open(Access::Read);
    assert_eq!(ids(&database, "order=d"), "5 3 4 6 2 1 7 8");
    assert_eq!(ids(&database, "order=-d"), "8 7 1 2 6 4 3 5");
    assert_eq!(ids(&database, "order=-e,id&where=d > -10"), "1 2 7 6 4 8");
    assert_eq!(ids(&database, "order=d&limit=2&where=d is not null"), "3 4");
}

#[test]
fn what_cannot_be_exact_is_refused_with_its_column() {
    let folder = Folder::with(WIDE);
    let database = folder.open(Access::Read);
    for condition in [
        "d = 1e1",
        "d = 'ten'",
        "d = ' 10'",
        "d = X'31'",
        "d = true",
        "d = i",
        "d in (1, i)",
        "i between 1 and d",
        "d + 1 = 11",
        "-d = 10",
        "d like '1%'",
        "i like d",
        "d",
        "not d",
        "d and i = 1",
        "d is true",
        "cast(d as integer) = 10",
        "cast(d as decimal) = 10",
        "d = cast('10' as decimal)",
        "d = (1 + 1)",
    ] {
        let shape = format!("where={}", condition.replace('%', "%25").replace('+', "%2B").replace(' ', "+"));
        let error = fails(scan_shaped(&database, "t", &shape));
        assert_eq!(
            (error.code(), error.column()),
            (Code::InvalidPredicate, Some("d")),
            "{condition}: {error}"
        );
    }
    // Where the values are in the database's own numbers, nothing has changed.
    assert_eq!(ids(&database, "where=i %2B 1 = 1e1"), "2");
}

#[test]
fn what_is_no_number_comes_after_all_that_are() {
    let folder = Folder::with(WIDE);
    folder.connection().execute_batch("INSERT INTO t (id, d) VALUES (9, 'dirty'), (10, '7.5')").unwrap();
    let database = folder.open(Access::Read);
    assert_eq!(ids(&database, "order=d&where=d > 0"), "10 2 1 7 8 9");
}
