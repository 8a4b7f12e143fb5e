//! From a [`Predicate`] to SQL and its bound values.

use super::predicate::{Arithmetic, Comparison, Predicate, Truth};
use crate::dialect::Dialect;
use crate::value::Value;

pub(super) fn render(predicate: &Predicate, dialect: &Dialect, out: &mut String, params: &mut Vec<Value>) {
    Renderer { dialect, out, params }.expression(predicate);
}

struct Renderer<'a> {
    dialect: &'a Dialect,
    out: &'a mut String,
    params: &'a mut Vec<Value>,
}

impl Renderer<'_> {
    fn expression(&mut self, expression: &Predicate) {
        match expression {
            Predicate::Column(name) => self.dialect.quote_into(self.out, name),
            Predicate::Literal(value) => self.bound(value.clone()),
            Predicate::Cast(operand, to) => {
                self.sql("CAST(");
                self.expression(operand);
                self.sql(" AS ");
                self.dialect.cast_into(self.out, *to);
                self.sql(")");
            }
            operator => {
                self.sql("(");
                self.operator(operator);
                self.sql(")");
            }
        }
    }

    fn operator(&mut self, operator: &Predicate) {
        match operator {
            Predicate::Column(_) | Predicate::Literal(_) | Predicate::Cast(..) => self.expression(operator),
            Predicate::And(terms) => self.balanced(terms, " AND "),
            Predicate::Or(terms) => self.balanced(terms, " OR "),
            Predicate::Collate(operand, collation) => {
                self.expression(operand);
                self.sql(" COLLATE ");
                self.sql(collation);
            }
            Predicate::Not(operand) => {
                self.sql("NOT ");
                self.expression(operand);
            }
            Predicate::Negate(operand) => {
                self.sql("-");
                self.expression(operand);
            }
            Predicate::Arithmetic(first, rest) => {
                self.expression(first);
                for (sign, term) in rest {
                    self.sql(match sign {
                        Arithmetic::Add => " + ",
                        Arithmetic::Subtract => " - ",
                        Arithmetic::Multiply => " * ",
                        Arithmetic::Divide => " / ",
                        Arithmetic::Remainder => " % ",
                    });
                    self.expression(term);
                }
            }
            Predicate::Compare(left, comparison, right) => {
                self.expression(left);
                self.sql(match comparison {
                    Comparison::Equal => " = ",
                    Comparison::NotEqual => " <> ",
                    Comparison::Less => " < ",
                    Comparison::LessOrEqual => " <= ",
                    Comparison::Greater => " > ",
                    Comparison::GreaterOrEqual => " >= ",
                });
                self.expression(right);
            }
            Predicate::In { operand, list, negated } => {
                self.expression(operand);
                self.not(*negated);
                self.sql(" IN (");
                for (at, item) in list.iter().enumerate() {
                    if at > 0 {
                        self.sql(", ");
                    }
                    self.expression(item);
                }
                self.sql(")");
            }
            Predicate::Between { operand, low, high, negated } => {
                self.expression(operand);
                self.not(*negated);
                self.sql(" BETWEEN ");
                self.expression(low);
                self.sql(" AND ");
                self.expression(high);
            }
            Predicate::Like { operand, pattern, escape, fold, negated } => {
                let lower = *fold && !self.dialect.ilike;
                self.folded(operand, lower);
                self.not(*negated);
                self.sql(if *fold && !lower { " ILIKE " } else { " LIKE " });
                self.folded(pattern, lower);
                if let Some(escape) = escape {
                    self.sql(" ESCAPE ");
                    self.bound(Value::Text(escape.to_string()));
                }
            }
            Predicate::Is { operand, truth, negated } => {
                self.expression(operand);
                self.sql(" IS");
                self.not(*negated);
                self.sql(match truth {
                    Truth::Null => " NULL",
                    Truth::True => " TRUE",
                    Truth::False => " FALSE",
                });
            }
        }
    }

    /// Joins terms as a balanced tree: databases bound the depth of an expression (SQLite at 1000),
    /// and AND and OR are associative.
    fn balanced(&mut self, terms: &[Predicate], operator: &str) {
        match terms {
            [] => {}
            [term] => self.expression(term),
            _ => {
                let (left, right) = terms.split_at(terms.len() / 2);
                self.half(left, operator);
                self.sql(operator);
                self.half(right, operator);
            }
        }
    }

    fn half(&mut self, terms: &[Predicate], operator: &str) {
        if terms.len() > 1 {
            self.sql("(");
            self.balanced(terms, operator);
            self.sql(")");
        } else {
            self.balanced(terms, operator);
        }
    }

    fn folded(&mut self, operand: &Predicate, lower: bool) {
        if lower {
            self.sql("LOWER(");
        }
        self.expression(operand);
        if lower {
            self.sql(")");
        }
    }

    fn not(&mut self, negated: bool) {
        if negated {
            self.sql(" NOT");
        }
    }

    fn bound(&mut self, value: Value) {
        self.params.push(value);
        self.dialect.placeholder_into(self.out, self.params.len());
    }

    fn sql(&mut self, sql: &str) {
        self.out.push_str(sql);
    }
}
