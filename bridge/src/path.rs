//! The path grammar.
