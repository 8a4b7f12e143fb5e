"""Arrow types as column types of new tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from fsspec_db.errors import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence


def columns_of(schema: pa.Schema, family: str) -> Sequence[sa.Column[Any]]:
    """The columns of a new table; a field that is not nullable is `NOT NULL`.

    Raises:
        SchemaMismatchError: The database has no type for a field's values.
    """
    return [
        sa.Column(
            sa.sql.quoted_name(field.name, quote=True),
            _column_type(field, family),
            nullable=field.nullable,
            autoincrement=False,
        )
        for field in schema
    ]


def _column_type(field: pa.Field, family: str) -> Any:
    source = field.type
    extension = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()
    if isinstance(source, pa.BaseExtensionType):
        extension, source = source.extension_name, source.storage_type
    while pa.types.is_dictionary(source) or pa.types.is_run_end_encoded(source):
        source = source.value_type
    found = _type_of(source, extension, family)
    if found is None:
        raise SchemaMismatchError(
            f"column {field.name!r}: this database has no type for {field.type}", column=field.name
        )
    return found


def _type_of(source: pa.DataType, extension: str, family: str) -> Any:
    kinds = pa.types
    on_mysql = family == "mysql"
    if kinds.is_boolean(source):
        return sa.Boolean()
    if kinds.is_integer(source):
        return _integer(source, family)
    if kinds.is_floating(source):
        single = source.bit_width <= 32
        if on_mysql:
            return mysql.FLOAT() if single else mysql.DOUBLE()
        return sa.REAL() if single and family == "postgresql" else sa.Double()
    if kinds.is_decimal(source):
        most = {"mysql": 65, "sqlite": 15, "postgresql": 1000}.get(family, 38)
        return (
            sa.Numeric(source.precision, source.scale)
            if 0 <= source.scale <= source.precision <= most
            else None
        )
    if extension == "arrow.uuid" and source == pa.binary(16):
        return sa.Uuid() if family == "postgresql" else None
    if kinds.is_string(source) or kinds.is_large_string(source) or kinds.is_string_view(source):
        if extension == "arrow.json" and family in ("postgresql", "mysql", "sqlite"):
            return sa.JSON() if family != "postgresql" else postgresql.JSON()
        return mysql.LONGTEXT(charset="utf8mb4") if on_mysql else sa.Text()
    if kinds.is_null(source):
        return sa.Text()
    if (
        kinds.is_binary(source)
        or kinds.is_large_binary(source)
        or kinds.is_fixed_size_binary(source)
        or kinds.is_binary_view(source)
    ):
        return mysql.LONGBLOB() if on_mysql else sa.LargeBinary()
    if kinds.is_list(source) or kinds.is_large_list(source) or kinds.is_fixed_size_list(source):
        item = _type_of(source.value_type, "", family)
        flat = item is not None and not isinstance(item, sa.ARRAY)
        return sa.ARRAY(item, dimensions=1) if flat and family == "postgresql" else None
    return _temporal(source, family)


def _integer(source: pa.DataType, family: str) -> Any:
    bits = source.bit_width
    unsigned = pa.types.is_unsigned_integer(source)
    if family == "mysql":
        kind: Any = {8: mysql.TINYINT, 16: mysql.SMALLINT, 32: mysql.INTEGER, 64: mysql.BIGINT}[bits]
        return kind(unsigned=unsigned)
    if unsigned and bits == 64:
        return sa.Numeric(20, 0) if family != "sqlite" else None
    bits *= 1 + unsigned
    return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits == 32 else sa.BigInteger()


def _temporal(source: pa.DataType, family: str) -> Any:
    kinds = pa.types
    if kinds.is_date(source):
        return sa.Date()
    if kinds.is_time(source):
        return mysql.TIME(fsp=6) if family == "mysql" else sa.Time()
    if kinds.is_timestamp(source):
        if source.tz is None:
            return mysql.DATETIME(fsp=6) if family == "mysql" else sa.DateTime()
        if family == "mysql":
            return mysql.TIMESTAMP(fsp=6)
        return sa.DateTime(timezone=True) if family != "sqlite" else None
    if kinds.is_duration(source) and family == "mysql":
        return mysql.TIME(fsp=6)
    if kinds.is_interval(source) and family == "postgresql":
        return postgresql.INTERVAL()
    return None
