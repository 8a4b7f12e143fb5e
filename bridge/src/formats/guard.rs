//! The boundary that a panic inside a decoder does not cross.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::body::Arriving;
use crate::database::Rows;
use crate::error::{Code, Error, Result};

/// Runs `work`; a panic in it, which only a malformed body can cause, becomes `malformed-body`.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let cause = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::new(Code::MalformedBody, "the body is not valid in its format").with_source(cause))
    })
}

/// Rows that end at the first error or with a body that is proven to be whole, and whose panics
/// are errors.
pub(super) struct Guarded {
    rows: Option<Box<dyn Rows>>,
    schema: SchemaRef,
    arriving: Option<Arc<Arriving>>,
}

impl Guarded {
    pub(super) fn new(rows: Box<dyn Rows>, arriving: Option<Arc<Arriving>>) -> Self {
        Self { schema: rows.schema(), rows: Some(rows), arriving }
    }
}

impl Iterator for Guarded {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let next = guarded(|| match (rows.next().transpose()?, &self.arriving) {
            (None, Some(arriving)) => arriving.proven().map(|()| None),
            (batch, _) => Ok(batch),
        });
        if !matches!(next, Ok(Some(_))) {
            self.rows = None;
        }
        next.transpose()
    }
}

impl Rows for Guarded {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::Schema;

    use super::*;

    struct Panics;

    impl Iterator for Panics {
        type Item = Result<RecordBatch>;

        fn next(&mut self) -> Option<Self::Item> {
            panic!("a length that was believed")
        }
    }

    impl Rows for Panics {
        fn schema(&self) -> SchemaRef {
            Arc::new(Schema::empty())
        }
    }

    #[test]
    fn a_panic_of_a_decoder_is_a_malformed_body() {
        let opened = guarded::<()>(|| panic!("a length that was believed"));
        assert_eq!(opened.unwrap_err().code(), Code::MalformedBody);
        let mut rows = Guarded::new(Box::new(Panics), None);
        assert_eq!(rows.next().unwrap().unwrap_err().code(), Code::MalformedBody);
        assert!(rows.next().is_none());
    }
}
