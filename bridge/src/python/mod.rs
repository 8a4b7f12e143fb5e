//! The Python module `fsspec_db._bridge`.
