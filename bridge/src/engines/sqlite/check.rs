//! The pass that makes sure of a column's type, without building anything.

use super::build::int_to_real;
use super::exact::Decimal;
use super::scalar::Scalar;
use super::types::{Kind, Seen};
use crate::calendar;

/// What was seen of each column, under its declared kind.
#[derive(Clone, Debug)]
pub struct Checker {
    kinds: Vec<Kind>,
    decimals: Vec<Decimal>,
    pub seen: Vec<Seen>,
}

impl Checker {
    #[must_use]
    pub fn new(kinds: Vec<Kind>) -> Self {
        let decimals = kinds.iter().map(|kind| match kind {
            Kind::Decimal(precision, scale) => Decimal::new(*precision, *scale),
            _ => Decimal::new(1, 0),
        });
        let decimals = decimals.collect();
        let seen = vec![Seen::default(); kinds.len()];
        Self { kinds, decimals, seen }
    }

    #[inline]
    pub fn push(&mut self, column: usize, scalar: Scalar<'_>) {
        let kind = self.kinds[column];
        let decimal = &self.decimals[column];
        let seen = &mut self.seen[column];
        match scalar {
            Scalar::Null => {}
            Scalar::Int(value) => {
                seen.int = true;
                seen.wide_int |= int_to_real(value).is_none();
                seen.misfit |= match kind {
                    Kind::Int | Kind::Any => false,
                    Kind::Real => int_to_real(value).is_none(),
                    Kind::Bool => value != 0 && value != 1,
                    Kind::Decimal(..) => decimal.of_int(value).is_none(),
                    _ => true,
                };
            }
            Scalar::Real(value) => {
                seen.real = true;
                seen.misfit |= match kind {
                    Kind::Real | Kind::Any => false,
                    Kind::Decimal(..) => decimal.of_real(value).is_none(),
                    _ => true,
                };
            }
            Scalar::Text(text) => {
                seen.text = true;
                let fits = match kind {
                    Kind::Text | Kind::Json | Kind::Any => true,
                    Kind::Date => calendar::parse_date(text).is_some(),
                    Kind::Time => calendar::parse_time(text).is_some(),
                    Kind::Timestamp => calendar::parse_timestamp(text).is_some(),
                    Kind::Decimal(..) => decimal.of_text(text).is_some(),
                    _ => false,
                };
                seen.misfit |= !fits;
                if (matches!(kind, Kind::Text | Kind::Json | Kind::Any) || !fits) && !is_utf8(text) {
                    seen.bytes = true;
                    seen.misfit = true;
                }
            }
            Scalar::Blob(_) => {
                seen.bytes = true;
                seen.misfit |= kind != Kind::Blob;
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.seen.iter_mut().zip(&other.seen) {
            *mine = mine.merge(*theirs);
        }
    }

    #[must_use]
    pub fn decide(&self) -> Vec<Kind> {
        self.kinds.iter().zip(&self.seen).map(|(kind, seen)| seen.decide(*kind)).collect()
    }
}

/// Short values are the rule: eight bytes at a time while they are ASCII, then the real thing.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
    let mut chunks = text.chunks_exact(8);
    let ascii = chunks.by_ref().all(|chunk| {
        chunk.try_into().is_ok_and(|eight| u64::from_ne_bytes(eight) & 0x8080_8080_8080_8080 == 0)
    });
    (ascii && chunks.remainder().is_ascii()) || std::str::from_utf8(text).is_ok()
}
