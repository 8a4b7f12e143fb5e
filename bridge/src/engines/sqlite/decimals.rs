//! Conditions and orders on decimals that are kept as text, made to compare their values.
//!
//! SQLite would compare the digits as text, or as doubles once a number is on the other side. So
//! such a column stands in comparisons with numbers as they were written and with its like, under a
//! collation; whatever else would be done with it is refused.

use std::borrow::Cow;

use super::catalogue::Relation;
use super::collation::{DECIMAL, is_numeral};
use super::types::{Affinity, Kind};
use crate::dialect::CastType;
use crate::error::{Code, Error, Result};
use crate::shape::{Predicate, Shape, Truth};
use crate::value::Value;

/// The shape that compares such columns of `relation` by value.
///
/// # Errors
/// `invalid-predicate`, with the column, where that cannot be exact.
pub fn by_value<'s>(shape: &'s Shape, relation: &Relation) -> Result<Cow<'s, Shape>> {
    let decimal = |declared: &str| {
        Affinity::of(declared) == Affinity::Text && matches!(Kind::declared(declared), Kind::Decimal(..))
    };
    let columns = relation.columns.iter().filter(|column| decimal(&column.declared));
    let columns = Columns(columns.map(|column| column.name.as_str()).collect());
    if columns.0.is_empty() || (shape.predicate.is_none() && shape.order.is_empty()) {
        return Ok(Cow::Borrowed(shape));
    }
    let mut shape = shape.clone();
    if let Some(predicate) = &mut shape.predicate {
        columns.collate(predicate)?;
    }
    for order in &mut shape.order {
        if columns.has(&order.column) {
            order.collation = Some(DECIMAL);
        }
    }
    Ok(Cow::Owned(shape))
}

/// The names of the columns.
struct Columns<'a>(Vec<&'a str>);

impl Columns<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    fn named<'p>(&self, operand: &'p Predicate) -> Option<&'p str> {
        match operand {
            Predicate::Column(name) if self.has(name) => Some(name),
            _ => None,
        }
    }

    fn collate(&self, predicate: &mut Predicate) -> Result<()> {
        if let Some(name) = self.named(predicate) {
            return Err(refused(name, "it can only be compared"));
        }
        match predicate {
            Predicate::Compare(..) | Predicate::In { .. } | Predicate::Between { .. } => {
                let operands = predicate.operands_mut();
                let column = operands.iter().find_map(|operand| self.named(operand)).map(str::to_owned);
                if let Some(column) = column {
                    return operands.into_iter().try_for_each(|operand| self.operand(operand, &column));
                }
            }
            Predicate::Is { operand, truth: Truth::Null, .. } if self.named(operand).is_some() => {
                return Ok(());
            }
            // Who casts says what the value is to be.
            Predicate::Cast(operand, CastType::Text | CastType::Blob | CastType::Real | CastType::Double)
                if self.named(operand).is_some() =>
            {
                return Ok(());
            }
            _ => {}
        }
        predicate.operands_mut().into_iter().try_for_each(|operand| self.collate(operand))
    }

    /// One side of a comparison with `column`.
    fn operand(&self, operand: &mut Predicate, column: &str) -> Result<()> {
        match operand {
            Predicate::Column(name) if self.has(name) => {}
            Predicate::Literal(value) => *value = numeral(value, column)?,
            _ => return Err(refused(column, "the other side is neither a number nor a column of its kind")),
        }
        let inner = std::mem::replace(operand, Predicate::Literal(Value::Null));
        *operand = Predicate::Collate(Box::new(inner), DECIMAL);
        Ok(())
    }
}

fn numeral(value: &Value, column: &str) -> Result<Value> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Int(number) => Value::Text(number.to_string()),
        Value::Decimal(digits) => Value::Text(digits.clone()),
        Value::Text(digits) if is_numeral(digits) => Value::Text(digits.clone()),
        Value::Float(_) => return Err(refused(column, "a number with an exponent is a double")),
        _ => return Err(refused(column, "the other side is no number")),
    })
}

fn refused(column: &str, why: &str) -> Error {
    let detail = format!("`{column}` in `where` keeps exact decimals as text: {why}");
    Error::new(Code::InvalidPredicate, detail).with_column(column)
}
