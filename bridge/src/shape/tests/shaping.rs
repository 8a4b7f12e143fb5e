use super::*;

fn bound(query: &str) -> Shape {
    Shape::parse(query).unwrap().bind(&columns()).unwrap()
}

fn fault(query: &str) -> (Code, Option<String>) {
    let error = Shape::parse(query).and_then(|shape| shape.bind(&columns())).unwrap_err();
    (error.code(), error.column().map(str::to_owned))
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
    let order = |column: &str, descending| Order { column: column.into(), descending, collation: None };
    assert_eq!(bound("order=%2Dz,-id,--z").order[..2], [order("-z", false), order("id", true)]);
    assert_eq!(bound("order=--z").order, [order("-z", true)]);
}

#[test]
fn clients_that_escape_every_comma_are_understood() {
    assert_eq!(bound("columns=id%2Conly").columns.unwrap(), ["id", "Only"]);
    let order = |column: &str, descending| Order { column: column.into(), descending, collation: None };
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
