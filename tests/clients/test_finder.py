"""What Finder of macOS sends, after public traces of `WebDAVFS`, replayed over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.drive import BAD, NEW, NEW_ROWS
from tests.clients.wire import Said, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.drive import Drive

ALWAYS = (
    "User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.6.0 (arm64)",
    "Accept: */*",
    "Accept-Language: en-GB,en;q=0.9",
    "Accept-Encoding: gzip, deflate",
    "Connection: keep-alive",
)
XML = "Content-Type: text/xml"
LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:lockinfo xmlns:D="DAV:">\n'
    b"<D:lockscope><D:exclusive/></D:lockscope>\n<D:locktype><D:write/></D:locktype>\n"
    b"<D:owner>\n<D:href>http://www.apple.com/webdav_fs/</D:href>\n</D:owner>\n</D:lockinfo>\n"
)
STAT = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n<D:getlastmodified/>\n'
    b"<D:getcontentlength/>\n<D:creationdate/>\n<D:resourcetype/>\n</D:prop>\n</D:propfind>\n"
)
LIST = STAT.replace(
    b"</D:prop>", b'<A:appledoubleheader xmlns:A="http://www.apple.com/webdav_fs/props/"/></D:prop>'
)
SPACE = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<D:propfind xmlns:D="DAV:">\n<D:prop>\n'
    b"<D:quota-available-bytes/>\n<D:quota-used-bytes/>\n<D:quota/>\n<D:quotaused/>\n</D:prop>\n</D:propfind>\n"
)
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4072)


class Finder:
    """A mounted volume. After each step the rows are those of before, or those of the body."""

    def __init__(self, drive: Drive, wire: Wire) -> None:
        self.drive = drive
        self.wire = wire
        self.seen = [drive.rows()]

    def say(self, line: str, *headers: str, body: bytes = b"", pieces: list[bytes] | None = None) -> Said:
        said = self.wire.say(line, *headers, body=body, pieces=pieces)
        rows = self.drive.rows()
        assert rows, line
        if rows != self.seen[-1]:
            self.seen.append(rows)
        return said

    def stat(self, path: str) -> Said:
        return self.say(f"PROPFIND {path}", "Depth: 0", XML, body=STAT)

    def lock(self, path: str) -> str:
        said = self.say(f"LOCK {path}", "Depth: 0", "Timeout: Second-600", XML, body=LOCK)
        assert said.status in (200, 201), said.body
        return said.token

    def unlock(self, path: str, token: str) -> None:
        assert self.say(f"UNLOCK {path}", f"Lock-Token: {token}").status == 204

    def write(self, path: str, body: bytes, token: str) -> Said:
        """Sends a file as the kernel hands it over, in chunks that say no length but beside."""
        pieces = [body[i : i + 20] for i in range(0, len(body), 20)] if len(body) < 1000 else [body]
        expected = f"X-Expected-Entity-Length: {len(body)}"
        return self.say(f"PUT {path}", f"If: ({token})", expected, pieces=pieces)

    def copy(self, path: str, body: bytes) -> Said:
        """Drops a file; the answer to its last PUT."""
        beside = "/._".join(path.rsplit("/", 1))
        self.stat(path)
        assert self.stat(beside).status == 404
        assert self.say(f"PUT {path}").status in (201, 204)
        token = self.lock(path)
        assert self.stat(path).status == 207
        self.say(f"GET {path}", "Cache-Control: no-cache")
        # The attributes of the file, which Unix has nowhere to put.
        assert self.say(f"PUT {beside}").status == 201
        held = self.lock(beside)
        assert self.stat(beside).text("getcontentlength") == "0"
        assert self.write(beside, APPLE_DOUBLE, held).status in (201, 204)
        self.unlock(beside, held)
        assert self.stat(beside).text("getcontentlength") == str(len(APPLE_DOUBLE))
        said = self.write(path, body, token)
        self.unlock(path, token)
        assert self.say(f"GET {beside}").body == APPLE_DOUBLE
        return said


@pytest.fixture
def finder(drive: Drive) -> Iterator[Finder]:
    with Wire(drive.server, *ALWAYS) as wire:
        yield Finder(drive, wire)


def test_a_volume_is_mounted_for_writing(finder: Finder) -> None:
    options = finder.say("OPTIONS /")
    assert (options.status, options.headers["DAV"]) == (200, "1, 2")
    root = finder.stat("/")
    assert root.status == 207
    assert root.text("getlastmodified")
    assert finder.say("PROPFIND /", "Depth: 0", XML, body=SPACE).status == 207
    for path in ("/.DS_Store", "/._.", "/.metadata_never_index", "/.Spotlight-V100", "/main/.hidden"):
        assert finder.stat(path).status == 404, path
    listed = finder.say("PROPFIND /main/", "Depth: 1", XML, body=LIST)
    assert listed.status == 207
    assert b"/main/users.csv" in listed.body


def test_a_file_dropped_onto_a_table_becomes_its_rows(finder: Finder) -> None:
    before = finder.drive.rows()
    assert finder.copy("/main/users.csv", NEW).status == 204
    assert finder.seen == [before, NEW_ROWS]
    size = len(finder.drive.get("/main/users.csv"))
    assert finder.stat("/main/users.csv").text("getcontentlength") == str(size)


def test_a_file_dropped_beside_the_tables_becomes_one(finder: Finder) -> None:
    tables = finder.drive.tables()
    assert finder.copy("/main/fresh.csv", NEW).status in (201, 204)
    assert finder.drive.tables() - tables == {"fresh"}
    assert len(finder.drive.rows("fresh")) == 2


def test_a_file_that_is_no_table_is_refused_and_the_rows_stay(finder: Finder) -> None:
    before = finder.drive.rows()
    said = finder.copy("/main/users.csv", BAD)
    assert 400 <= said.status < 500
    # Finder cleans up what it could not write.
    assert finder.say("DELETE /main/users.csv").status == 403
    assert finder.say("DELETE /main/._users.csv").status == 204
    assert finder.seen == [before]
    assert finder.stat("/main/users.csv").status == 207


def test_a_new_name_that_was_never_written_leaves_nothing(finder: Finder) -> None:
    tables = finder.drive.tables()
    assert finder.say("PUT /main/fresh.csv").status == 201
    token = finder.lock("/main/fresh.csv")
    assert finder.stat("/main/fresh.csv").text("getcontentlength") == "0"
    assert finder.write("/main/fresh.csv", b"\x00", token).status in (400, 422)
    finder.unlock("/main/fresh.csv", token)
    assert finder.say("DELETE /main/fresh.csv").status == 204
    assert finder.stat("/main/fresh.csv").status == 404
    assert finder.drive.tables() == tables


def test_the_folder_view_is_kept_in_ds_store(finder: Finder) -> None:
    tables = finder.drive.tables()
    assert finder.say("PUT /main/.DS_Store").status == 201
    token = finder.lock("/main/.DS_Store")
    for view in (b"\x00\x00\x00\x01Bud1", b"\x00\x00\x00\x01Bud1" + bytes(6140)):
        assert finder.write("/main/.DS_Store", view, token).status in (201, 204)
        assert finder.say("GET /main/.DS_Store").body == view
    finder.unlock("/main/.DS_Store", token)
    assert finder.drive.tables() == tables


def test_what_is_cached_is_asked_for_by_its_date(finder: Finder) -> None:
    """The date of the listing is the date of the file: it reads again if they differ."""
    listed = finder.stat("/main/users.csv").text("getlastmodified")
    head = finder.say("HEAD /main/users.csv")
    assert head.headers["Last-Modified"] == listed
    assert finder.say("GET /main/users.csv", f"If-Modified-Since: {listed}").status == 304
