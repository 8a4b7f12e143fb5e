//! What a listing says about one node.

use crate::formats::Format;
use crate::metadata::RelationInfo;
use crate::path::Path;

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The canonical path.
    pub path: String,
    pub node: Node,
    /// `root`, `schema`, the relation's own kind, `data`, `ddl`, `facet`, `item`, `dependency` or
    /// `definition`.
    pub kind: String,
    pub comment: Option<String>,
    pub row_count: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Directory,
    /// The size in bytes is exact, or absent.
    File {
        size: Option<u64>,
        media_type: &'static str,
    },
}

/// Media type of metadata items.
pub(super) const JSON: &str = "application/json";
/// Media type of DDL.
pub(super) const SQL: &str = "application/sql";

impl Entry {
    pub(super) fn directory(path: &Path, kind: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            node: Node::Directory,
            kind: kind.into(),
            comment: None,
            row_count: None,
        }
    }

    /// A document that is made already.
    pub(super) fn document(path: &Path, kind: &str, bytes: &[u8], media_type: &'static str) -> Self {
        Self {
            node: Node::File { size: Some(bytes.len() as u64), media_type },
            ..Self::directory(path, kind)
        }
    }

    pub(super) fn relation(schema: &str, info: RelationInfo) -> Self {
        let path = Path::Relation { schema: schema.to_owned(), relation: info.name };
        Self { comment: info.comment, row_count: info.row_count, ..Self::directory(&path, info.kind) }
    }

    pub(super) fn data(path: &Path, format: Format, info: &RelationInfo) -> Self {
        Self {
            node: Node::File { size: None, media_type: format.media_type() },
            comment: info.comment.clone(),
            row_count: info.row_count,
            ..Self::directory(path, "data")
        }
    }
}
