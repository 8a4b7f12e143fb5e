//! The boundary that a panic inside a decoder does not cross.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

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

/// Rows that end at the first error, and whose panics are errors.
pub(super) struct Guarded(Option<Box<dyn Rows>>, SchemaRef);

impl Guarded {
    pub(super) fn new(rows: Box<dyn Rows>) -> Self {
        let schema = rows.schema();
        Self(Some(rows), schema)
    }
}

impl Iterator for Guarded {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.0.as_mut()?;
        match guarded(|| rows.next().transpose()) {
            Ok(Some(batch)) => Some(Ok(batch)),
            Ok(None) => {
                self.0 = None;
                None
            }
            Err(error) => {
                self.0 = None;
                Some(Err(error))
            }
        }
    }
}

impl Rows for Guarded {
    fn schema(&self) -> SchemaRef {
        self.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        let mut rows = Guarded::new(Box::new(Panics));
        assert_eq!(rows.next().unwrap().unwrap_err().code(), Code::MalformedBody);
        assert!(rows.next().is_none());
    }
}
