"""What a `DELETE` of one table's rows has to do with others: foreign keys, heirs, and who deletes too."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from fsspec_db.engines.statements import qualified, text_literal
from fsspec_db.errors import ConstraintViolationError

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES = ("CASCADE", "SET NULL", "SET DEFAULT")
"""What a foreign key may say about `ON DELETE` that changes rows of its own table."""

# A `DELETE` of PostgreSQL reaches partitions and heirs too, whose rows may be referred to by themselves.
_POSTGRESQL = """
WITH RECURSIVE emptied (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {relation}
    UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN emptied e ON e.oid = i.inhparent)
(SELECT CAST(h.relname AS text) || ' (INHERITS)' AS found
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_inherits i ON i.inhparent = c.oid JOIN pg_catalog.pg_class h ON h.oid = i.inhrelid
WHERE n.nspname = {schema} AND c.relname = {relation} AND c.relkind <> 'p'
ORDER BY h.relname LIMIT 1)
UNION ALL
(SELECT CAST(k.conname AS text) || ' (ON DELETE ' || CASE k.confdeltype
    WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END || ')' AS found
FROM pg_catalog.pg_constraint k
WHERE k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd')
    AND k.confrelid IN (SELECT oid FROM emptied) AND k.conrelid NOT IN (SELECT oid FROM emptied)
ORDER BY k.conparentid, k.conname LIMIT 1)
LIMIT 1"""

# Who only adds rows does not wait for it. Foreign tables cannot be locked.
_LOCK = """
SELECT 'LOCK TABLE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    || ' IN SHARE UPDATE EXCLUSIVE MODE' AS found
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = {schema} AND c.relname = {relation} AND c.relkind IN ('r', 'p')"""

# Its catalogue compares without case what may be two names.
_MYSQL = """
SELECT CONCAT(k.constraint_name, ' (ON DELETE ', k.delete_rule, ')') AS found
FROM information_schema.referential_constraints k
WHERE k.delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
    AND k.unique_constraint_schema = {schema} AND k.referenced_table_name = {relation}
    AND (@@lower_case_table_names > 0 OR CAST(k.unique_constraint_schema AS BINARY) = {schema}
         AND CAST(k.referenced_table_name AS BINARY) = {relation})
    AND NOT (CAST(k.constraint_schema AS BINARY) = {schema} AND CAST(k.table_name AS BINARY) = {relation})
ORDER BY k.constraint_name LIMIT 1"""

# A foreign key has no name there, but the number that its table counts it by.
_SQLITE = """
SELECT 'fk_' || s.name || '_' || (k.id + 1) || ' (ON DELETE ' || k.on_delete || ')' AS found
FROM {catalogue} AS s, pragma_foreign_key_list(s.name, {schema}) AS k
WHERE s.type = 'table' AND k."table" = {relation} COLLATE NOCASE AND s.name <> {relation} COLLATE NOCASE
    AND k.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
    AND (SELECT foreign_keys FROM pragma_foreign_keys)
ORDER BY 1 LIMIT 1"""

_STATEMENTS: Mapping[str, str] = MappingProxyType(
    {"mysql": _MYSQL, "postgresql": _POSTGRESQL, "sqlite": _SQLITE}
)


def cascade_from(dialect: str, schema: str, relation: str) -> str | None:
    """A `SELECT` of one text, `NAME (ON DELETE RULE)` or `NAME (INHERITS)`; of no row where none is changed.

    `None` where no catalogue is known that tells. On SQLite it looks at what its connection enforces.
    """
    statement = _STATEMENTS.get(dialect)
    if statement is None:
        return None
    return statement.format(
        schema=_text(dialect, schema),
        relation=_text(dialect, relation),
        catalogue=qualified("sqlite", schema, "sqlite_master"),
    )


def lock_for(dialect: str, schema: str, relation: str) -> str | None:
    """A `SELECT` of the statement by which one who replaces rows keeps out others who do, if one is needed.

    Where a `DELETE` reads what was committed when it began, two of them at once would leave the rows of
    both: the second does not see what the first inserts. `None` where the database sees to that itself.
    """
    if dialect != "postgresql":
        return None
    return _LOCK.format(schema=_text(dialect, schema), relation=_text(dialect, relation))


def refusal(schema: str, relation: str, key: str) -> ConstraintViolationError:
    """The error of a replacement that a foreign key or an heir, `NAME (HOW)`, carries into another table."""
    return ConstraintViolationError(
        f"replacing the rows of {schema}.{relation} would change those of another table, by {key}: "
        "update by primary key instead",
        path=f"/{schema}/{relation}",
    )


def _text(dialect: str, value: str) -> str:
    """A literal that means the same whatever the session says about backslashes."""
    if dialect == "mysql":
        return f"_utf8mb4 X'{value.encode().hex()}'"
    text = text_literal(value)
    return "E" + text.replace("\\", "\\\\") if dialect == "postgresql" else text
