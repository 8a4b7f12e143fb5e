use super::*;

fn refusal(text: &str) -> String {
    let error = Predicate::parse(text).unwrap_err();
    assert_eq!(error.code(), Code::InvalidPredicate, "{text}");
    error.detail().to_owned()
}

#[test]
fn every_literal_is_bound() {
    let decimal = |digits: &str| Value::Decimal(digits.into());
    for (literal, value) in [
        ("7", Value::Int(7)),
        ("-7", Value::Int(-7)),
        ("- 9223372036854775808", Value::Int(i64::MIN)),
        ("18446744073709551616", decimal("18446744073709551616")),
        ("49.50", decimal("49.50")),
        ("-.5", decimal("-0.5")),
        ("1e3", Value::Float(1000.0)),
        ("+7", Value::Int(7)),
        ("NULL", Value::Null),
        ("true", Value::Bool(true)),
        ("False", Value::Bool(false)),
        ("'it''s'", text("it's")),
        (r"'\'", text(r"\")),
        ("''", text("")),
        ("X'00ff'", Value::Bytes(vec![0, 255])),
        ("DATE '1970-01-02'", Value::Date(1)),
        ("time '00:00:01'", Value::Time(1_000_000)),
        ("TIMESTAMP '1970-01-01 00:00:01'", Value::Timestamp { micros: 1_000_000, utc: false }),
        ("timestamp '1970-01-01T01:00:00+01:00'", Value::Timestamp { micros: 0, utc: true }),
    ] {
        assert_eq!(filter(&format!("id = {literal}")), (r#"("id" = ?)"#.into(), vec![value]), "{literal}");
    }
}

#[test]
fn operators_bind_as_in_standard_sql() {
    for (text, sql) in [
        ("a = 1 or b = 2 and c = 3", r#"(("a" = ?) OR (("b" = ?) AND ("c" = ?)))"#),
        ("not a = 1 and b = 2", r#"((NOT ("a" = ?)) AND ("b" = ?))"#),
        ("not not a is null", r#"(NOT (NOT ("a" IS NULL)))"#),
        ("a = b is not true", r#"(("a" = "b") IS NOT TRUE)"#),
        ("(a = b) = (c <> d)", r#"(("a" = "b") = ("c" <> "d"))"#),
        ("a - b - c * d / e", r#"("a" - "b" - ("c" * "d" / "e"))"#),
        ("-a * -(-b) % +c", r#"((-"a") * (-(-"b")) % "c")"#),
        ("a + 1 between b and c * 2 and d", r#"((("a" + ?) BETWEEN "b" AND ("c" * ?)) AND "d")"#),
        ("a not between 1 and 2", r#"("a" NOT BETWEEN ? AND ?)"#),
        ("a in (1, 'x', b + 1)", r#"("a" IN (?, ?, ("b" + ?)))"#),
        ("a NOT IN (NULL)", r#"("a" NOT IN (?))"#),
        ("a == 1 and b != 2 and c >= 3", r#"(("a" = ?) AND (("b" <> ?) AND ("c" >= ?)))"#),
        ("a <= 1 or a < 2 or a > 3 or b", r#"((("a" <= ?) OR ("a" < ?)) OR (("a" > ?) OR "b"))"#),
        ("a like 'x' and b not like c escape '!'", r#"(("a" LIKE ?) AND ("b" NOT LIKE "c" ESCAPE ?))"#),
        ("a is false", r#"("a" IS FALSE)"#),
        (
            "date = 1 and time > 2 and left is null",
            r#"(("date" = ?) AND (("time" > ?) AND ("left" IS NULL)))"#,
        ),
        (r#""select" = 1"#, r#"("select" = ?)"#),
    ] {
        assert_eq!(filter(text).0, sql, "{text}");
    }
}

#[test]
fn dialects_differ_where_they_must() {
    let ilike = "a ilike 'X%' escape '\\'";
    assert_eq!(filter_for(&POSTGRESQL, ilike).0, r#"("a" ILIKE $1 ESCAPE $2)"#);
    assert_eq!(filter_for(&DUCKDB, ilike).0, r#"("a" ILIKE ? ESCAPE ?)"#);
    assert_eq!(filter_for(&SQLITE, ilike).0, r#"(LOWER("a") LIKE LOWER(?) ESCAPE ?)"#);
    assert_eq!(filter_for(&MYSQL, ilike).0, "(LOWER(`a`) LIKE LOWER(?) ESCAPE ?)");
    assert_eq!(filter(ilike).1, [text("X%"), text("\\")]);
    assert_eq!(filter_for(&GENERIC, "a not ilike b").0, r#"(LOWER("a") NOT LIKE LOWER("b"))"#);
    for (cast, names) in [
        ("boolean", ["INTEGER", "BOOLEAN", "SIGNED", "BOOLEAN", "BOOLEAN"]),
        ("int", ["INTEGER", "INTEGER", "SIGNED", "INTEGER", "INTEGER"]),
        ("double precision", ["REAL", "DOUBLE PRECISION", "DOUBLE", "DOUBLE", "DOUBLE PRECISION"]),
        (
            "Decimal(12, 2)",
            ["NUMERIC", "NUMERIC(12, 2)", "DECIMAL(12, 2)", "DECIMAL(12, 2)", "DECIMAL(12, 2)"],
        ),
        ("text", ["TEXT", "TEXT", "CHAR", "VARCHAR", "VARCHAR"]),
        ("bytea", ["BLOB", "BYTEA", "BINARY", "BLOB", "BLOB"]),
        ("date", ["TEXT", "DATE", "DATE", "DATE", "DATE"]),
        ("timestamp", ["TEXT", "TIMESTAMP", "DATETIME(6)", "TIMESTAMP", "TIMESTAMP"]),
    ] {
        for (dialect, name) in DIALECTS.into_iter().zip(names) {
            let (sql, _) = filter_for(dialect, &format!("cast(1 as {cast}) is null"));
            assert!(sql.contains(&format!("AS {name}) IS NULL")), "{}: {sql}", dialect.name);
        }
    }
}

#[test]
fn everything_else_is_refused_with_what_and_where() {
    for (text, what) in [
        ("", "a column or a literal"),
        ("a =", "its end"),
        ("a = 1 b", "`b`"),
        ("a = 1)", "`)`"),
        ("(a = 1", "its end"),
        ("lower(a) = 'x'", "function call, `lower`(…)"),
        ("\"f\"(a)", "function call"),
        ("a = (select 1)", "subquery"),
        ("exists (select 1)", "subquery"),
        ("a in (select 1)", "subquery"),
        ("a in ()", "found `)`"),
        ("case when a then b end", "CASE"),
        ("a = ?", "parameter"),
        ("a = $1", "parameter"),
        ("a = :x", "parameter"),
        ("a = @x", "parameter"),
        ("a = 1; drop table t", "one condition"),
        ("a = 1 -- x", "comment"),
        ("a = /* x */ 1", "comment"),
        ("a = - -- x", "comment"),
        ("t.a = 1", "qualified"),
        ("a._b = 1", "qualified"),
        ("a::int = 1", "`::`"),
        ("a || b = 'x'", "`||`"),
        ("a -> 'x'", "`->`"),
        ("a[1] = 1", "`[`"),
        ("a ~ 'x'", "`~`"),
        ("a & 1", "`&`"),
        ("a <=> 1", "`<=>`"),
        ("a = b = c", "do not chain"),
        ("a < b < c", "do not chain"),
        ("a in (1) = b", "do not chain"),
        ("a like b in (1)", "`in`"),
        ("a is null is null", "`is`"),
        ("a is unknown", "NULL, TRUE or FALSE"),
        ("a is distinct from b", "NULL, TRUE or FALSE"),
        ("a = not b", "`not`"),
        ("a not = b", "IN, BETWEEN, LIKE or ILIKE"),
        ("a between 1", "expected AND"),
        ("a like any ('x')", "function call"),
        ("a glob 'x'", "`glob`"),
        ("a collate nocase = 'x'", "`collate`"),
        ("interval '1 day' > a", "`'1 day'`"),
        ("e'x' = a", "`'x'`"),
        ("n'x' = a", "a column or a literal"),
        ("$$x$$ = a", "a column or a literal"),
        ("a = 0xFF", "X'…'"),
        ("a = x'0'", "X'…'"),
        ("a = x'zz'", "X'…'"),
        ("a = 1L", "`1L`"),
        ("a = 1e999", "`1e999`"),
        ("a = 1 000", "`000`"),
        ("a = date '2023-02-29'", "YYYY-MM-DD"),
        ("a = timestamp 'now'", "YYYY-MM-DD"),
        ("a = time '1'", "HH:MM"),
        ("a like 'x' escape 'ab'", "one character"),
        ("a like 'x' escape 'a'", "one character"),
        ("a like 'x' escape ''", "one character"),
        ("cast(a as json) = 1", "`json` is no type"),
        ("cast(a as \"text\") = 1", "no type"),
        ("cast(a as varchar(10)) = 1", "`)`"),
        ("cast(a as decimal(77)) = 1", "from 1 to 76"),
        ("cast(a as decimal(0)) = 1", "from 1 to 76"),
        ("cast(a as decimal(2, 3)) = 1", "scale"),
        ("cast(a, text) = 1", "expected AS"),
        ("cast(a as text", "its end"),
        ("'x", "line 1"),
        ("\"x", "line 1"),
        ("*", "`*`"),
        ("(1, 2) = (1, 2)", "`,`"),
        ("a \\ b", "`\\`"),
        ("a = \u{0}", "a column or a literal"),
    ] {
        let detail = refusal(text);
        assert!(detail.contains(what) && detail.contains("in `where` at "), "{text}: {detail}");
    }
    assert!(refusal("a = 1 and\n  b ^ 2").ends_with("line 2, column 5"));
    assert!(refusal(&format!("a = 1 {}", "z".repeat(5000))).len() < 200);
}

#[test]
fn length_and_depth_are_bounded() {
    assert!(refusal(&format!("a = '{}'", "x".repeat(16 * 1024))).contains("16384 bytes"));
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(filter(&nested(63)).0, r#""a""#);
    for deep in [nested(64), nested(8000), "(".repeat(16_000), "not ".repeat(4000), "- ".repeat(8000) + "a"] {
        assert!(refusal(&deep).contains("64 levels"));
    }
    assert!(refusal(&"cast(".repeat(3000)).contains("64 levels"));
}

#[test]
fn long_chains_stay_shallow() {
    fn depth(sql: &str) -> usize {
        let mut open = 0_usize;
        let mut deepest = 0;
        for c in sql.chars() {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            deepest = deepest.max(open);
        }
        deepest
    }
    let text = vec!["a=1"; 2300].join(" or ");
    let (sql, params) = filter(&text);
    assert_eq!(params.len(), 2300);
    assert!(depth(&sql) < 20, "{}", depth(&sql));
    let sum = |terms| vec!["a"; terms].join(" + ");
    assert_eq!(depth(&filter(&sum(129)).0), 1);
    assert!(refusal(&sum(130)).contains("128 arithmetic operators"));
    let (_, params) = filter(&format!("a in ({})", vec!["1"; 8000].join(",")));
    assert_eq!(params.len(), 8000);
}

/// Far less than any thread that a request is served on has.
const SMALL_STACK: usize = 256 << 10;

#[test]
fn no_predicate_needs_more_than_a_small_stack() {
    let columns = columns();
    let work = move || {
        let nested = |open: &str, close: &str, levels: usize| {
            format!("{}id{}", open.repeat(levels), close.repeat(levels))
        };
        for (open, close) in [("(", ")"), ("not ", ""), ("- ", ""), ("+ ", ""), ("cast(", " as text)")] {
            let fits = |levels: &usize| Predicate::parse(&nested(open, close, *levels)).is_ok();
            let deepest = (1..100).take_while(fits).last().unwrap();
            assert!((60..=64).contains(&deepest), "{open}: {deepest}");
            bound(&nested(open, close, deepest), &columns);
            let deep = nested(open, close, 16_000 / (open.len() + close.len()));
            assert_eq!(Predicate::parse(&deep).unwrap_err().code(), Code::InvalidPredicate, "{open}");
        }
        for (term, joint) in [("id", " and "), ("id", " or "), ("id=1", " and "), ("'('", " or ")] {
            let terms = 16_000 / (term.len() + joint.len());
            bound(&vec![term; terms].join(joint), &columns);
        }
        let everything = "(not -cast(id + (1) as text) in (1, (id)) and id between (id) and 2 or ";
        let deepest = format!("{}id{}", everything.repeat(31), ")".repeat(31));
        bound(&deepest, &columns);
    };
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(work).unwrap().join().unwrap();
}

/// Parsed, bound, copied, rendered and dropped.
fn bound(text: &str, columns: &[String]) {
    let shape = Shape { predicate: Some(Predicate::parse(text).unwrap()), ..Shape::default() };
    let shape = shape.bind(columns).unwrap();
    for dialect in DIALECTS {
        assert!(shape.clone().filter_sql(dialect).is_some());
    }
}
