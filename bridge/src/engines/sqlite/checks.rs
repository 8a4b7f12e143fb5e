//! CHECK constraints, which SQLite tells of nowhere but in the text that made the table.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::words::{Text, is, name_of, words};
use crate::metadata::ConstraintInfo;

/// One constraint, as its table's text has it.
#[derive(Debug, PartialEq, Eq)]
struct Check<'t> {
    name: Option<String>,
    /// The column that it was declared with, if not with the table.
    column: Option<String>,
    /// What stands between its parentheses.
    expr: &'t str,
}

/// The CHECK constraints of `CREATE TABLE …`, in the order of their text; none where that cannot be
/// cut into words. Those without a name, or with one of `taken`, are called `check_1`, `check_2` …
#[must_use]
pub fn constraints(create: &str, taken: &[ConstraintInfo]) -> Vec<ConstraintInfo> {
    let mut found = checks(create);
    let mut names: Vec<String> = taken.iter().map(|info| info.name.clone()).collect();
    for check in &mut found {
        match &check.name {
            Some(name) if !names.contains(name) => names.push(name.clone()),
            _ => check.name = None,
        }
    }
    let mut free = (1_usize..).map(|number| format!("check_{number}")).filter(|name| !names.contains(name));
    let infos = found.into_iter().filter_map(|check| {
        Some(ConstraintInfo {
            name: check.name.or_else(|| free.next())?,
            kind: "check".to_owned(),
            columns: check.column.into_iter().collect(),
            references: None,
            expr: Some(check.expr.to_owned()),
        })
    });
    infos.collect()
}

fn checks(create: &str) -> Vec<Check<'_>> {
    let Some(words) = words(create) else { return Vec::new() };
    let mut text = Text::new(create);
    let mut found = Vec::new();
    let mut depth = 0_usize;
    // Where the item of the list of columns and constraints begins, and its last CHECK.
    let mut item = 0;
    let mut open: Option<(usize, usize)> = None;
    for (at, word) in words.iter().enumerate() {
        match &word.token {
            Token::LParen => {
                depth += 1;
                if depth == 1 {
                    item = at + 1;
                } else if depth == 2 && at > item && is(&words[at - 1], "CHECK") {
                    open = Some((at - 1, text.offset(word.span.end)));
                }
            }
            Token::RParen => {
                if depth == 2
                    && let Some((check, start)) = open.take()
                {
                    let end = text.offset(word.span.start);
                    let Some(expr) = create.get(start..end) else { return Vec::new() };
                    let named = check >= item + 2 && is(&words[check - 2], "CONSTRAINT");
                    let name = if named { name_of(&words[check - 1]) } else { None };
                    found.push(Check { name, column: column_of(&words[item]), expr });
                }
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            Token::Comma if depth == 1 => item = at + 1,
            _ => {}
        }
    }
    found
}

/// The column that an item declares, by its first word; none for a constraint of the table.
fn column_of(first: &TokenWithSpan) -> Option<String> {
    let of_table = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];
    if of_table.iter().any(|keyword| is(first, keyword)) { None } else { name_of(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(create: &str) -> Vec<(String, Vec<String>, String)> {
        let infos = constraints(create, &[]).into_iter();
        infos.map(|info| (info.name, info.columns, info.expr.unwrap())).collect()
    }

    fn row(name: &str, columns: &[&str], expr: &str) -> (String, Vec<String>, String) {
        (name.to_owned(), columns.iter().map(|&column| column.to_owned()).collect(), expr.to_owned())
    }

    #[test]
    fn the_text_between_the_parentheses_is_kept_to_the_letter() {
        let create = "CREATE TABLE \"check (x)\" (\n  id INTEGER CHECK (id > 0) CONSTRAINT even CHECK( id % 2 = 0 ),\r\n\
            \t[日本 CHECK (1)] TEXT DEFAULT ('CHECK (2)') /* CHECK (3) */ check (length([日本 CHECK (1)]) < 9 -- ä )\n\
            AND \"a\"\"b\" <> ')'), \"a\"\"b\", g AS (id IN (1)) CHECK\n(g),\n\
            CONSTRAINT \"of \"\"it\" CHECK (id IN (1, 2) OR g),CHECK(''='('), UNIQUE (id)) STRICT";
        assert_eq!(
            found(create),
            [
                row("check_1", &["id"], "id > 0"),
                row("even", &["id"], " id % 2 = 0 "),
                row(
                    "check_2",
                    &["日本 CHECK (1)"],
                    "length([日本 CHECK (1)]) < 9 -- ä )\nAND \"a\"\"b\" <> ')'"
                ),
                row("check_3", &["g"], "g"),
                row("of \"it", &[], "id IN (1, 2) OR g"),
                row("check_4", &[], "''='('"),
            ]
        );
    }

    #[test]
    fn every_name_is_given_once() {
        let create = "CREATE TABLE t (a CHECK (1), CONSTRAINT check_1 CHECK (2), CONSTRAINT c CHECK (3), \
            CONSTRAINT 'c' CHECK (4), CONSTRAINT pk_t CHECK (5))";
        let taken = row("pk_t", &[], "");
        let taken = ConstraintInfo {
            name: taken.0,
            kind: "pk".to_owned(),
            columns: Vec::new(),
            references: None,
            expr: None,
        };
        let names: Vec<String> = constraints(create, &[taken]).into_iter().map(|info| info.name).collect();
        assert_eq!(names, ["check_2", "check_1", "c", "check_3", "check_4"]);
    }

    #[test]
    fn a_text_that_cannot_be_read_has_none() {
        for create in
            ["", "CHECK (1)", "CREATE TABLE t (a CHECK (a = 'x))", "CREATE TABLE t (a CHECK (a", "(CHECK"]
        {
            assert_eq!(found(create), [], "{create}");
        }
    }
}
