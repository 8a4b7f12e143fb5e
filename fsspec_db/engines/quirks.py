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
    renames_schemas: bool = False
    """Schemas can be renamed."""
    overwrites: bool = True
    """A relation can be given the name of another one, which goes at the same time."""
    copies_whole: bool = True
    """A copy of a table has its keys and defaults, not only columns, types and NOT NULL."""
    copies_views: bool = True
    """A view can be copied as a view: into another schema only where relations can be moved there."""
    tidy: bool = True
    """Making, renaming and dropping are part of a transaction: what ends in their midst leaves nothing."""
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
    survives: bool = True
    """The process outlives a server that goes while it is read."""
    severs: bool = True
    """The time limit of a write holds also while the network to the server hangs."""
    defaults: bool = True
    """The catalogue tells the defaults of columns."""
    indexes: bool = True
    """The catalogue tells indexes."""
    definitions: bool = True
    """The catalogue tells the text of a view."""
    constraints: frozenset[str] = frozenset({"pk", "fk", "unique", "check"})
    """The kinds of constraints that the catalogue tells."""
    cascades: bool = True
    """Foreign keys can act on other tables, which replacing rows must not let them."""
    constraint_names: bool = True
    """Constraints keep the names that they were given."""
    comments: bool = True
    """Relations and columns can have comments."""
    depends_on: bool = True
    """The catalogue tells what a view reads."""
    data_version: bool = False
    """There is a text that changes whenever rows may have changed, and a write can depend on it."""
    keeps_json: bool = True
    """JSON is read as the text that was written."""
    case_sensitive: bool = True
    """Two names that differ by case alone are two names."""
    longest_name: int | None = None
    """Bytes of an identifier."""
    last_character: str = "\U0010ffff"
    """Identifiers have none beyond it."""
    notes: tuple[str, ...] = ()
    """Sentences for the docs."""


_UNTIDY = (
    "What ends in the midst of replacing a relation by another may leave one of them under a name that "
    "begins with `fsspec_db_new_`."
)

QUIRKS: Mapping[str, Quirks] = MappingProxyType(
    {
        "sqlite": Quirks(
            title="SQLite",
            creates_schemas=False,
            moves=False,
            comments=False,
            data_version=True,
            case_sensitive=False,
        ),
        "postgresql": Quirks(
            title="PostgreSQL",
            renames_schemas=True,
            data_version=True,
            longest_name=63,
        ),
        "mysql": Quirks(
            title="MySQL",
            tidy=False,
            keeps_json=False,
            longest_name=64,
            last_character="\uffff",
            notes=("Column names do not differ by case alone.", _UNTIDY),
        ),
        "mariadb": Quirks(
            title="MariaDB",
            tidy=False,
            longest_name=64,
            last_character="\uffff",
            notes=("Column names do not differ by case alone.", _UNTIDY),
        ),
        "duckdb": Quirks(
            title="DuckDB",
            cascades=False,
            moves=False,
            constraint_names=False,
            data_version=True,
            case_sensitive=False,
            notes=(
                "One process may write a file, or several read it.",
                "A schema with the name of the file cannot be read: DuckDB cannot tell the two apart.",
            ),
        ),
        "sqlalchemy": Quirks(
            title="SQLAlchemy",
            renames_schemas=True,
            copies_whole=False,
            copies_views=False,
            tidy=False,
            depends_on=False,
            longest_name=63,
            notes=(
                "What a database cannot do, SQLAlchemy cannot either: this is PostgreSQL, by psycopg.",
                _UNTIDY,
            ),
        ),
        "adbc": Quirks(
            title="ADBC (PostgreSQL's driver)",
            renames_schemas=True,
            copies_whole=False,
            copies_views=False,
            tidy=False,
            severs=False,
            parameters=frozenset({"positional"}),
            longest_name=63,
            comments=False,
            indexes=False,
            constraints=frozenset({"pk", "fk", "unique"}),
            depends_on=False,
            notes=(
                "What a driver does not tell is missing.",
                "Where nothing holds a driver to reading, as over Flight SQL, the URL vouches for queries.",
                "SQLite's driver guesses types and cannot be cancelled.",
                _UNTIDY,
            ),
        ),
        "odbc": Quirks(
            title="ODBC (PostgreSQL's driver)",
            survives=False,
            severs=False,
            renames=False,
            overwrites=False,
            copies_whole=False,
            copies_views=False,
            creates_schemas=False,
            moves=False,
            upserts=False,
            queries=False,
            parameters=frozenset({"positional"}),
            constraints=frozenset({"pk", "fk"}),
            comments=False,
            depends_on=False,
            longest_name=63,
            notes=(
                "Several statements can be sent as one, so the URL must vouch for queries.",
                "Parameters are sent as texts.",
                "SQLite's driver rounds doubles and guesses types: what it would change is an error.",
                "PostgreSQL's driver may crash the process when its server goes while it is read.",
            ),
        ),
    }
)
"""By the name of the engine; a new engine is one record here."""
