//! What a view reads, from its text as the server writes it.
//!
//! The server writes every name quoted and every table with its schema, after `from` or `join`; that
//! is all that is looked for. MariaDB keeps no catalogue of it.

/// Pairs of schema and relation, in order, each once.
#[must_use]
pub fn sources(definition: &str) -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut tokens = Tokens(definition);
    let mut expected = false;
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => {
                let word = word.to_ascii_lowercase();
                expected = matches!(word.as_str(), "from" | "join" | "straight_join");
            }
            Token::Name(schema) if expected => {
                let mut ahead = Tokens(tokens.0);
                if let (Some(Token::Other('.')), Some(Token::Name(relation))) = (ahead.next(), ahead.next()) {
                    sources.push((schema, relation));
                    tokens = ahead;
                }
                expected = false;
            }
            // A join is written within parentheses.
            Token::Other('(') => {}
            _ => expected = false,
        }
    }
    sources.sort();
    sources.dedup();
    sources
}

enum Token<'a> {
    Word(&'a str),
    /// In backticks, unquoted.
    Name(String),
    Literal,
    Other(char),
}

struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.0.trim_start();
        let first = text.chars().next()?;
        if let '`' | '\'' | '"' = first {
            let (mut name, mut rest) = (String::new(), text[1..].chars());
            while let Some(c) = rest.next() {
                if c == first {
                    let mut ahead = rest.clone();
                    if ahead.next() != Some(first) {
                        break;
                    }
                    rest = ahead;
                } else if c == '\\' && first != '`' {
                    rest.next();
                }
                name.push(c);
            }
            self.0 = rest.as_str();
            return Some(if first == '`' { Token::Name(name) } else { Token::Literal });
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        if end == 0 {
            self.0 = &text[first.len_utf8()..];
            return Some(Token::Other(first));
        }
        self.0 = &text[end..];
        Some(Token::Word(&text[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::sources;

    fn found(text: &str) -> Vec<String> {
        sources(text).into_iter().map(|(schema, relation)| format!("{schema}.{relation}")).collect()
    }

    #[test]
    fn tables_are_found_wherever_they_stand() {
        let text = "select `d`.`t`.`a` AS `from` from ((`d`.`t` join `e f`.`u``v` `x` on(`x`.`a` = 'from `n`.`n`')) \
                    left join `d`.`w` on(1)) where exists(select 1 from `d`.`z` limit 1)";
        assert_eq!(found(text), ["d.t", "d.w", "d.z", "e f.u`v"]);
        assert_eq!(found("select 1 AS `1`"), [""; 0]);
        assert_eq!(found("select extract(day from `t`.`x`) AS `a` from `d`.`t`"), ["d.t", "t.x"]);
        assert_eq!(found("select 'it''s \\' from `a`.`b`' AS `x` from `d`.`t`"), ["d.t"]);
    }
}
