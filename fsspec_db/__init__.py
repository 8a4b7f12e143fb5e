"""Any database as an fsspec filesystem."""

from importlib.metadata import PackageNotFoundError, version

from fsspec.registry import register_implementation

from fsspec_db._bridge import (
    FORMATS,
    ArrivingBody,
    ChunkStream,
    ColumnInfo,
    ConstraintInfo,
    Doorbell,
    IndexInfo,
    Path,
    RelationInfo,
    SchemaInfo,
    decode_name,
    encode_name,
    fitted,
    on_cancel,
)
from fsspec_db.connect import DatabaseFileSystem, connect
from fsspec_db.database import AbstractDatabase, Access, ArrowStream, InsertMode, WriteMode
from fsspec_db.errors import (
    ERRORS,
    AlreadyExistsError,
    BodyTooLargeError,
    ConstraintViolationError,
    DatabaseError,
    DatabaseUnavailableError,
    DirectoryAsFileError,
    FileAsDirectoryError,
    ForbiddenError,
    IncompleteBodyError,
    InternalError,
    InvalidParameterError,
    InvalidPathError,
    InvalidPredicateError,
    InvalidQueryError,
    MalformedBodyError,
    NotEmptyError,
    NotFoundError,
    OperationCancelledError,
    PreconditionFailedError,
    QueryTimeoutError,
    ReadOnlyError,
    SchemaMismatchError,
    SpoolFullError,
    UnsupportedError,
    ValueOutOfRangeError,
    code_of,
    make_error,
)
from fsspec_db.filesystem import AbstractDatabaseFileSystem
from fsspec_db.protocols import PROTOCOLS
from fsspec_db.protocols.drivers import ADBCFileSystem, ODBCFileSystem, SQLAlchemyFileSystem
from fsspec_db.protocols.files import DuckDBFileSystem, SQLiteFileSystem
from fsspec_db.protocols.servers import MySQLFileSystem, PostgreSQLFileSystem
from fsspec_db.read_file import ReadFile
from fsspec_db.write_file import TextFile, WriteFile

try:
    __version__ = version("fsspec-db-gateway")
except PackageNotFoundError:  # imported from a checkout that was not installed
    __version__ = "0+unknown"

# Entry points name these too; this is for a checkout that was not installed.
for _protocol, _place in PROTOCOLS.items():
    register_implementation(_protocol, _place, clobber=True)

__all__ = [
    "ERRORS",
    "FORMATS",
    "ADBCFileSystem",
    "AbstractDatabase",
    "AbstractDatabaseFileSystem",
    "Access",
    "AlreadyExistsError",
    "ArrivingBody",
    "ArrowStream",
    "BodyTooLargeError",
    "ChunkStream",
    "ColumnInfo",
    "ConstraintInfo",
    "ConstraintViolationError",
    "DatabaseError",
    "DatabaseFileSystem",
    "DatabaseUnavailableError",
    "DirectoryAsFileError",
    "Doorbell",
    "DuckDBFileSystem",
    "FileAsDirectoryError",
    "ForbiddenError",
    "IncompleteBodyError",
    "IndexInfo",
    "InsertMode",
    "InternalError",
    "InvalidParameterError",
    "InvalidPathError",
    "InvalidPredicateError",
    "InvalidQueryError",
    "MalformedBodyError",
    "MySQLFileSystem",
    "NotEmptyError",
    "NotFoundError",
    "ODBCFileSystem",
    "OperationCancelledError",
    "Path",
    "PostgreSQLFileSystem",
    "PreconditionFailedError",
    "QueryTimeoutError",
    "ReadFile",
    "ReadOnlyError",
    "RelationInfo",
    "SQLAlchemyFileSystem",
    "SQLiteFileSystem",
    "SchemaInfo",
    "SchemaMismatchError",
    "SpoolFullError",
    "TextFile",
    "UnsupportedError",
    "ValueOutOfRangeError",
    "WriteFile",
    "WriteMode",
    "__version__",
    "code_of",
    "connect",
    "decode_name",
    "encode_name",
    "fitted",
    "make_error",
    "on_cancel",
]
