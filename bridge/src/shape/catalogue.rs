//! The columns of one relation, looked up by the names of a request.

use std::collections::{HashMap, HashSet};

use super::Order;
use crate::error::{Code, Error, Result};

pub(super) struct Catalogue<'a> {
    exact: HashSet<&'a str>,
    /// By lower-case name; `None` where several differ in case only.
    folded: HashMap<String, Option<&'a str>>,
}

impl<'a> Catalogue<'a> {
    pub fn new(columns: &'a [String]) -> Self {
        let mut folded = HashMap::with_capacity(columns.len());
        for column in columns {
            folded
                .entry(column.to_ascii_lowercase())
                .and_modify(|only| *only = None)
                .or_insert(Some(column.as_str()));
        }
        Self { exact: columns.iter().map(String::as_str).collect(), folded }
    }

    /// The catalogue's spelling of `name`.
    pub fn column(&self, name: &str, parameter: &str) -> Result<&'a str> {
        if let Some(column) = self.exact.get(name) {
            return Ok(column);
        }
        let why = match self.folded.get(&name.to_ascii_lowercase()) {
            Some(Some(column)) => return Ok(column),
            Some(None) => "is the name of several columns that differ in case",
            None => "is no column of this relation",
        };
        Err(Error::new(Code::InvalidParameter, format!("`{name}` in `{parameter}` {why}")).with_column(name))
    }

    pub fn selection(&self, names: &[String]) -> Result<Vec<String>> {
        let mut seen = HashSet::with_capacity(names.len());
        let mut selected = Vec::with_capacity(names.len());
        for name in names.iter().flat_map(|name| self.pieces(name)) {
            let column = self.column(name, "columns")?;
            if !seen.insert(column) {
                let why = format!("`{column}` is selected twice");
                return Err(Error::new(Code::InvalidParameter, why).with_column(column));
            }
            selected.push(column.to_owned());
        }
        Ok(selected)
    }

    pub fn order(&self, orders: &[Order]) -> Result<Vec<Order>> {
        let mut bound = Vec::with_capacity(orders.len());
        for order in orders {
            for (at, piece) in self.pieces(&order.column).enumerate() {
                // The first minus was seen before decoding; that of a later piece could not be.
                let (name, descending) = match piece.strip_prefix('-') {
                    Some(name) if at > 0 && !self.has(piece) => (name, true),
                    _ => (piece, at == 0 && order.descending),
                };
                let column = self.column(name, "order")?.to_owned();
                bound.push(Order { column, descending, collation: None });
            }
        }
        Ok(bound)
    }

    /// `name` itself if it is a column, else what stands between its commas.
    fn pieces<'n>(&self, name: &'n str) -> impl Iterator<Item = &'n str> {
        let whole = self.has(name);
        name.split(move |c| c == ',' && !whole)
    }

    fn has(&self, name: &str) -> bool {
        self.exact.contains(name) || self.folded.contains_key(&name.to_ascii_lowercase())
    }
}
