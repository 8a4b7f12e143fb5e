use proptest::prelude::*;

use super::*;
use crate::dialect::{Casts, Placeholder};

/// A dialect whose every word the grammar reads back.
const EXACT: Dialect = Dialect {
    name: "exact",
    quote: '"',
    placeholder: Placeholder::Question,
    ilike: true,
    casts: Casts { double: "DOUBLE", ..GENERIC.casts },
};

/// Text of conditions, with a canary in every literal.
pub(super) fn condition() -> impl Strategy<Value = String> {
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
            .map(|name| name.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat())
            .collect();
        let query = format!("columns={}&order=-{}", encoded.join(","), encoded.join(",-"));
        let shape = Shape::parse(&query).unwrap().bind(&columns).unwrap();
        prop_assert_eq!(shape.columns.as_ref(), Some(&columns));
        let order: Vec<Order> =
            columns.iter().map(|column| Order { column: column.clone(), descending: true, collation: None }).collect();
        prop_assert_eq!(shape.order, order);
    }
}
