"""What SQLAlchemy's inspector tells of schemas and relations, in our words."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fsspec_db._bridge import ConstraintInfo
from fsspec_db.engines.cascades import RULES, cascade_from
from fsspec_db.engines.sqlalchemy import dialects, types
from fsspec_db.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def columns_in(inspector: sa.Inspector, schema: str, relation: str) -> list[dict[str, Any]]:
    """The reflected columns; `declared` is a type as the database spells it, `carrier` how it travels.

    Raises:
        NotFoundError: There is no such relation.
    """
    columns: list[dict[str, Any]] = [dict(column) for column in inspector.get_columns(relation, schema)]
    if not columns:
        raise NotFoundError(f"there is no relation {relation!r}")
    dialect = dialects.of(inspector.dialect)
    spelling: dict[str, Any] = {}
    if dialect.declared:
        names = {"schema": schema, "relation": relation}
        connection: Any = inspector.bind
        spelling = {row[0]: row for row in connection.execute(sa.text(dialect.declared), names)}
    for column in columns:
        _, declared, base, *held = spelling.get(column["name"], (None, None, None))
        column["nullable"] = column["nullable"] or held == [False]
        column["declared"] = declared = declared or _spelled(column["type"], inspector.dialect)
        column["carrier"] = types.carrier_of(column["type"], dialect.family, base or declared)
    return columns


def _spelled(kind: Any, dialect: sa.Dialect) -> str:
    try:
        return str(kind.compile(dialect))
    except sa.exc.SQLAlchemyError:
        return "unknown"


def known(tell: Callable[..., Any], relation: str, schema: str) -> Any:
    """What a dialect tells, or nothing where it has no word for it."""
    try:
        return tell(relation, schema)
    except NotImplementedError:
        return []


def relations(inspector: sa.Inspector, schema: str) -> dict[str, str]:
    """The relations of a schema, and of which kind each is."""
    found = dict.fromkeys(inspector.get_table_names(schema), "table")
    for kind, method in (("view", "get_view_names"), ("materialized view", "get_materialized_view_names")):
        with suppress(NotImplementedError):
            found.update(dict.fromkeys(getattr(inspector, method)(schema), kind))
    foreign = getattr(inspector, "get_foreign_table_names", None)
    if foreign is not None:
        found.update(dict.fromkeys(foreign(schema), "foreign table"))
    return found


def kind_of(inspector: sa.Inspector, schema: str, relation: str) -> str:
    """Of which kind a relation is.

    Raises:
        NotFoundError: There is none of that name.
    """
    kind = relations(inspector, schema).get(relation)
    if kind is None:
        raise NotFoundError(f"there is no relation {relation!r}")
    return kind


def comment_of(inspector: sa.Inspector, schema: str, relation: str) -> str | None:
    """The comment of a relation."""
    try:
        text: str | None = inspector.get_table_comment(relation, schema).get("text")
    except (NotImplementedError, sa.exc.NoSuchTableError):  # the latter of views
        return None
    return text


def key_of(inspector: sa.Inspector, schema: str, relation: str) -> list[str]:
    """The columns of the primary key."""
    return list(inspector.get_pk_constraint(relation, schema).get("constrained_columns") or [])


def cascade_of(inspector: sa.Inspector, schema: str, relation: str) -> str | None:
    """A foreign key, `NAME (ON DELETE RULE)`, by which deleting rows would change those of another table."""
    connection: Any = inspector.bind
    dialect = dialects.of(inspector.dialect)
    asked = cascade_from(dialect.family, schema, relation)
    if asked is not None:
        found = connection.exec_driver_sql(asked, execution_options={"no_parameters": True})
        return found.scalar()  # type: ignore[no-any-return]
    for near in inspector.get_schema_names():
        if near in dialect.hidden:
            continue
        # A schema that is not told is this one, or the one that goes without saying.
        unsaid = {near, inspector.default_schema_name}
        try:
            keys = inspector.get_multi_foreign_keys(schema=near)
        except NotImplementedError:
            return None
        for (_, table), each in keys.items():
            for at, key in enumerate(each, 1):
                rule = str(key.get("options", {}).get("ondelete") or "").upper()
                far = {key["referred_schema"]} if key["referred_schema"] else unsaid
                refers = key["referred_table"] == relation and schema in far
                if refers and rule in RULES and (near, table) != (schema, relation):
                    return f"{key['name'] or f'fk_{table}_{at}'} (ON DELETE {rule})"
    return None


def constraint_of(schema: str, kind: str, found: Mapping[str, Any], name: str) -> ConstraintInfo:
    """A constraint; `name` is for one that has none."""
    columns = found.get("constrained_columns") or found.get("column_names") or []
    references = None
    if kind == "fk":
        far = ", ".join(found["referred_columns"])
        references = f"{found.get('referred_schema') or schema}.{found['referred_table']}({far})"
    return ConstraintInfo(found.get("name") or name, kind, list(columns), references, found.get("sqltext"))
