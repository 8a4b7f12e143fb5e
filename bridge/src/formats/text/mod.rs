//! Values as text, as CSV and JSON share them.
//!
//! | type | text |
//! |---|---|
//! | integers, bool | digits, `true` and `false` |
//! | floats | the shortest digits that read back equal; `NaN`, `Infinity`, `-Infinity` |
//! | decimals | all digits of the scale |
//! | dates, times, timestamps | ISO 8601; `Z` where the column has a zone, else no zone |
//! | durations, intervals | ISO 8601 durations, each part with its own sign |
//! | binary | base64 with padding |
//! | lists, structs, maps | JSON: an array, an object, an array of `{"key":…,"value":…}` |
//!
//! In JSON, integers and finite floats are numbers, booleans literals, and all else strings:
//! also `"NaN"`, `"Infinity"` and `"-Infinity"`, which JSON numbers cannot say.

mod builder;
mod cell;
mod infer;
pub(super) mod iso;
mod json;
mod nested;
pub(super) mod number;
mod table;

pub(super) use builder::Token;
pub(super) use cell::{Cell, Column, nanos_of};
pub(super) use infer::Guess;
pub(super) use json::{push_json, push_json_string};
pub(super) use table::Table;
