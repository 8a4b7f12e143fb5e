"""What SQLAlchemy's inspector tells of schemas and relations, in our words."""
# ruff: noqa: D102  (the contract says what they do)

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo
from fsspec_db.database import AbstractDatabase
from fsspec_db.engines.cascades import RULES, cascade_from
from fsspec_db.engines.sqlalchemy import dialects, types
from fsspec_db.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fsspec_db.engines.sqlalchemy.errors import Errors


class Catalogue(AbstractDatabase):
    """The half of the engine that describes a database."""

    _dialect: dialects.Dialect
    _engine: sa.Engine
    _errors: Errors

    def list_schemas(self) -> list[SchemaInfo]:
        with self._inspector() as inspector:
            hidden = self._dialect.hidden
            return [SchemaInfo(name) for name in inspector.get_schema_names() if name not in hidden]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        with self._inspector() as inspector:
            if schema not in inspector.get_schema_names():
                raise NotFoundError(f"there is no schema {schema!r}")
            return [
                RelationInfo(name, kind, comment=comment_of(inspector, schema, name))
                for name, kind in sorted(relations(inspector, schema).items())
            ]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        with self._inspector() as inspector:
            return RelationInfo(
                relation,
                kind_of(inspector, schema, relation),
                comment=comment_of(inspector, schema, relation),
            )

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        with self._inspector() as inspector:
            key = key_of(inspector, schema, relation)
            return [
                ColumnInfo(
                    column["name"],
                    column["declared"],
                    column["nullable"],
                    column.get("default"),
                    at,
                    column["name"] in key,
                    column.get("comment"),
                )
                for at, column in enumerate(columns_in(inspector, schema, relation), 1)
            ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        with self._inspector() as inspector:
            found = known(inspector.get_indexes, relation, schema)
            return [
                IndexInfo(
                    index["name"] or f"index_{at}",
                    [str(name) for name in index.get("expressions") or index["column_names"]],
                    bool(index["unique"]),
                    (index.get("dialect_options") or {}).get(f"{self._engine.dialect.name}_using"),
                )
                for at, index in enumerate(found, 1)
            ]

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        with self._inspector() as inspector:
            key = inspector.get_pk_constraint(relation, schema)
            found = [("pk", key, f"pk_{relation}")] if key.get("constrained_columns") else []
            for kind, tell in (
                ("fk", inspector.get_foreign_keys),
                ("unique", inspector.get_unique_constraints),
                ("check", inspector.get_check_constraints),
            ):
                each: Any = known(tell, relation, schema)
                found += [(kind, one, f"{kind}_{relation}_{at}") for at, one in enumerate(each, 1)]
            return [constraint_of(schema, *one) for one in found]

    def view_definition(self, schema: str, view: str) -> str:
        with self._inspector() as inspector:
            if kind_of(inspector, schema, view) == "table":
                raise NotFoundError(f"{view!r} is no view")
            return str(inspector.get_view_definition(view, schema) or "")

    def ping(self) -> None:
        with self._connected() as connection:
            connection.execute(sa.select(sa.literal(1)))

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._errors.told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _inspector(self) -> Iterator[sa.Inspector]:
        with self._connected() as connection:
            yield sa.inspect(connection)


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


def texts(connection: sa.Connection, statement: str) -> Iterator[str]:
    """The texts that a statement of our own answers."""
    answer = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    yield from answer.scalars().all()


def cascade_of(inspector: sa.Inspector, schema: str, relation: str) -> str | None:
    """A foreign key, `NAME (ON DELETE RULE)`, by which deleting rows would change those of another table."""
    connection: Any = inspector.bind
    dialect = dialects.of(inspector.dialect)
    asked = cascade_from(dialect.family, schema, relation)
    if asked is not None:
        return next(texts(connection, asked), None)
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
