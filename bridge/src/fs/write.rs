//! Writing: a whole body becomes rows, in one transaction.

use super::{DatabaseFs, at, format_of};
use crate::body::Body;
use crate::database::{Access, Cancel, Write, WriteMode};
use crate::error::{Code, Error, Result};
use crate::formats::{self, Format};
use crate::path::Path;

/// How to write.
#[derive(Clone, Debug)]
pub struct Writing {
    pub mode: WriteMode,
    /// Create the relation if it is missing.
    pub create: bool,
    /// Instead of the path's own format.
    pub extension: Option<String>,
    /// Only if [`DatabaseFs::data_version`] still is this one, within the transaction.
    pub if_version: Option<String>,
}

impl Writing {
    /// The rows that were meant are gone with their relation.
    pub(super) fn explain(&self, error: Error) -> Error {
        if self.if_version.is_some() && error.code() == Code::NotFound {
            Error::new(Code::PreconditionFailed, error.detail())
        } else {
            error
        }
    }
}

impl DatabaseFs {
    /// Writes a whole body: all its rows, or none. Blocks.
    ///
    /// Returns the rows written, and whether the relation was created.
    ///
    /// # Errors
    /// In this order: `invalid-path`; `read-only`; `is-a-directory` and `forbidden` for what is no
    /// data file; `not-found`, `already-exists` or `forbidden` by the relation; `malformed-body`
    /// and its kin; `precondition-failed` unless the version still holds, `unsupported` where there is
    /// none; whatever the database says.
    pub fn write(
        &self,
        path: &str,
        body: Box<dyn Body>,
        writing: &Writing,
        cancel: &Cancel,
    ) -> Result<(u64, bool)> {
        let path = Path::parse(path)?;
        at(&path, self.write_at(&path, body, writing, cancel).map_err(|error| writing.explain(error)))
    }

    fn write_at(
        &self,
        path: &Path,
        mut body: Box<dyn Body>,
        writing: &Writing,
        cancel: &Cancel,
    ) -> Result<(u64, bool)> {
        let (place, mode) = self.destination(path, writing, cancel)?;
        let (schema, relation) = place;
        let format = match (&writing.extension, path) {
            (Some(extension), _) => format_of(extension)?,
            (None, Path::Data { format, .. }) => *format,
            (None, _) => return Err(Error::new(Code::Forbidden, "only a data file can be written")),
        };
        let target = if mode != WriteMode::Create && needs_target(format) {
            Some(self.database.arrow_schema(schema, relation, cancel)?)
        } else {
            None
        };
        refuse_empty(&mut body)?;
        let rows = formats::decode(format, body, target.as_ref())?;
        let write = Write {
            schema: schema.to_owned(),
            relation: relation.to_owned(),
            mode,
            if_version: writing.if_version.clone(),
        };
        let written = self.database.write(&write, rows, cancel)?;
        Ok((written, mode == WriteMode::Create))
    }

    /// The relation that a data path names, and how it is written: it may have to be created.
    pub(super) fn destination<'p>(
        &self,
        path: &'p Path,
        writing: &Writing,
        cancel: &Cancel,
    ) -> Result<((&'p str, &'p str), WriteMode)> {
        self.allow(Access::Write, path)?;
        let Path::Data { schema, relation, .. } = path else {
            return Err(match path {
                Path::Root | Path::Schema(_) | Path::Relation { .. } | Path::Facet { .. } => {
                    Error::new(Code::IsADirectory, "a directory cannot be written")
                }
                _ => Error::new(Code::Forbidden, "metadata cannot be written"),
            });
        };
        let mode = match self.relation_within(schema, relation, cancel) {
            Ok(_) if writing.mode == WriteMode::Create => {
                return Err(Error::new(Code::AlreadyExists, "the relation is there already"));
            }
            Ok(_) => writing.mode,
            Err(error)
                if error.code() == Code::NotFound
                    && writing.if_version.is_none()
                    && (writing.create || writing.mode == WriteMode::Create) =>
            {
                self.allow(Access::Manage, path)?;
                WriteMode::Create
            }
            Err(error) => return Err(error),
        };
        Ok(((schema, relation), mode))
    }
}

/// Text says no types: it is read to those of the relation.
fn needs_target(format: Format) -> bool {
    match format {
        Format::Csv | Format::Jsonl | Format::Json => true,
        Format::ArrowStream | Format::ArrowFile | Format::Parquet => false,
    }
}

/// No format has a file of zero bytes, and none may empty a table.
fn refuse_empty(body: &mut Box<dyn Body>) -> Result<()> {
    let unreadable =
        |error: std::io::Error| Error::new(Code::Internal, "the body cannot be read back").with_source(error);
    let mut first = [0];
    let length = body.read(&mut first).map_err(unreadable)?;
    body.rewind().map_err(unreadable)?;
    if length == 0 {
        return Err(Error::new(Code::MalformedBody, "the body is empty"));
    }
    Ok(())
}
