"""What `fsspec-db serve` without a URL shows: a database, and what to try on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsspec_db.demo import demo_database

if TYPE_CHECKING:
    from fsspec_db import Access

_READ = """\
curl -s {base}/main/lineitem.arrow -o li.arrow
curl -s '{base}/main/lineitem.csv?columns=l_orderkey,l_comment&where=l_quantity>49&limit=5'
curl -s '{base}/-/query?sql=select+count(*)+from+lineitem&format=json'
curl -s -X PROPFIND -H 'Depth: 1' {base}/main/
python -c "import fsspec; print(fsspec.filesystem('http').glob('{base}/main/*.parquet'))"
"""
_WRITE = "curl -sT li.arrow {base}/main/lineitem.arrow\n"


def demo_url() -> str:
    """The URL of the demo database, which is made on first use.

    Raises:
        FileNotFoundError: `tpchgen-cli`, which comes with the extra `demo`, is not installed.
    """
    return f"sqlite:///{demo_database()}"


def suggestions(base: str, access: Access) -> str:
    """What to try, as commands for a shell, one on a line.

    Args:
        base: The address of the server, such as `http://127.0.0.1:8080/`.
        access: The access that was given: what needs more is left out.
    """
    commands = _READ if access == "read" else _READ + _WRITE
    return commands.format(base=base.rstrip("/"))
