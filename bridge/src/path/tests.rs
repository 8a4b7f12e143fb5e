use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const HOSTILE: &[(&str, &str)] = &[
    ("users", "users"),
    ("", "%"),
    ("%", "%25"),
    ("-", "-"),
    ("--", "--"),
    (".", "%2E"),
    ("..", "%2E%2E"),
    ("...", "%2E.%2E"),
    (".hidden", "%2Ehidden"),
    ("a/b", "a%2Fb"),
    ("a\\b", "a%5Cb"),
    ("100%", "100%25"),
    ("a.csv", "a%2Ecsv"),
    ("a.b.csv", "a.b%2Ecsv"),
    ("a.csv.b", "a.csv.b"),
    ("a.csv.", "a.csv%2E"),
    (".csv", "%2Ecsv"),
    ("t.sql", "t%2Esql"),
    ("t.CSV", "t.CSV"),
    ("t.foo", "t.foo"),
    ("csv", "csv"),
    ("CON", "%43ON"),
    ("con", "%63on"),
    ("con.x", "con.x"),
    ("com1", "%63om1"),
    ("LPT9", "%4CPT9"),
    ("com0", "com0"),
    ("coma", "coma"),
    (" ", "%20"),
    ("a ", "a%20"),
    (" a b", " a b"),
    ("a. ", "a.%20"),
    ("日本 語", "日本 語"),
    ("\0", "%00"),
    ("a\nb\u{7f}", "a%0Ab%7F"),
    ("\"; drop table x; --", "%22; drop table x; --"),
    ("'\"`", "'%22`"),
    ("a?b#c*d:e<f>g|h", "a%3Fb%23c%2Ad%3Ae%3Cf%3Eg%7Ch"),
    ("columns", "columns"),
    ("definition.sql", "definition%2Esql"),
];

/// Strings that crowd around what the grammar treats specially.
fn identifier() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[.%/ a-zA-Z0-9-]{1,3}",
        3 => prop::sample::select(vec!["csv", "sql", "arrow", "con", "NUL", "lpt1", "%2E", "..", "\\", "\0", "語"])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![1 => any::<String>(), 4 => prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())]
}

fn place() -> impl Strategy<Value = Path> {
    let extensions = vec!["arrow", "arrows", "feather", "parquet", "csv", "jsonl", "json"];
    let facets = [Facet::Columns, Facet::Indexes, Facet::Constraints];
    (
        identifier(),
        identifier(),
        identifier(),
        identifier(),
        prop::sample::select(extensions),
        0..9,
        0..3usize,
    )
        .prop_map(move |(schema, relation, name, other, extension, kind, facet)| {
            let facet = facets[facet];
            match kind {
                0 => Path::Root,
                1 => Path::Schema(schema),
                2 => Path::Relation { schema, relation },
                3 => Path::Data {
                    schema,
                    relation,
                    extension: extension.to_owned(),
                    format: Format::from_extension(extension).unwrap(),
                },
                4 => Path::Ddl { schema, relation },
                5 => Path::Facet { schema, relation, facet },
                6 => Path::Item { schema, relation, facet, name },
                7 => Path::Definition { schema, relation },
                _ => Path::Dependency { schema, relation, target_schema: name, target_relation: other },
            }
        })
}

fn code(path: &str) -> Code {
    Path::parse(path).unwrap_err().code()
}

#[test]
fn names_have_the_documented_spelling() {
    for (name, segment) in HOSTILE {
        assert_eq!(encode_name(name, false), *segment, "{name:?}");
        assert_eq!(decode_name(segment).unwrap(), *name);
    }
    assert_eq!(encode_name("-", true), "%2D");
    assert_eq!(decode_name("%2D").unwrap(), "-");
    assert_eq!(encode_name("-a", true), "-a");
}

#[test]
fn decode_takes_canonical_segments_only() {
    for segment in [
        "", ".", "..", ".a", "a/b", "a%", "a%2", "a%2e", "a%zz", "%FF", "%41", "a:b", "a.csv", "con", "a ",
        "%%",
    ] {
        assert_eq!(decode_name(segment).unwrap_err().code(), Code::InvalidPath, "{segment:?}");
    }
}

#[test]
fn every_known_extension_is_escaped_in_a_name() {
    for extension in Format::ALL.iter().map(|format| format.extension()).chain(["sql", "arrows"]) {
        let name = format!("t.{extension}");
        assert_eq!(encode_name(&name, false), format!("t%2E{extension}"));
        let file = format!("/s/t.{extension}");
        assert_eq!(Path::parse(&file).unwrap().relation(), Some("t"));
        assert_eq!(Path::parse(&format!("/s/t%2E{extension}")).unwrap().relation(), Some(name.as_str()));
    }
}

#[test]
fn a_path_means_one_thing() {
    let s = || "s".to_owned();
    let t = || "t".to_owned();
    let cases = [
        ("/", Path::Root),
        ("/s", Path::Schema(s())),
        ("/s/t", Path::Relation { schema: s(), relation: t() }),
        ("/s/t.foo", Path::Relation { schema: s(), relation: "t.foo".into() }),
        (
            "/s/t.arrows",
            Path::Data {
                schema: s(),
                relation: t(),
                extension: "arrows".into(),
                format: Format::ArrowStream,
            },
        ),
        (
            "/s/%.csv",
            Path::Data { schema: s(), relation: String::new(), extension: "csv".into(), format: Format::Csv },
        ),
        ("/s/t.sql", Path::Ddl { schema: s(), relation: t() }),
        ("/s/t/columns", Path::Facet { schema: s(), relation: t(), facet: Facet::Columns }),
        ("/s/t/depends_on", Path::Facet { schema: s(), relation: t(), facet: Facet::DependsOn }),
        (
            "/s/t/columns/a",
            Path::Item { schema: s(), relation: t(), facet: Facet::Columns, name: "a".into() },
        ),
        (
            "/s/t/indexes/%",
            Path::Item { schema: s(), relation: t(), facet: Facet::Indexes, name: String::new() },
        ),
        ("/s/t/definition.sql", Path::Definition { schema: s(), relation: t() }),
        (
            "/s/t/depends_on/a%2Eb.c%2Ecsv",
            Path::Dependency {
                schema: s(),
                relation: t(),
                target_schema: "a.b".into(),
                target_relation: "c.csv".into(),
            },
        ),
    ];
    for (text, path) in cases {
        assert_eq!(Path::parse(text).unwrap(), path, "{text}");
        assert_eq!(path.to_string(), text);
        assert_eq!(Path::parse(&text[1..]).unwrap(), path, "the leading slash is optional");
    }
}

#[test]
fn a_trailing_slash_is_for_directories() {
    for directory in ["/s/", "/s/t/", "/s/t/columns/", "s/t/depends_on/"] {
        assert_eq!(Path::parse(directory).unwrap(), Path::parse(directory.trim_end_matches('/')).unwrap());
    }
    for file in ["/s/t.csv/", "/s/t.sql/", "/s/t/columns/a/", "/s/t/definition.sql/", "/s/t/depends_on/a.b/"]
    {
        assert_eq!(code(file), Code::NotADirectory, "{file}");
    }
}

#[test]
fn what_is_no_path_is_refused_and_named() {
    for path in [
        "//",
        "///",
        "//s",
        "/s//t",
        "/s/t//",
        "/.",
        "/..",
        "/s/..",
        "/s/../s",
        "/s/./t",
        "/s/.t",
        "/s/._t.csv",
        "/s/.csv",
        "/s/t%",
        "/s/t%2",
        "/s/t%2e",
        "/%2e%2e",
        "/s/t%GG",
        "/s/%FF",
        "/s/%C0%AF",
        "/s/%ED%A0%80",
        "/s/t\0",
        "/s/t\\u",
        "/s/t\n",
        "/\u{7f}",
        "/-",
        "/-/query",
        "/s/%%",
        "/s/%.%csv",
        "/s/t/columns/.a",
        "/s/t/depends_on/a",
        "/s/t/depends_on/a.b.c",
        "/s/t/depends_on/a.",
        "/s/t/columns//",
    ] {
        let error = Path::parse(path).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::InvalidPath, Some(path)));
    }
    for path in ["/s/t.csv/columns", "/s/t.sql/x", "/s/t/columns/a/b", "/s/t/definition.sql/x"] {
        let error = Path::parse(path).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::NotADirectory, Some(path)));
    }
    for path in ["/s/t/rows", "/s/t/Columns", "/s/t/definition", "/s/t/rows/x/y/z"] {
        let error = Path::parse(path).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::NotFound, Some(path)));
    }
}

#[test]
fn a_leading_dot_is_told_apart_from_a_malformed_path() {
    let detail = Path::parse("/s/.DS_Store").unwrap_err().detail().to_owned();
    assert!(detail.contains("not in the database") && detail.contains("%2E"), "{detail}");
}

#[test]
fn more_may_be_escaped_than_need_be() {
    for (given, canonical) in [
        ("/s/us%65rs.csv", "/s/users.csv"),
        ("/s/a.c%73v", "/s/a%2Ecsv"),
        ("/s/a:b", "/s/a%3Ab"),
        ("/s/con.csv", "/s/%63on.csv"),
        ("/a.csv", "/a%2Ecsv"),
        ("/s/t/columns/a.csv", "/s/t/columns/a%2Ecsv"),
        ("/s/t ", "/s/t%20"),
    ] {
        assert_eq!(Path::parse(given).unwrap().to_string(), canonical);
    }
}

#[test]
fn parents_list_their_children() {
    for (child, parent) in [
        ("/", "/"),
        ("/s", "/"),
        ("/s/t", "/s"),
        ("/s/t.csv", "/s"),
        ("/s/t.sql", "/s"),
        ("/s/t/columns", "/s/t"),
        ("/s/t/definition.sql", "/s/t"),
        ("/s/t/columns/a", "/s/t/columns"),
        ("/s/t/depends_on/a.b", "/s/t/depends_on"),
    ] {
        assert_eq!(Path::parse(child).unwrap().parent().to_string(), parent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decode_undoes_encode(name in identifier(), at_root: bool) {
        let segment = encode_name(&name, at_root);
        prop_assert!(!matches!(segment.as_str(), "" | "." | ".."));
        prop_assert!(!segment.contains('/') && !segment.starts_with('.'));
        prop_assert_eq!(decode_name(&segment).unwrap(), name);
    }

    #[test]
    fn encode_is_injective(names in prop::collection::vec(identifier(), 2..64)) {
        let mut seen = HashMap::new();
        for name in names {
            if let Some(other) = seen.insert(encode_name(&name, false), name.clone()) {
                prop_assert_eq!(other, name);
            }
        }
    }

    #[test]
    fn parse_undoes_display(path in place()) {
        let text = path.to_string();
        prop_assert_eq!(Path::parse(&text).unwrap(), path.clone());
        prop_assert_eq!(Path::parse(&path.parent().to_string()).unwrap(), path.parent());
        if path.is_directory() && path != Path::Root {
            prop_assert_eq!(Path::parse(&format!("{text}/")).unwrap(), path);
        }
    }

    #[test]
    fn any_text_is_a_path_with_one_spelling_or_a_typed_error(
        text in prop_oneof![any::<String>(), "(/|[.%]|%[0-9A-Fa-f]{2}|[a-z]|\\.csv|columns){0,12}"],
    ) {
        match Path::parse(&text) {
            Ok(path) => prop_assert_eq!(Path::parse(&path.to_string()).unwrap(), path),
            Err(error) => {
                prop_assert!(matches!(error.code(), Code::InvalidPath | Code::NotADirectory | Code::NotFound));
                prop_assert_eq!(error.path(), Some(text.as_str()));
            }
        }
    }

    #[test]
    fn canonical_segments_are_the_only_ones_decoded(segment in identifier()) {
        if let Ok(name) = decode_name(&segment) {
            prop_assert!(encode_name(&name, false) == segment || encode_name(&name, true) == segment);
        }
    }
}
