use proptest::prelude::*;

use super::*;
use crate::dialect::{Casts, DUCKDB, GENERIC, MYSQL, POSTGRESQL, Placeholder, SQLITE};

const DIALECTS: [&Dialect; 5] = [&SQLITE, &POSTGRESQL, &MYSQL, &DUCKDB, &GENERIC];

fn columns() -> Vec<String> {
    ["id", "Name", "name", "a b", "x,y", "-z", "date", "日本 語", r#"q"`'"#, "Only"]
        .map(str::to_owned)
        .to_vec()
}

fn bound(query: &str) -> Shape {
    Shape::parse(query).unwrap().bind(&columns()).unwrap()
}

fn filter(text: &str) -> (String, Vec<Value>) {
    filter_for(&SQLITE, text)
}

fn filter_for(dialect: &Dialect, text: &str) -> (String, Vec<Value>) {
    let (mut sql, mut params) = (String::new(), Vec::new());
    Predicate::parse(text).unwrap().render(dialect, &mut sql, &mut params);
    (sql, params)
}

fn refusal(text: &str) -> String {
    let error = Predicate::parse(text).unwrap_err();
    assert_eq!(error.code(), Code::InvalidPredicate, "{text}");
    error.detail().to_owned()
}

fn fault(query: &str) -> (Code, Option<String>) {
    let error = Shape::parse(query).and_then(|shape| shape.bind(&columns())).unwrap_err();
    (error.code(), error.column().map(str::to_owned))
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn nothing_asked_is_the_whole_relation() {
    assert!(Shape::parse("").unwrap().is_whole());
    assert!(Shape::parse("&&").unwrap().is_whole());
    assert!(Shape::parse("offset=0").unwrap().is_whole());
    assert!(!Shape::parse("limit=0").unwrap().is_whole());
    let (sql, params) = Shape::default().select(&SQLITE, "main", "t", &["a".into(), "b".into()]);
    assert_eq!((sql.as_str(), params), (r#"SELECT "a", "b" FROM "main"."t""#, vec![]));
}

#[test]
fn every_parameter_has_its_clause() {
    let shape = bound("columns=name,id&where=id%3E7&order=-id,only&limit=5&offset=10");
    let expected =
        r#"SELECT "name", "id" FROM "s"."t" WHERE ("id" > ?) ORDER BY "id" DESC, "Only" LIMIT ? OFFSET ?"#;
    let (sql, params) = shape.select(&SQLITE, "s", "t", &columns());
    assert_eq!(sql, expected);
    assert_eq!(params, [Value::Int(7), Value::Int(5), Value::Int(10)]);
    let (sql, _) = shape.select(&POSTGRESQL, "s", "t", &columns());
    assert!(sql.ends_with(r#"WHERE ("id" > $1) ORDER BY "id" DESC, "Only" LIMIT $2 OFFSET $3"#), "{sql}");
    assert_eq!(shape.filter_sql(&SQLITE), Some((r#"(("id" > ?))"#.into(), vec![Value::Int(7)])));
    assert_eq!(shape.order_sql(&MYSQL).as_deref(), Some("`id` DESC, `Only`"));
    assert_eq!(Shape::default().filter_sql(&SQLITE), None);
    assert_eq!(Shape::default().order_sql(&SQLITE), None);
}

#[test]
fn an_offset_brings_a_limit_that_limits_nothing() {
    let (sql, params) = bound("offset=3").select(&SQLITE, "s", "t", &["id".into()]);
    assert_eq!(sql, r#"SELECT "id" FROM "s"."t" LIMIT ? OFFSET ?"#);
    assert_eq!(params, [Value::Int(i64::MAX), Value::Int(3)]);
    let (sql, params) = bound("limit=0").select(&SQLITE, "s", "t", &["id".into()]);
    assert_eq!((sql.as_str(), params), (r#"SELECT "id" FROM "s"."t" LIMIT ?"#, vec![Value::Int(0)]));
}

#[test]
fn values_are_decoded_once_and_plus_is_a_space() {
    let params = bound("where=name+=+'a%2Bb%2520c'").filter_sql(&SQLITE).unwrap().1;
    assert_eq!(params, [text("a+b%20c")]);
    assert_eq!(bound("%63olumns=a+b").columns.unwrap(), ["a b"]);
    assert_eq!(bound("columns=%E6%97%A5%e6%9c%ac+%E8%AA%9E").columns.unwrap(), ["日本 語"]);
}

#[test]
fn lists_are_cut_before_they_are_decoded() {
    assert_eq!(bound("columns=id,x%2Cy").columns.unwrap(), ["id", "x,y"]);
    let order = |column: &str, descending| Order { column: column.into(), descending };
    assert_eq!(bound("order=%2Dz,-id,--z").order[..2], [order("-z", false), order("id", true)]);
    assert_eq!(bound("order=--z").order, [order("-z", true)]);
}

#[test]
fn clients_that_escape_every_comma_are_understood() {
    assert_eq!(bound("columns=id%2Conly").columns.unwrap(), ["id", "Only"]);
    let order = |column: &str, descending| Order { column: column.into(), descending };
    assert_eq!(
        bound("order=-id%2C-only%2Cname").order,
        [order("id", true), order("Only", true), order("name", false)]
    );
    assert_eq!(fault("columns=id%2Cnope"), (Code::InvalidParameter, Some("nope".into())));
}

#[test]
fn columns_have_the_spelling_of_the_catalogue() {
    assert_eq!(bound("columns=ID,name,Name,ONLY").columns.unwrap(), ["id", "name", "Name", "Only"]);
    let (sql, _) = bound("where=ONLY=1+and+\"a+b\"=2+and+`q\"``'`=3").filter_sql(&SQLITE).unwrap();
    assert!(
        sql.contains(r#""Only" ="#) && sql.contains(r#""a b" ="#) && sql.contains(r#""q""`'" ="#),
        "{sql}"
    );
}

#[test]
fn what_is_no_parameter_is_refused() {
    for query in [
        "colums=id",
        "Columns=id",
        "columns=id&columns=id",
        "limit",
        "limit=",
        "limit=-1",
        "limit=+1",
        "limit=1.5",
        "limit=1e3",
        "limit=9223372036854775808",
        "limit=%31",
        "offset=x",
        "limit=5&limit=5",
        "where=%zz",
        "where=%f",
        "columns=%FF",
        "%FF=1",
        "x",
        "=1",
        "order=%C0%80",
    ] {
        assert_eq!(fault(query).0, Code::InvalidParameter, "{query}");
    }
    assert_eq!(bound("limit=9223372036854775807").limit, Some(i64::MAX as u64));
    for query in ["where=", "where", "where=+"] {
        assert_eq!(fault(query).0, Code::InvalidPredicate, "{query}");
    }
}

#[test]
fn unknown_columns_are_named() {
    for (query, column) in [
        ("columns=id,nope", "nope"),
        ("columns=", ""),
        ("columns=id,", ""),
        ("order=-nope", "nope"),
        ("order=-", ""),
        ("where=nope+is+null", "nope"),
        ("where=id+in+(1,+2*nope)", "nope"),
        ("where=cast(nope+as+text)+like+'a'", "nope"),
        ("where='a'+ilike+nope", "nope"),
        ("where=1+between+2+and+-nope", "nope"),
        ("where=not+(id=1+or+nope)", "nope"),
        ("columns=NAME", "NAME"),
        ("columns=id,ID", "id"),
    ] {
        assert_eq!(fault(query), (Code::InvalidParameter, Some(column.into())), "{query}");
    }
}

#[test]
fn a_relation_without_columns_has_no_select() {
    assert_eq!(Shape::default().bind(&[]).unwrap_err().code(), Code::Unsupported);
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
    let (sql, _) = filter(&"a+".repeat(8000).replace("a+", "a +")[..16_000].trim_end_matches('+').to_owned());
    assert_eq!(depth(&sql), 1);
    let (_, params) = filter(&format!("a in ({})", vec!["1"; 8000].join(",")));
    assert_eq!(params.len(), 8000);
}

/// Text of conditions, mostly well formed, with `canary` in every literal.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("'canary'".to_owned()),
        Just("'it''s canary'".to_owned()),
        Just("31337".to_owned()),
        Just("313.37".to_owned()),
        Just("X'31337313'".to_owned()),
        Just("DATE '3133-07-31'".to_owned()),
        Just("NULL".to_owned()),
        Just("id".to_owned()),
        Just("\"a b\"".to_owned()),
    ];
    leaf.prop_recursive(5, 48, 3, |inner| {
        let operator =
            prop::sample::select(vec!["=", "<>", "<", "+", "-", "*", "%", "AND", "OR", "LIKE", "ILIKE"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a}) BETWEEN ({b}) AND ({c})")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("({a}) NOT IN (({b}), 'canary', 31337)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) LIKE ({b}) ESCAPE '!'")),
            inner.clone().prop_map(|a| format!("NOT ({a}) IS NOT TRUE")),
            inner.clone().prop_map(|a| format!("CAST(- (({a}) + 1) AS DECIMAL(12, 2))")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rendered_sql_has_no_text_of_the_request(condition in condition()) {
        let columns = columns();
        let mut predicate = Predicate::parse(&condition).unwrap();
        predicate.bind(&Catalogue::new(&columns)).unwrap();
        for dialect in DIALECTS {
            let (mut sql, mut params) = (String::new(), Vec::new());
            predicate.render(dialect, &mut sql, &mut params);
            prop_assert!(!sql.contains("canary") && !sql.contains("313") && !sql.contains('\''), "{}", sql);
            match dialect.placeholder {
                Placeholder::Question => prop_assert_eq!(sql.matches('?').count(), params.len()),
                Placeholder::Dollar => prop_assert_eq!(sql.matches('$').count(), params.len()),
            }
        }
    }

    #[test]
    fn what_is_rendered_parses_to_the_same_sql(condition in condition()) {
        let literal = |value: &Value| match value {
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Int(int) => int.to_string(),
            Value::Decimal(digits) => digits.clone(),
            Value::Date(_) => "DATE '3133-07-31'".to_owned(),
            Value::Bytes(_) => "X'31337313'".to_owned(),
            Value::Null => "NULL".to_owned(),
            other => panic!("{other:?}"),
        };
        let (sql, params) = filter_for(&EXACT, &condition);
        let mut parts = sql.split('?');
        let mut text = parts.next().unwrap().to_owned();
        for (value, part) in params.iter().zip(parts) {
            text += &literal(value);
            text += part;
        }
        prop_assert_eq!(filter_for(&EXACT, &text), (sql, params));
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in prop_oneof![
            any::<String>(),
            "([a-z]|[0-9.']|[-+*/%=<>!(),;:?$@#&|~^`\"\\[\\]{}\\\\]|\\n| |--|/\\*|x'|u&'|e'|n'|q'|0x|1e){0,40}",
            prop::collection::vec(
                prop::sample::select(vec![
                    "a", "1", "'x'", "(", ")", ",", "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "ESCAPE", "'!'",
                    "IS", "NULL", "TRUE", "CAST", "AS", "DECIMAL", "DATE", "=", "<", "+", "-", "*", "%", "X'00'", "\"b\"",
                ]),
                0..24,
            ).prop_map(|words| words.join(" ")),
        ],
    ) {
        match Predicate::parse(&text) {
            Ok(predicate) => {
                let (mut sql, mut params) = (String::new(), Vec::new());
                predicate.render(&SQLITE, &mut sql, &mut params);
                prop_assert!(!sql.is_empty());
            }
            Err(error) => prop_assert_eq!(error.code(), Code::InvalidPredicate),
        }
    }

    #[test]
    fn no_query_string_makes_the_parser_panic(query in prop_oneof![
        any::<String>(),
        "((columns|where|order|limit|offset|x)=([a-z0-9,+-]|%[0-9A-Fa-f]{2}|%|=){0,8}&?){0,4}",
    ]) {
        if let Ok(shape) = Shape::parse(&query) {
            let _ = shape.bind(&columns());
        }
    }

    #[test]
    fn any_column_can_be_asked_for(names in prop::collection::hash_set(any::<String>(), 1..6)) {
        let columns: Vec<String> = names.into_iter().collect();
        let encoded: Vec<String> = columns
            .iter()
            .map(|name| name.bytes().map(|byte| format!("%{byte:02x}")).collect())
            .collect();
        let query = format!("columns={}&order=-{}", encoded.join(","), encoded.join(",-"));
        let shape = Shape::parse(&query).unwrap().bind(&columns).unwrap();
        prop_assert_eq!(shape.columns.as_ref(), Some(&columns));
        let order: Vec<Order> =
            columns.iter().map(|column| Order { column: column.clone(), descending: true }).collect();
        prop_assert_eq!(shape.order, order);
    }
}

/// A dialect whose every word the grammar reads back.
const EXACT: Dialect = Dialect {
    name: "exact",
    quote: '"',
    placeholder: Placeholder::Question,
    ilike: true,
    casts: Casts { double: "DOUBLE", ..GENERIC.casts },
};
