//! Copying: the rows of one relation become all rows of another, without leaving the database.

use super::{DatabaseFs, Writing, at};
use crate::database::{Cancel, Write, WriteMode};
use crate::error::Result;
use crate::path::Path;
use crate::shape::Shape;

impl DatabaseFs {
    /// Does within the database what writing to `target` all that is read of `source` would do. `shape` is
    /// a raw query string; the formats of the paths do not matter. Blocks.
    ///
    /// Returns the rows written, and whether the relation was created; `None`, with nothing changed, where
    /// the rows have to be read and written. From a relation to itself there is nothing to do: 0 rows.
    ///
    /// # Errors
    /// As [`DatabaseFs::read`] of the source, and as [`DatabaseFs::write`] of the target.
    pub fn copy_rows(
        &self,
        (source, shape): (&str, &str),
        target: &str,
        writing: &Writing,
        cancel: &Cancel,
    ) -> Result<Option<(u64, bool)>> {
        let (from, to) = (Path::parse(source)?, Path::parse(target)?);
        let shape = at(&from, Shape::parse(shape))?;
        let (place, mode) =
            at(&to, self.destination(&to, writing, cancel).map_err(|error| writing.explain(error)))?;
        let write = Write {
            schema: place.0.to_owned(),
            relation: place.1.to_owned(),
            mode,
            if_version: writing.if_version.clone(),
        };
        let scan = at(&from, self.bound(&from, shape))?;
        at(&from, self.relation_within(&scan.schema, &scan.relation, cancel))?;
        if (&scan.schema, &scan.relation) == (&write.schema, &write.relation) {
            if !scan.shape.is_whole() {
                return Ok(None);
            }
            at(&to, write.check(|| self.database.data_version(place.0, place.1)))?;
            return Ok(Some((0, false)));
        }
        let copied = self.database.copy_rows(&scan, &write, cancel).map_err(|error| writing.explain(error));
        Ok(at(&to, copied)?.map(|rows| (rows, mode == WriteMode::Create)))
    }
}
