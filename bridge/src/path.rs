//! The path grammar: what every path means, and the one spelling of everything.
//!
//! | path | is |
//! |---|---|
//! | `/` | the root: schemas |
//! | `/{schema}` | its relations |
//! | `/{schema}/{relation}` | its facets |
//! | `/{schema}/{relation}.{ext}` | its rows in a format |
//! | `/{schema}/{relation}.sql` | its DDL |
//! | `/{schema}/{relation}/columns/{column}`, `indexes/…`, `constraints/…` | one item of metadata |
//! | `/{schema}/{view}/definition.sql` | the query of a view |
//! | `/{schema}/{view}/depends_on/{schema}.{relation}` | what a view reads; in both halves every dot is escaped |
//!
//! Parsing takes any spelling that can be read in one way only, so more may be escaped than need be;
//! [`Path`]'s `Display` gives the canonical one. Only that one is fit to be a key.

mod name;

use std::borrow::Cow;
use std::fmt;

use name::{check_place, encode_half, invalid, unescape};
pub use name::{decode_name, encode_name};

use crate::error::{Code, Error, Result};
use crate::formats::Format;

const DDL: &str = "sql";
const DEFINITION: &str = "definition.sql";

/// A place in the tree. Names are decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    Root,
    Schema(String),
    Relation { schema: String, relation: String },
    Data { schema: String, relation: String, extension: String, format: Format },
    Ddl { schema: String, relation: String },
    Facet { schema: String, relation: String, facet: Facet },
    Item { schema: String, relation: String, facet: Facet, name: String },
    Definition { schema: String, relation: String },
    Dependency { schema: String, relation: String, target_schema: String, target_relation: String },
}

/// A directory below a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Facet {
    Columns,
    Indexes,
    Constraints,
    DependsOn,
}

impl Facet {
    pub const ALL: &'static [Facet] = &[Self::Columns, Self::Indexes, Self::Constraints, Self::DependsOn];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Indexes => "indexes",
            Self::Constraints => "constraints",
            Self::DependsOn => "depends_on",
        }
    }

    fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|facet| facet.as_str() == segment)
    }
}

impl Path {
    /// Reads a path: a slash before it is optional, one after it is for directories only.
    ///
    /// # Errors
    /// [`Code::InvalidPath`] for an empty segment, `.`, `..`, a name with a leading dot, a control
    /// character, a backslash or a malformed escape; [`Code::NotADirectory`] below a file;
    /// [`Code::NotFound`] for a facet that no relation has. All carry the path.
    pub fn parse(path: &str) -> Result<Self> {
        Self::read(path).map_err(|error| error.with_path(path))
    }

    fn read(path: &str) -> Result<Self> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        if inner.is_empty() {
            return Ok(Self::Root);
        }
        let (inner, slash) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let mut place = Self::Root;
        for segment in inner.split('/') {
            place = place.child(segment, path)?;
        }
        if slash && !place.is_directory() {
            return Err(below_file(path));
        }
        Ok(place)
    }

    /// What `segment` means in this directory.
    fn child(self, segment: &str, path: &str) -> Result<Self> {
        let name = |segment| unescape(segment).map_err(|why| invalid(path, why));
        check_place(segment).map_err(|why| invalid(path, why))?;
        Ok(match self {
            Self::Root if segment == "-" => {
                return Err(invalid(path, "`-` at the root is no schema; one called so is `%2D`"));
            }
            Self::Root => Self::Schema(name(segment)?),
            Self::Schema(schema) => match segment.rsplit_once('.') {
                Some((stem, DDL)) => Self::Ddl { schema, relation: name(stem)? },
                Some((stem, extension)) => match Format::from_extension(extension) {
                    Some(format) => {
                        Self::Data { schema, relation: name(stem)?, extension: extension.to_owned(), format }
                    }
                    None => Self::Relation { schema, relation: name(segment)? },
                },
                None => Self::Relation { schema, relation: name(segment)? },
            },
            Self::Relation { schema, relation } if segment == DEFINITION => {
                Self::Definition { schema, relation }
            }
            Self::Relation { schema, relation } => match Facet::from_segment(segment) {
                Some(facet) => Self::Facet { schema, relation, facet },
                None => {
                    return Err(Error::new(Code::NotFound, format!("a relation has no `{segment}`")));
                }
            },
            Self::Facet { schema, relation, facet: Facet::DependsOn } => match segment.split_once('.') {
                Some((left, right)) if !right.contains('.') => Self::Dependency {
                    schema,
                    relation,
                    target_schema: name(left)?,
                    target_relation: name(right)?,
                },
                _ => {
                    let why = format!("`{segment}` is not a schema and a relation with one dot between them");
                    return Err(invalid(path, why));
                }
            },
            Self::Facet { schema, relation, facet } => {
                Self::Item { schema, relation, facet, name: name(segment)? }
            }
            Self::Data { .. }
            | Self::Ddl { .. }
            | Self::Item { .. }
            | Self::Definition { .. }
            | Self::Dependency { .. } => return Err(below_file(path)),
        })
    }

    /// The directory that lists this; the root lists itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.clone() {
            Self::Root | Self::Schema(_) => Self::Root,
            Self::Relation { schema, .. } | Self::Data { schema, .. } | Self::Ddl { schema, .. } => {
                Self::Schema(schema)
            }
            Self::Facet { schema, relation, .. } | Self::Definition { schema, relation } => {
                Self::Relation { schema, relation }
            }
            Self::Item { schema, relation, facet, .. } => Self::Facet { schema, relation, facet },
            Self::Dependency { schema, relation, .. } => {
                Self::Facet { schema, relation, facet: Facet::DependsOn }
            }
        }
    }

    /// The variant's name in lower case.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Schema(_) => "schema",
            Self::Relation { .. } => "relation",
            Self::Data { .. } => "data",
            Self::Ddl { .. } => "ddl",
            Self::Facet { .. } => "facet",
            Self::Item { .. } => "item",
            Self::Definition { .. } => "definition",
            Self::Dependency { .. } => "dependency",
        }
    }

    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self, Self::Root | Self::Schema(_) | Self::Relation { .. } | Self::Facet { .. })
    }

    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        match self {
            Self::Root => None,
            Self::Schema(schema)
            | Self::Relation { schema, .. }
            | Self::Data { schema, .. }
            | Self::Ddl { schema, .. }
            | Self::Facet { schema, .. }
            | Self::Item { schema, .. }
            | Self::Definition { schema, .. }
            | Self::Dependency { schema, .. } => Some(schema),
        }
    }

    #[must_use]
    pub fn relation(&self) -> Option<&str> {
        match self {
            Self::Root | Self::Schema(_) => None,
            Self::Relation { relation, .. }
            | Self::Data { relation, .. }
            | Self::Ddl { relation, .. }
            | Self::Facet { relation, .. }
            | Self::Item { relation, .. }
            | Self::Definition { relation, .. }
            | Self::Dependency { relation, .. } => Some(relation),
        }
    }

    /// Without its dot, for the files that show a relation or its DDL.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        match self {
            Self::Data { extension, .. } => Some(extension),
            Self::Ddl { .. } | Self::Definition { .. } => Some(DDL),
            _ => None,
        }
    }

    #[must_use]
    pub const fn facet(&self) -> Option<Facet> {
        match self {
            Self::Facet { facet, .. } | Self::Item { facet, .. } => Some(*facet),
            Self::Dependency { .. } => Some(Facet::DependsOn),
            _ => None,
        }
    }

    /// The name of an item; of a dependency its segment, since two names make it.
    #[must_use]
    pub fn item(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Item { name, .. } => Some(Cow::Borrowed(name)),
            Self::Dependency { target_schema, target_relation, .. } => {
                Some(Cow::Owned(dependency(target_schema, target_relation)))
            }
            _ => None,
        }
    }
}

/// The canonical path, with a leading and without a trailing slash.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(schema) = self.schema() else { return f.write_str("/") };
        write!(f, "/{}", encode_name(schema, true))?;
        let Some(relation) = self.relation() else { return Ok(()) };
        write!(f, "/{}", encode_name(relation, false))?;
        match self {
            Self::Data { extension, .. } => write!(f, ".{extension}"),
            Self::Ddl { .. } => write!(f, ".{DDL}"),
            Self::Facet { facet, .. } => write!(f, "/{}", facet.as_str()),
            Self::Item { facet, name, .. } => write!(f, "/{}/{}", facet.as_str(), encode_name(name, false)),
            Self::Definition { .. } => write!(f, "/{DEFINITION}"),
            Self::Dependency { target_schema, target_relation, .. } => {
                write!(f, "/{}/{}", Facet::DependsOn.as_str(), dependency(target_schema, target_relation))
            }
            Self::Root | Self::Schema(_) | Self::Relation { .. } => Ok(()),
        }
    }
}

fn dependency(schema: &str, relation: &str) -> String {
    format!("{}.{}", encode_half(schema), encode_half(relation))
}

fn below_file(path: &str) -> Error {
    Error::new(Code::NotADirectory, "a file has nothing below it").with_path(path)
}

#[cfg(test)]
mod tests;
