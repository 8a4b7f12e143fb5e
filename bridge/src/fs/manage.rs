//! Managing: schemas and relations come, go and change their names.

use super::{DatabaseFs, at};
use crate::database::{Access, Cancel};
use crate::error::{Code, Error, Result};
use crate::path::Path;

impl DatabaseFs {
    /// # Errors
    /// `read-only` or `forbidden` below `manage`, `already-exists`, `unsupported`.
    pub fn create_schema(&self, schema: &str) -> Result<()> {
        let path = Path::Schema(schema.to_owned());
        self.allow(Access::Manage, &path)?;
        at(&path, self.database.create_schema(schema))
    }

    /// # Errors
    /// `read-only` or `forbidden` below `manage`, `not-found`, `not-empty`, `unsupported`.
    pub fn drop_schema(&self, schema: &str) -> Result<()> {
        let path = Path::Schema(schema.to_owned());
        self.allow(Access::Manage, &path)?;
        at(&path, self.database.drop_schema(schema))
    }

    /// # Errors
    /// `read-only` or `forbidden` below `manage`, `not-found`, `unsupported`.
    pub fn drop_relation(&self, schema: &str, relation: &str) -> Result<()> {
        let path = self.manageable((schema, relation))?;
        at(&path, self.database.drop_relation(schema, relation))
    }

    /// # Errors
    /// `read-only` or `forbidden` below `manage`, `not-found`, `already-exists`, `unsupported`.
    pub fn rename_schema(&self, source: &str, target: &str) -> Result<()> {
        let path = Path::Schema(source.to_owned());
        self.allow(Access::Manage, &path)?;
        at(&path, self.database.schema(source).and_then(|_| self.database.rename_schema(source, target)))
    }

    /// Renames within a schema, or into another. What is there is dropped if `overwrite`, in the same
    /// transaction.
    ///
    /// # Errors
    /// `read-only` or `forbidden` below `manage`, `not-found`, `already-exists` unless `overwrite`,
    /// `not-empty` or `constraint-violation` where others depend on what would be dropped, `unsupported`.
    pub fn rename_relation(&self, source: (&str, &str), target: (&str, &str), overwrite: bool) -> Result<()> {
        let path = self.manageable(source)?;
        if source == target {
            return Ok(());
        }
        at(&path, self.database.rename_relation(source, target, overwrite))
    }

    /// Makes a relation as another one is, with its rows; `overwrite` as for [`DatabaseFs::rename_relation`].
    ///
    /// # Errors
    /// As there; `forbidden` onto itself.
    pub fn copy_relation(
        &self,
        source: (&str, &str),
        target: (&str, &str),
        overwrite: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        let path = self.manageable(source)?;
        if source == target {
            let error = Error::new(Code::Forbidden, "a relation is not copied onto itself");
            return Err(error.with_path(path.to_string()));
        }
        at(&path, self.database.copy_relation(source, target, overwrite, cancel))
    }

    /// The path of a relation that is there and may be managed.
    fn manageable(&self, (schema, relation): (&str, &str)) -> Result<Path> {
        let path = Path::Relation { schema: schema.to_owned(), relation: relation.to_owned() };
        self.allow(Access::Manage, &path)?;
        at(&path, self.relation(schema, relation)).map(|_| path)
    }
}
