//! Managing: schemas and relations come, go and change their names.

use super::{DatabaseFs, at};
use crate::database::Access;
use crate::error::Result;
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
        let path = Path::Relation { schema: schema.to_owned(), relation: relation.to_owned() };
        self.allow(Access::Manage, &path)?;
        self.relation(schema, relation)?;
        at(&path, self.database.drop_relation(schema, relation))
    }

    /// Renames within a schema, or into another.
    ///
    /// # Errors
    /// `read-only` or `forbidden` below `manage`, `not-found`, `already-exists`, `unsupported`.
    pub fn rename_relation(&self, source: (&str, &str), target: (&str, &str)) -> Result<()> {
        let path = Path::Relation { schema: source.0.to_owned(), relation: source.1.to_owned() };
        self.allow(Access::Manage, &path)?;
        self.relation(source.0, source.1)?;
        at(&path, self.database.rename_relation(source, target))
    }
}
