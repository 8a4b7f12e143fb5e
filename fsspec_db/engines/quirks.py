"""What each engine does otherwise: read by the conformance suite and by the table of the docs."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """What an engine cannot do. The defaults are what the conformance suite expects.

    Nothing is skipped for a quirk: where it says that an engine cannot, the suite sees it refuse.
    """

    title: str
    """As its makers spell it."""
    creates: bool = True
    """Relations can be created and dropped."""
    renames: bool = True
    """Relations can be renamed."""
    creates_schemas: bool = True
    """Schemas can be created and dropped."""
    moves: bool = True
    """A relation can be renamed into another schema."""
    replaces: bool = True
    """All rows can be replaced in one transaction."""
    upserts: bool = True
    """Rows can be updated by primary key."""
    queries: bool = True
    """The engine itself can hold a statement to reading, so there is a query endpoint."""
    parameters: frozenset[str] = frozenset({"positional", "named"})
    """How a query's values can be given."""
    snapshot: bool = True
    """A read is one state of the database, whoever writes meanwhile."""
    cancels: bool = True
    """A statement that still has no rows stops within a second of its reader leaving."""
    defaults: bool = True
    """The catalogue tells the defaults of columns."""
    indexes: bool = True
    """The catalogue tells indexes."""
    definitions: bool = True
    """The catalogue tells the text of a view."""
    constraints: frozenset[str] = frozenset({"pk", "fk", "unique", "check"})
    """The kinds of constraints that the catalogue tells."""
    comments: bool = True
    """Relations and columns can have comments."""
    depends_on: bool = True
    """The catalogue tells what a view reads."""
    data_version: bool = False
    """There is a text that changes whenever rows may have changed."""
    case_sensitive: bool = True
    """Two names that differ by case alone are two names."""
    longest_name: int | None = None
    """Bytes of an identifier."""
    last_character: str = "\U0010ffff"
    """Identifiers have none beyond it."""
    notes: tuple[str, ...] = ()
    """Sentences for the docs."""


QUIRKS: Mapping[str, Quirks] = MappingProxyType(
    {
        "duckdb": Quirks(
            title="DuckDB",
            moves=False,
            case_sensitive=False,
            notes=(
                "One process may write a file, or several read it.",
                "A schema with the name of the file cannot be read: DuckDB cannot tell the two apart.",
            ),
        ),
        "sqlite": Quirks(
            title="SQLite",
            creates_schemas=False,
            moves=False,
            comments=False,
            data_version=True,
            case_sensitive=False,
        ),
        "mysql": Quirks(
            title="MySQL, MariaDB",
            longest_name=64,
            last_character="\uffff",
            notes=("Column names do not differ by case alone.",),
        ),
        "postgresql": Quirks(
            title="PostgreSQL",
            parameters=frozenset({"positional"}),
            data_version=True,
            longest_name=63,
        ),
    }
)
"""By the name of the engine; a new engine is one record here."""
