//! What a database says about itself: five plain records, which Python sees as they are.

#[cfg(feature = "python")]
use pyo3::pyclass;

/// A schema, or what the engine calls by another name at that level.
#[cfg_attr(feature = "python", pyclass(module = "fsspec_db", frozen, eq, hash, get_all))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SchemaInfo {
    pub name: String,
    pub catalog: Option<String>,
    pub comment: Option<String>,
}

/// A table, a view, or anything else with rows.
#[cfg_attr(feature = "python", pyclass(module = "fsspec_db", frozen, eq, hash, get_all))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelationInfo {
    pub name: String,
    /// `table`, `view`, or the engine's own word (`materialized view`, `foreign table` …).
    pub kind: String,
    /// Rows, where the engine knows without counting; an estimate never becomes a size.
    pub row_count: Option<i64>,
    pub size_bytes: Option<i64>,
    pub comment: Option<String>,
}

#[cfg_attr(feature = "python", pyclass(module = "fsspec_db", frozen, eq, hash, get_all))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnInfo {
    pub name: String,
    /// The declared type, as the database spells it.
    pub data_type: String,
    pub nullable: bool,
    /// The default's SQL text.
    pub default: Option<String>,
    /// Counted from 1.
    pub ordinal: i64,
    pub primary_key: bool,
    pub comment: Option<String>,
}

#[cfg_attr(feature = "python", pyclass(module = "fsspec_db", frozen, eq, hash, get_all))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IndexInfo {
    pub name: String,
    pub columns: Vec<String>,
    pub unique: bool,
    pub method: Option<String>,
}

#[cfg_attr(feature = "python", pyclass(module = "fsspec_db", frozen, eq, hash, get_all))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConstraintInfo {
    pub name: String,
    /// `pk`, `fk`, `unique` or `check`.
    pub kind: String,
    pub columns: Vec<String>,
    /// For `fk`: `schema.relation(column, …)` or the engine's text.
    pub references: Option<String>,
    /// For `check`: the SQL expression.
    pub expr: Option<String>,
}
