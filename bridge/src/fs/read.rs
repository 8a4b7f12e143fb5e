//! Reading: rows of relations, results of queries, small documents.

use std::fs::File;
use std::time::Duration;

use super::{DatabaseFs, at, format_of};
use crate::database::{Cancel, Query, Scan, Sink};
use crate::error::{Code, Error, Result};
use crate::formats::{EncodeOptions, Format};
use crate::path::Path;
use crate::shape::Shape;
use crate::stream::{self, BatchStream, ChunkStream, Wanted};

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Instead of the path's own format.
    pub extension: Option<String>,
    pub options: EncodeOptions,
    pub timeout: Option<Duration>,
}

impl Reading {
    fn format(&self) -> Result<Option<Format>> {
        self.extension.as_deref().map(format_of).transpose()
    }
}

impl DatabaseFs {
    /// Starts to read any file of the tree and returns at once. `shape` is a raw query string; `spool`
    /// gets the rows of a data path too, as [`Wanted::spool`] says.
    ///
    /// # Errors
    /// `invalid-path`, `invalid-parameter`, `invalid-predicate`; what the database says comes from
    /// the stream.
    pub fn read(
        &self,
        path: &str,
        shape: &str,
        reading: &Reading,
        spool: Option<File>,
    ) -> Result<ChunkStream> {
        let path = Path::parse(path)?;
        if let Path::Data { format, .. } = &path {
            let format = reading.format()?.unwrap_or(*format);
            let shape = at(&path, Shape::parse(shape))?;
            let fs = self.clone();
            let wanted = Wanted { format, options: reading.options, spool };
            return ChunkStream::rows_of(wanted, reading.timeout, move |sink, cancel| {
                at(&path, fs.scan(&path, shape, sink, cancel))
            });
        }
        if !shape.is_empty() {
            return Err(Error::new(Code::InvalidParameter, "only a data file can be shaped")
                .with_path(path.to_string()));
        }
        let fs = self.clone();
        ChunkStream::document(move || at(&path, fs.document(&path)))
    }

    /// As [`DatabaseFs::read`], for several formats of a relation's rows at once: one read of the
    /// database, and a stream for each.
    ///
    /// # Errors
    /// As [`DatabaseFs::read`], and `invalid-parameter` for an unknown format.
    pub fn read_several(
        &self,
        path: &str,
        wanted: Vec<(String, Option<File>)>,
        timeout: Option<Duration>,
    ) -> Result<Vec<ChunkStream>> {
        let path = Path::parse(path)?;
        let wanted = wanted.into_iter().map(|(extension, spool)| {
            Ok(Wanted { format: format_of(&extension)?, options: EncodeOptions::default(), spool })
        });
        let fs = self.clone();
        stream::several(wanted.collect::<Result<_>>()?, timeout, move |sink, cancel| {
            at(&path, fs.scan(&path, Shape::default(), sink, cancel))
        })
    }

    /// As [`DatabaseFs::read`], without encoding; the path's format does not matter.
    ///
    /// # Errors
    /// As [`DatabaseFs::read`].
    pub fn read_batches(&self, path: &str, shape: &str, timeout: Option<Duration>) -> Result<BatchStream> {
        let path = Path::parse(path)?;
        let shape = at(&path, Shape::parse(shape))?;
        let fs = self.clone();
        BatchStream::rows_of(timeout, move |sink, cancel| at(&path, fs.scan(&path, shape, sink, cancel)))
    }

    fn scan(&self, path: &Path, shape: Shape, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        self.database.scan(&self.bound(path, shape)?, sink, cancel)
    }

    /// What a path and a shape select, by the names of the catalogue.
    pub(super) fn bound(&self, path: &Path, shape: Shape) -> Result<Scan> {
        let (Path::Data { schema, relation, .. } | Path::Relation { schema, relation }) = path else {
            self.entry(path)?;
            return Err(Error::new(Code::IsADirectory, "only a relation has rows"));
        };
        let shape = if shape.is_whole() {
            shape
        } else {
            let columns = self.database.columns(schema, relation)?;
            let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            shape.bind(&names)?
        };
        Ok(Scan { schema: schema.clone(), relation: relation.clone(), shape })
    }

    /// Starts a query and returns at once.
    ///
    /// # Errors
    /// `invalid-parameter` for an unknown format; what the database says comes from the stream.
    pub fn query(&self, query: Query, reading: &Reading) -> Result<ChunkStream> {
        let format = reading.format()?.unwrap_or(Format::ArrowStream);
        let fs = self.clone();
        let wanted = Wanted { format, options: reading.options, spool: None };
        ChunkStream::rows_of(wanted, reading.timeout, move |sink, cancel| {
            fs.database.query(&query, sink, cancel)
        })
    }

    /// As [`DatabaseFs::query`], without encoding.
    ///
    /// # Errors
    /// As [`DatabaseFs::query`].
    pub fn query_batches(&self, query: Query, timeout: Option<Duration>) -> Result<BatchStream> {
        let fs = self.clone();
        BatchStream::rows_of(timeout, move |sink, cancel| fs.database.query(&query, sink, cancel))
    }
}
