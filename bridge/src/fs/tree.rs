//! Listing: `ls` and `info`, which agree with each other.

use super::documents;
use super::entry::{Entry, JSON, SQL};
use super::{DatabaseFs, Node, at, format_of};
use crate::error::{Code, Error, Result};
use crate::formats::Format;
use crate::metadata::{RelationInfo, SchemaInfo};
use crate::path::{Facet, Path};

/// A facet item: its name, and its document.
type Item = (Path, Vec<u8>);

impl DatabaseFs {
    /// Entries of a directory, or the one entry of a file.
    ///
    /// # Errors
    /// `invalid-path`, `not-found`, and whatever the database says.
    pub fn ls(&self, path: &str) -> Result<Vec<Entry>> {
        let path = Path::parse(path)?;
        at(&path, self.list(&path))
    }

    /// The entry of one node.
    ///
    /// # Errors
    /// `invalid-path`, `not-found`, and whatever the database says.
    pub fn info(&self, path: &str) -> Result<Entry> {
        let path = Path::parse(path)?;
        at(&path, self.entry(&path))
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        match path {
            Path::Root => self.schemas(),
            Path::Schema(schema) => self.relations(schema),
            Path::Relation { schema, relation } => {
                let info = self.relation(schema, relation)?;
                self.facets(schema, &info)
            }
            Path::Facet { schema, relation, facet } => {
                let info = self.relation(schema, relation)?;
                has_facet(&info, *facet)?;
                let kind = item_kind(*facet);
                let items = self.items(schema, relation, *facet)?;
                Ok(items.iter().map(|(path, bytes)| Entry::document(path, kind, bytes, JSON)).collect())
            }
            file => Ok(vec![self.entry(file)?]),
        }
    }

    pub(super) fn entry(&self, path: &Path) -> Result<Entry> {
        match path {
            Path::Root => Ok(Entry::directory(path, "root")),
            Path::Schema(schema) => Ok(schema_entry(self.database.schema(schema)?)),
            Path::Relation { schema, relation } => {
                Ok(Entry::relation(schema, self.relation(schema, relation)?))
            }
            Path::Data { schema, relation, format, .. } => {
                Ok(Entry::data(path, *format, &self.relation(schema, relation)?))
            }
            Path::Facet { schema, relation, facet } => {
                has_facet(&self.relation(schema, relation)?, *facet)?;
                Ok(Entry::directory(path, "facet"))
            }
            Path::Ddl { .. } => Ok(Entry::document(path, "ddl", &self.document(path)?, SQL)),
            Path::Definition { .. } => Ok(Entry::document(path, "definition", &self.document(path)?, SQL)),
            Path::Item { facet, .. } => {
                Ok(Entry::document(path, item_kind(*facet), &self.document(path)?, JSON))
            }
            Path::Dependency { .. } => Ok(Entry::document(path, "dependency", &self.document(path)?, JSON)),
        }
    }

    fn schemas(&self) -> Result<Vec<Entry>> {
        Ok(self.database.schemas()?.into_iter().map(schema_entry).collect())
    }

    /// One call to the database, however many relations there are.
    fn relations(&self, schema: &str) -> Result<Vec<Entry>> {
        let formats: Vec<(String, Format)> = self
            .formats()
            .iter()
            .map(|extension| Ok((extension.clone(), format_of(extension)?)))
            .collect::<Result<_>>()?;
        let relations = self.database.relations(schema)?;
        let mut entries = Vec::with_capacity(relations.len() * (1 + formats.len()));
        for info in relations {
            for (extension, format) in &formats {
                let path = Path::Data {
                    schema: schema.to_owned(),
                    relation: info.name.clone(),
                    extension: extension.clone(),
                    format: *format,
                };
                entries.push(Entry::data(&path, *format, &info));
            }
            entries.push(Entry::relation(schema, info));
        }
        Ok(entries)
    }

    fn facets(&self, schema: &str, info: &RelationInfo) -> Result<Vec<Entry>> {
        let facet = |facet| {
            let path = Path::Facet { schema: schema.to_owned(), relation: info.name.clone(), facet };
            Entry::directory(&path, "facet")
        };
        if !is_view(info) {
            return Ok(vec![facet(Facet::Columns), facet(Facet::Indexes), facet(Facet::Constraints)]);
        }
        let mut entries = vec![facet(Facet::Columns), facet(Facet::DependsOn)];
        let definition = Path::Definition { schema: schema.to_owned(), relation: info.name.clone() };
        match self.entry(&definition) {
            Ok(entry) => entries.push(entry),
            Err(error) if matches!(error.code(), Code::NotFound | Code::Unsupported) => {}
            Err(error) => return Err(error),
        }
        Ok(entries)
    }

    fn items(&self, schema: &str, relation: &str, facet: Facet) -> Result<Vec<Item>> {
        let item = |name: &str| Path::Item {
            schema: schema.to_owned(),
            relation: relation.to_owned(),
            facet,
            name: name.to_owned(),
        };
        let database = &self.database;
        Ok(match facet {
            Facet::Columns => database
                .columns(schema, relation)?
                .iter()
                .map(|info| (item(&info.name), documents::column(info)))
                .collect(),
            Facet::Indexes => database
                .indexes(schema, relation)?
                .iter()
                .map(|info| (item(&info.name), documents::index(info)))
                .collect(),
            Facet::Constraints => database
                .constraints(schema, relation)?
                .iter()
                .map(|info| (item(&info.name), documents::constraint(info)))
                .collect(),
            Facet::DependsOn => database
                .depends_on(schema, relation)?
                .into_iter()
                .map(|(target_schema, target_relation)| {
                    let document = documents::dependency(&target_schema, &target_relation);
                    let path = Path::Dependency {
                        schema: schema.to_owned(),
                        relation: relation.to_owned(),
                        target_schema,
                        target_relation,
                    };
                    (path, document)
                })
                .collect(),
        })
    }

    /// The bytes of a file that is no data file.
    pub(super) fn document(&self, path: &Path) -> Result<Vec<u8>> {
        let (schema, relation, facet) = match path {
            Path::Ddl { schema, relation } => {
                let info = self.relation(schema, relation)?;
                return self.ddl(schema, &info);
            }
            Path::Definition { schema, relation } => {
                let info = self.relation(schema, relation)?;
                if !is_view(&info) {
                    return Err(Error::new(Code::NotFound, "only a view has a definition"));
                }
                return self.ddl(schema, &info);
            }
            Path::Item { schema, relation, facet, .. } => (schema, relation, *facet),
            Path::Dependency { schema, relation, .. } => (schema, relation, Facet::DependsOn),
            directory => {
                return Err(match self.entry(directory)?.node {
                    Node::Directory => Error::new(Code::IsADirectory, "this is a directory"),
                    Node::File { .. } => Error::new(Code::Internal, "this file has rows"),
                });
            }
        };
        let info = self.relation(schema, relation)?;
        has_facet(&info, facet)?;
        self.items(schema, relation, facet)?
            .into_iter()
            .find_map(|(item, document)| (item == *path).then_some(document))
            .ok_or_else(|| Error::new(Code::NotFound, "there is no such item"))
    }

    fn ddl(&self, schema: &str, info: &RelationInfo) -> Result<Vec<u8>> {
        let text = if is_view(info) {
            self.database.view_definition(schema, &info.name)?
        } else if let Some(text) = self.database.definition(schema, &info.name)? {
            text
        } else {
            let columns = self.database.columns(schema, &info.name)?;
            let constraints = self.database.constraints(schema, &info.name)?;
            documents::create_table(self.dialect(), schema, &info.name, &columns, &constraints)
        };
        Ok(documents::line(text))
    }
}

fn schema_entry(info: SchemaInfo) -> Entry {
    Entry { comment: info.comment, ..Entry::directory(&Path::Schema(info.name), "schema") }
}

fn is_view(info: &RelationInfo) -> bool {
    info.kind.to_ascii_lowercase().ends_with("view")
}

fn item_kind(facet: Facet) -> &'static str {
    if facet == Facet::DependsOn { "dependency" } else { "item" }
}

fn has_facet(info: &RelationInfo, facet: Facet) -> Result<()> {
    let has = match facet {
        Facet::Columns => true,
        Facet::Indexes | Facet::Constraints => !is_view(info),
        Facet::DependsOn => is_view(info),
    };
    if has {
        Ok(())
    } else {
        Err(Error::new(Code::NotFound, format!("a {} has no such directory", info.kind)))
    }
}
