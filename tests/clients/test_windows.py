"""What the mini-redirector of Windows sends for Explorer, after public traces, replayed over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.drive import BAD, NEW, NEW_ROWS
from tests.clients.wire import Said, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.drive import Drive

ALWAYS = (
    "Cache-Control: no-cache",
    "Connection: Keep-Alive",
    "Pragma: no-cache",
    "User-Agent: Microsoft-WebDAV-MiniRedir/10.0.19045",
    "translate: f",
)
XML = 'Content-Type: text/xml; charset="utf-8"'
LOCK = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope>'
    b"<D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>DESKTOP\\ada</D:href></D:owner></D:lockinfo>"
)
UPDATE = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" '
    b'xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>%s</D:prop></D:set></D:propertyupdate>'
)
CREATED = UPDATE % (
    b"<Z:Win32CreationTime>Thu, 05 Nov 2026 09:10:11 GMT</Z:Win32CreationTime>"
    b"<Z:Win32LastAccessTime>Thu, 05 Nov 2026 09:10:11 GMT</Z:Win32LastAccessTime>"
    b"<Z:Win32LastModifiedTime>Thu, 05 Nov 2026 09:10:11 GMT</Z:Win32LastModifiedTime>"
    b"<Z:Win32FileAttributes>00000000</Z:Win32FileAttributes>"
)
CLOSED = UPDATE % (
    b"<Z:Win32LastModifiedTime>Wed, 04 Nov 2026 09:10:11 GMT</Z:Win32LastModifiedTime>"
    b"<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>"
)


class Explorer:
    """A drive letter. After each step the rows are those of before, or those of the body."""

    def __init__(self, drive: Drive, wire: Wire) -> None:
        self.drive = drive
        self.wire = wire
        self.seen = [drive.rows()]

    def say(self, line: str, *headers: str, body: bytes = b"") -> Said:
        said = self.wire.say(line, *headers, body=body)
        rows = self.drive.rows()
        assert rows, line
        if rows != self.seen[-1]:
            self.seen.append(rows)
        return said

    def stat(self, path: str, depth: int = 0) -> Said:
        return self.say(f"PROPFIND {path}", f"Depth: {depth}")

    def update(self, path: str, token: str, body: bytes) -> None:
        said = self.say(f"PROPPATCH {path}", f"If: ({token})", XML, body=body)
        assert said.status == 207
        assert b"HTTP/1.1 200" in said.body
        assert b"HTTP/1.1 4" not in said.body

    def copy(self, path: str, body: bytes) -> Said:
        """Pastes a file; the answer to its last PUT."""
        self.stat(path)
        self.stat(path.rpartition("/")[0])
        assert self.say(f"PUT {path}").status in (201, 204)
        locked = self.say(f"LOCK {path}", XML, "Timeout: Second-3600", body=LOCK)
        assert locked.status in (200, 201), locked.body
        token = locked.token
        self.update(path, token, CREATED)
        assert self.say(f"HEAD {path}").status == 200
        said = self.say(f"PUT {path}", f"If: ({token})", body=body)
        self.update(path, token, CLOSED)
        assert self.say(f"UNLOCK {path}", f"Lock-Token: {token}").status == 204
        return said


@pytest.fixture
def explorer(drive: Drive) -> Iterator[Explorer]:
    with Wire(drive.server, *ALWAYS) as wire:
        yield Explorer(drive, wire)


def test_a_drive_is_connected(explorer: Explorer) -> None:
    options = explorer.say("OPTIONS /")
    assert (options.status, options.headers["DAV"], options.headers["MS-Author-Via"]) == (200, "1, 2", "DAV")
    for path in ("/", "/main"):
        assert explorer.stat(path).status == 207, path
    listed = explorer.stat("/main", 1)
    assert b"/main/users.csv" in listed.body
    for path in ("/desktop.ini", "/main/desktop.ini", "/main/Thumbs.db", "/autorun.inf", "/main/folder.jpg"):
        assert explorer.stat(path).status == 404, path


def test_a_file_pasted_onto_a_table_becomes_its_rows(explorer: Explorer) -> None:
    before = explorer.drive.rows()
    assert explorer.copy("/main/users.csv", NEW).status == 204
    assert explorer.seen == [before, NEW_ROWS]
    found = explorer.stat("/main/users.csv")
    assert found.text("getcontentlength") == str(len(explorer.drive.get("/main/users.csv")))
    assert b"00000020" in found.body


def test_a_file_pasted_beside_the_tables_becomes_one(explorer: Explorer) -> None:
    tables = explorer.drive.tables()
    assert explorer.copy("/main/fresh.csv", NEW).status in (201, 204)
    assert explorer.drive.tables() - tables == {"fresh"}
    assert len(explorer.drive.rows("fresh")) == 2


def test_a_file_that_is_no_table_is_refused_and_the_rows_stay(explorer: Explorer) -> None:
    before = explorer.drive.rows()
    assert 400 <= explorer.copy("/main/users.csv", BAD).status < 500
    assert explorer.say("DELETE /main/users.csv").status == 403
    assert explorer.seen == [before]


def test_a_program_saves_through_a_name_of_its_own(explorer: Explorer) -> None:
    """Office writes beside the file, and then takes its name."""
    before = explorer.drive.rows()
    assert explorer.copy("/main/~$users.csv", b"\x03ada" + bytes(161)).status in (201, 204)
    assert explorer.copy("/main/A1B2C300.tmp", NEW).status in (201, 204)
    assert explorer.seen == [before]
    target = f"Destination: http://{explorer.wire.host}/main/users.csv"
    assert explorer.say("MOVE /main/A1B2C300.tmp", target, "Overwrite: F").status == 412
    assert explorer.say("MOVE /main/A1B2C300.tmp", target, "Overwrite: T").status == 204
    assert explorer.seen == [before, NEW_ROWS]
    assert explorer.stat("/main/A1B2C300.tmp").status == 404
    assert explorer.say("DELETE /main/~$users.csv").status == 204


def test_a_new_folder_is_no_table(explorer: Explorer) -> None:
    tables = explorer.drive.tables()
    assert explorer.stat("/main/New%20folder").status == 404
    assert explorer.say("MKCOL /main/New%20folder").status == 403
    assert explorer.drive.tables() == tables


def test_a_table_is_renamed(explorer: Explorer) -> None:
    rows = explorer.drive.rows("orders")
    target = f"Destination: http://{explorer.wire.host}/main/sales"
    assert explorer.say("MOVE /main/orders", target, "Overwrite: F").status == 201
    assert explorer.drive.rows("sales") == rows
    assert "orders" not in explorer.drive.tables()
