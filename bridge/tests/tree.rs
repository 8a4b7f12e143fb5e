//! The tree over a real database: what is listed can be looked at and read, and nothing else.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::task::Poll;

use _bridge::database::{Access, Cancel, Query, WriteMode};
use _bridge::error::{Code, Error};
use _bridge::fs::{DatabaseFs, Node, Reading, Writing};
use _bridge::stream::ChunkStream;
use _bridge::value::Params;

fn fs(access: Access) -> DatabaseFs {
    let fs = DatabaseFs::open("sqlite:///:memory:", access, None).unwrap();
    fs.set_formats(vec!["arrow".into(), "csv".into()]).unwrap();
    fs
}

/// A database with two tables and nothing in one of them.
fn filled() -> DatabaseFs {
    let fs = fs(Access::Manage);
    put(&fs, "/main/people.csv", "id,name\n1,ada\n2,\n3,\"\"\n", WriteMode::Create).unwrap();
    put(&fs, "/main/a%2Fb.csv", "x\n1\n", WriteMode::Create).unwrap();
    fs
}

fn put(fs: &DatabaseFs, path: &str, body: &str, mode: WriteMode) -> Result<(u64, bool), Error> {
    let writing = Writing { mode, create: false, extension: None, if_version: None };
    fs.write(path, Box::new(Cursor::new(body.as_bytes().to_vec())), &writing, &Cancel::default())
}

fn all(stream: &ChunkStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    loop {
        match stream.wait(None) {
            Poll::Ready(Ok(Some(chunk))) => bytes.extend(chunk),
            Poll::Ready(Ok(None)) => return Ok(bytes),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => unreachable!("waited without patience"),
        }
    }
}

fn cat(fs: &DatabaseFs, path: &str) -> Result<String, Error> {
    let stream = fs.read(path, "", &Reading::default(), None)?;
    Ok(String::from_utf8(all(&stream)?).unwrap())
}

fn walk(fs: &DatabaseFs, path: &str, visit: &mut dyn FnMut(&str)) {
    for entry in fs.ls(path).unwrap() {
        assert_eq!(fs.info(&entry.path).unwrap(), entry, "info agrees with ls");
        visit(&entry.path);
        match entry.node {
            Node::Directory => {
                let error = cat(fs, &entry.path).unwrap_err();
                assert_eq!(error.code(), Code::IsADirectory);
                walk(fs, &entry.path, visit);
            }
            Node::File { size, .. } => {
                assert_eq!(fs.ls(&entry.path).unwrap(), std::slice::from_ref(&entry), "a file lists itself");
                let bytes = all(&fs.read(&entry.path, "", &Reading::default(), None).unwrap()).unwrap();
                assert!(size.is_none_or(|size| size == bytes.len() as u64), "a size is exact or absent");
            }
        }
    }
}

#[test]
fn everything_listed_can_be_looked_at_and_read() {
    let fs = filled();
    let mut seen = Vec::new();
    walk(&fs, "/", &mut |path| seen.push(path.to_owned()));
    for path in
        ["/main", "/main/people", "/main/people.csv", "/main/people/columns/name", "/main/a%2Fb.arrow"]
    {
        assert!(seen.iter().any(|other| other == path), "{path} in {seen:?}");
    }
}

#[test]
fn what_is_not_there_is_not_found_however_it_is_asked_for() {
    let fs = filled();
    for path in [
        "/nowhere",
        "/nowhere/people",
        "/main/nobody",
        "/main/nobody.csv",
        "/main/nobody.sql",
        "/main/PEOPLE.csv",
        "/main/nobody/columns",
        "/main/people/columns/age",
        "/main/people/depends_on",
        "/main/people/definition.sql",
    ] {
        assert_eq!(fs.ls(path).unwrap_err().code(), Code::NotFound, "ls {path}");
        assert_eq!(fs.info(path).unwrap_err().code(), Code::NotFound, "info {path}");
        let error = cat(&fs, path).unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "read {path}");
        assert_eq!(error.path(), Some(path));
    }
}

#[test]
fn a_relation_shows_its_ddl_whether_listed_or_not() {
    let ddl = cat(&filled(), "/main/people.sql").unwrap();
    assert!(ddl.starts_with("CREATE TABLE") && ddl.ends_with('\n'), "{ddl}");
}

#[test]
fn every_format_is_readable_by_name() {
    let fs = filled();
    for extension in ["arrow", "arrows", "feather", "parquet", "csv", "jsonl", "json"] {
        let path = format!("/main/people.{extension}");
        assert!(!all(&fs.read(&path, "", &Reading::default(), None).unwrap()).unwrap().is_empty());
    }
    let reading = Reading { extension: Some("json".into()), ..Reading::default() };
    let bytes =
        all(&fs.read("/main/people.arrow", "columns=name&where=id=1", &reading, None).unwrap()).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(),
        serde_json::json!([{"name": "ada"}])
    );
}

#[test]
fn shaping_is_checked_before_the_first_byte() {
    let fs = filled();
    let refused = |path, shape| match fs.read(path, shape, &Reading::default(), None) {
        Err(error) => error.code(),
        Ok(stream) => all(&stream).unwrap_err().code(),
    };
    assert_eq!(refused("/main/people.csv", "columns=age"), Code::InvalidParameter);
    assert_eq!(refused("/main/people.csv", "colums=id"), Code::InvalidParameter);
    assert_eq!(refused("/main/people.csv", "where=random()"), Code::InvalidPredicate);
    assert_eq!(refused("/main/people.sql", "limit=1"), Code::InvalidParameter);
}

#[test]
fn access_is_looked_at_before_anything_else() {
    let reader = fs(Access::Read);
    assert_eq!(put(&reader, "/main/nobody.csv", "", WriteMode::Replace).unwrap_err().code(), Code::ReadOnly);
    assert_eq!(reader.create_schema("s").unwrap_err().code(), Code::ReadOnly);
    let writer = fs(Access::Write);
    assert_eq!(writer.drop_relation("main", "nobody").unwrap_err().code(), Code::Forbidden);
    assert_eq!(
        put(&writer, "/main/nobody.csv", "a\n1\n", WriteMode::Replace).unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        put(&writer, "/main/nobody.csv", "a\n1\n", WriteMode::Create).unwrap_err().code(),
        Code::Forbidden
    );
}

#[test]
fn writing_keeps_to_its_mode() {
    let fs = filled();
    assert_eq!(put(&fs, "/main/people.csv", "id,name\n4,eve\n", WriteMode::Append).unwrap(), (1, false));
    assert_eq!(cat(&fs, "/main/people.csv").unwrap().lines().count(), 5);
    assert_eq!(put(&fs, "/main/people.csv", "id,name\n5,eve\n", WriteMode::Replace).unwrap(), (1, false));
    assert_eq!(cat(&fs, "/main/people.csv").unwrap().lines().count(), 2);
    let again = put(&fs, "/main/people.csv", "id\n1\n", WriteMode::Create).unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
}

#[test]
fn what_is_no_data_file_cannot_be_written() {
    let fs = filled();
    for (path, code) in [
        ("/main", Code::IsADirectory),
        ("/main/people", Code::IsADirectory),
        ("/main/people.sql", Code::Forbidden),
        ("/main/people/columns/id", Code::Forbidden),
        ("/main/people.csv", Code::MalformedBody),
    ] {
        assert_eq!(put(&fs, path, "", WriteMode::Replace).unwrap_err().code(), code, "{path}");
    }
    assert_eq!(cat(&fs, "/main/people.csv").unwrap().lines().count(), 4);
}

#[test]
fn relations_come_go_and_change_their_names() {
    let fs = filled();
    fs.rename_relation(("main", "a/b"), ("main", ".."), false).unwrap();
    assert_eq!(cat(&fs, "/main/%2E%2E.csv").unwrap().lines().count(), 2);
    fs.drop_relation("main", "..").unwrap();
    assert_eq!(fs.drop_relation("main", "..").unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_query_says_when_its_limit_cut_it() {
    let fs = filled();
    let reading = Reading { extension: Some("csv".into()), ..Reading::default() };
    for (limit, cut) in [(2, true), (3, false)] {
        let query = Query { sql: "SELECT id FROM people".into(), params: Params::none(), limit: Some(limit) };
        let stream = fs.query(query, &reading).unwrap();
        let csv = String::from_utf8(all(&stream).unwrap()).unwrap();
        assert_eq!(csv.lines().count() as u64, limit + 1);
        assert_eq!((stream.truncated(), stream.rows()), (cut, limit));
    }
}
