"""Filesystems by the URL of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fsspec.config import conf
from fsspec.spec import make_instance

from fsspec_db.engines import engine_of, open_engine
from fsspec_db.engines.urls import absolute, is_in_memory, without_credentials
from fsspec_db.errors import InvalidParameterError, UnsupportedError
from fsspec_db.filesystem import AbstractDatabaseFileSystem
from fsspec_db.reading import ReadableFileSystem
from fsspec_db.snapshots import SNAPSHOT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsspec_db.database import Access


_OF_FSSPEC: Final = frozenset(
    {"asynchronous", "batch_size", "listings_expiry_time", "loop", "max_paths", "use_listings_cache"}
)


class DatabaseFileSystem(AbstractDatabaseFileSystem):
    """The database that a URL names.

    Instances of equal arguments are one instance, as fsspec has it. Pickled and printed forms
    leave passwords out, unless `pickle_credentials` says that they may travel.

    Args:
        url: `sqlite:///file.db` (four slashes: absolute), `postgresql://user@host/database`,
            `python:module:callable` …
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        formats: Which formats listings show; all are there by name.
        threads: The most threads that one read may use; by default the engine decides.
        pickle_credentials: Whether pickles hold the URL as it was given.
        snapshot_bytes: The most bytes of what was read that are kept for reading again.
        **storage_options: What fsspec takes for any filesystem.

    Raises:
        ValueError: The URL or an option is not known.
    """

    cachable = True

    def __init__(
        self,
        url: str,
        *,
        access: Access = "read",
        formats: Sequence[str] = ("arrow", "parquet", "csv"),
        threads: int | None = None,
        pickle_credentials: bool = False,
        snapshot_bytes: int = SNAPSHOT_BYTES,
        **storage_options: Any,
    ) -> None:
        # fsspec takes the gateway's variables, FSSPEC_DB_…, for options of the protocol `db`.
        unknown = sorted(storage_options.keys() - _OF_FSSPEC - conf.get("db", {}).keys())
        if unknown:  # passed over, `sslmode="verify-full"` would be a promise that nobody keeps
            detail = f"{unknown[0]!r} is no option of a filesystem"
            where = "what its engine is to know stands in the URL, or in `parameters` where there are such"
            raise InvalidParameterError(f"{detail}: {where}")
        engine_of(url)
        url = absolute(url)
        self._url = url
        self._pickle_credentials = pickle_credentials
        ReadableFileSystem.__init__(
            self,
            lambda: open_engine(url, access, threads),
            formats,
            snapshot_bytes=snapshot_bytes,
            **storage_options,
        )

    def _connect(self) -> None:
        if hasattr(self, "_bridge") and is_in_memory(self._url):
            raise UnsupportedError("a database in memory cannot be used by a forked process")
        super()._connect()

    @property
    def url(self) -> str:
        """The URL of the database, without passwords."""
        return without_credentials(self._url)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}, access {self._bridge.access}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if is_in_memory(self._url):
            raise TypeError("a database in memory cannot be pickled")
        return make_instance, (type(self), (), self._options(secrets=self._pickle_credentials))

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """As fsspec's; without passwords in the URL if they are not to be included."""
        described: dict[str, Any] = super().to_dict(include_password=include_password)
        return {**described, "args": [], **self._options(secrets=include_password)}

    def _options(self, *, secrets: bool) -> dict[str, Any]:
        return {**self.storage_options, "url": self._url if secrets else self.url}


def connect(url: str, *, access: Access = "read", **options: Any) -> DatabaseFileSystem:
    """Opens a database by URL; the filesystem is the caller's own, to be closed by it.

    Args:
        url: As `DatabaseFileSystem` has it.
        access: `read`, `write` or `manage`.
        **options: Further arguments of `DatabaseFileSystem`.

    Raises:
        ValueError: No engine has the URL's scheme, or the URL is malformed.
        FileNotFoundError: There is no such database.
    """
    return DatabaseFileSystem(url=url, access=access, skip_instance_cache=True, **options)
