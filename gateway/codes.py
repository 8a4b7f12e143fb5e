"""The codes of everything that can go wrong: one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: what a code means, to a program and to a person."""

    code: str
    status: int
    title: str
    explanation: str


_KINDS: Final = (
    Kind(
        "invalid-path",
        400,
        "The path is not in the grammar",
        "A segment is empty, is '.' or '..', has a malformed percent escape or is not UTF-8. Names "
        "are percent-encoded once by the grammar of paths and once more by the URL.",
    ),
    Kind(
        "invalid-request",
        400,
        "The request is malformed",
        "A header, a parameter or the JSON of a query does not have the form that is documented for it.",
    ),
    Kind(
        "invalid-parameter",
        400,
        "A parameter is unknown or malformed",
        "Data paths take columns, where, order, limit and offset. Unknown parameters and unknown "
        "columns are errors, so that a misspelling never returns the wrong rows.",
    ),
    Kind(
        "invalid-predicate",
        400,
        "The predicate is outside what 'where' allows",
        "'where' takes columns of the relation, literals, comparison, arithmetic, AND, OR, NOT, IN "
        "(list), BETWEEN, LIKE, IS NULL and casts to scalar types. Anything else belongs to the query "
        "endpoint.",
    ),
    Kind(
        "invalid-query",
        400,
        "The database refused the query",
        "The statement does not parse, names something that does not exist, is more than one "
        "statement, or its parameters do not fit it.",
    ),
    Kind(
        "malformed-body",
        400,
        "The body is not in its format",
        "The bytes are not what the extension of the path says, or there are none. Nothing was changed.",
    ),
    Kind(
        "incomplete-body",
        400,
        "The body ended before its end",
        "Fewer bytes arrived than were promised, or the format's own end is missing. Nothing was changed.",
    ),
    Kind(
        "digest-mismatch",
        400,
        "The body does not have the digest that was sent with it",
        "Content-Digest and Repr-Digest are checked for sha-256 and sha-512. Nothing was changed.",
    ),
    Kind(
        "read-only",
        403,
        "The gateway is read-only here",
        "Start the gateway with --access write to change rows, or with --access manage to create and "
        "drop relations. The query endpoint is always read-only.",
    ),
    Kind(
        "forbidden",
        403,
        "The access level does not allow it",
        "Replacing and appending rows needs 'write'. Creating, dropping and renaming relations and "
        "schemas needs 'manage'.",
    ),
    Kind(
        "data-file-delete",
        403,
        "A data file cannot be deleted",
        "A data file is a view of a relation's rows. To drop the relation, DELETE its directory.",
    ),
    Kind(
        "mkcol-relation",
        403,
        "A relation cannot be made as a collection",
        "A relation needs columns. PUT a data file with a new name to create one.",
    ),
    Kind(
        "not-copied",
        403,
        "This cannot be copied or moved there",
        "Rows are copied between data files, relations to other names, and scratch files anywhere. A data "
        "file is not moved: MOVE the relation's directory. Schemas are renamed, never copied.",
    ),
    Kind(
        "propfind-finite-depth",
        403,
        "PROPFIND needs a Depth of 0 or 1",
        "A whole database in one answer is refused. Send the header Depth: 0 or Depth: 1.",
    ),
    Kind(
        "cross-origin",
        403,
        "Another site's page sent this request",
        "Methods that change something are accepted only from pages of the gateway itself and from programs.",
    ),
    Kind(
        "not-found",
        404,
        "There is nothing at this path",
        "No such database, schema, relation, item or service address.",
    ),
    Kind(
        "not-a-directory",
        404,
        "A file has no members",
        "The path goes on below a data file or a metadata document.",
    ),
    Kind(
        "method-not-allowed",
        405,
        "The resource does not have this method",
        "The header Allow lists the methods of the resource.",
    ),
    Kind(
        "is-a-directory",
        405,
        "The resource is a directory",
        "Rows are read from and written to data files, such as /schema/relation.arrow.",
    ),
    Kind(
        "not-acceptable",
        406,
        "No representation fits the Accept header",
        "The extension of a data path decides its format. On '.arrow', Accept may choose between the "
        "Arrow stream and the Arrow file format.",
    ),
    Kind(
        "already-exists",
        409,
        "The name is taken",
        "A schema, a relation or a file of this name is there already.",
    ),
    Kind(
        "parent-missing",
        409,
        "The directory does not exist",
        "A relation can only be created in a schema that exists, and a file only in a directory that does.",
    ),
    Kind(
        "constraint-violation",
        409,
        "A constraint of the database was violated",
        "The transaction was rolled back. 'column', 'row' and 'sqlstate' are given where the engine "
        "says them.",
    ),
    Kind(
        "not-empty",
        409,
        "The schema still has relations",
        "Only an empty schema can be dropped.",
    ),
    Kind(
        "lock-token-mismatch",
        409,
        "The lock is not one of this resource",
        "The header Lock-Token of UNLOCK names a lock that does not exist, has ended, or covers "
        "something else.",
    ),
    Kind(
        "snapshot-gone",
        409,
        "The state that was read by ranges is gone",
        "The rows have changed, and what they were is no longer kept. Begin anew with HEAD or a whole GET.",
    ),
    Kind(
        "precondition-failed",
        412,
        "A precondition of the request does not hold",
        "If-Match, If-None-Match, If-Unmodified-Since or If does not fit the state of the resource.",
    ),
    Kind(
        "body-too-large",
        413,
        "The body is larger than allowed",
        "The limit is max_body_bytes, for the body as sent and as inflated. Nothing was changed.",
    ),
    Kind(
        "unsupported-media-type",
        415,
        "The body's type or coding is not accepted here",
        "Content-Type must fit the extension of the path (or be absent). Content-Encoding may be gzip "
        "or zstd.",
    ),
    Kind(
        "range-not-satisfiable",
        416,
        "No range is within the representation",
        "Content-Range has the size of the representation as it is now.",
    ),
    Kind(
        "misdirected-request",
        421,
        "The Host header names another host",
        "By default only loopback names are served, which stops DNS rebinding. Add names with "
        "--allowed-hosts.",
    ),
    Kind(
        "schema-mismatch",
        422,
        "The columns of the body do not fit the relation",
        "Columns match by name, in any order. An unknown column or a type that cannot be carried is "
        "an error. Nothing was changed.",
    ),
    Kind(
        "value-out-of-range",
        422,
        "A value does not fit its column exactly",
        "Values are stored exactly or not at all. Nothing was changed.",
    ),
    Kind(
        "result-too-large",
        422,
        "The result is larger than allowed",
        "The limit is query_max_bytes. Select fewer rows or columns.",
    ),
    Kind(
        "locked",
        423,
        "The resource is locked",
        "Send the lock's token in an If header, or wait until the lock is given up.",
    ),
    Kind(
        "cancelled",
        499,
        "The client left before the answer",
        "Only ever seen in logs. Nothing was changed.",
    ),
    Kind(
        "internal",
        500,
        "The gateway failed",
        "The fault is in the gateway or its backend. The log has the details under the id of this answer.",
    ),
    Kind(
        "unsupported",
        501,
        "The engine or the format cannot do this",
        "For example an upsert into a relation without a primary key, or a backend without a way to create.",
    ),
    Kind(
        "bad-destination",
        502,
        "The destination is on another server",
        "The header Destination of COPY and MOVE names a path of this gateway, by the host that the "
        "request was sent to.",
    ),
    Kind(
        "pool-exhausted",
        503,
        "All connections of the database are in use",
        "The request waited for pool_wait seconds. Try again after the time in Retry-After.",
    ),
    Kind(
        "database-unavailable",
        503,
        "The database cannot be reached",
        "It is down, or locked by somebody else. Try again after the time in Retry-After.",
    ),
    Kind(
        "lock-store-unavailable",
        503,
        "The store of locks cannot be reached",
        "Locks and dead properties are kept in Redis, by the setting lock_store. While it does not answer, "
        "nothing is written that a lock could guard. Try again after the time in Retry-After.",
    ),
    Kind(
        "query-timeout",
        504,
        "The statement took too long",
        "The limit is query_timeout, or the timeout that was asked for if it is shorter.",
    ),
    Kind(
        "property-store-full",
        507,
        "No room for another property",
        "What clients attach to resources by PROPPATCH is kept within a bound. Nothing was changed.",
    ),
    Kind(
        "lock-store-full",
        507,
        "No room for another lock",
        "Locks are kept within a bound. They end by UNLOCK or by their timeout.",
    ),
    Kind(
        "http-version",
        505,
        "The answer needs HTTP/1.1",
        "A body of unknown length is sent in chunks, which HTTP/1.0 does not have. A proxy in front "
        "of the gateway must speak HTTP/1.1 to it.",
    ),
    Kind(
        "scratch-full",
        507,
        "No room for another scratch file",
        "Files that are no tables are kept within scratch_quota for each principal, and removed when nobody "
        "has used them for scratch_age. Nothing was changed.",
    ),
    Kind(
        "spool-full",
        507,
        "No room to receive the body",
        "The spool directory is full. Nothing was changed.",
    ),
)

TABLE: Final[Mapping[str, Kind]] = {kind.code: kind for kind in _KINDS}
"""Code to meaning. Codes are stable: programs may depend on them."""
