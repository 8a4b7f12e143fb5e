"""A version changes whenever rows may have changed, whoever changed them; or there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.harness import Database


def test_a_version_changes_with_the_rows(db: Database) -> None:
    def version() -> str | None:
        return db.fs.bridge.data_version(db.path("users", "csv"))

    first = version()
    if not db.quirks.data_version:
        assert first is None
        assert db.fs.ukey(db.path("users", "csv")) != db.fs.ukey(db.path("users", "csv"))
        return
    assert first is not None
    # It may change too often, as where a server has one for all its databases; not at every look.
    assert any(version() == version() for _ in range(10))
    seen = {first}
    for change in (
        lambda: db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n", mode="append"),
        lambda: db.execute("UPDATE users SET score = 7"),
        lambda: db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n"),
        lambda: db.execute("DELETE FROM users"),
    ):
        change()
        now = version()
        assert now is not None
        assert now not in seen
        seen.add(now)


def test_views_see_the_changes_of_what_they_read(db: Database) -> None:
    if db.quirks.data_version:
        before = db.fs.ukey(db.path("grown", "csv"))
        db.execute("UPDATE users SET name = 'changed'")
        assert db.fs.ukey(db.path("grown", "csv")) != before
