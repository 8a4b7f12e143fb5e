"""A client of a drive, as tests of its methods use it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring

import httpx

if TYPE_CHECKING:
    from pathlib import Path

LOCKINFO = (
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
)


class Drive(httpx.Client):
    """The methods of WebDAV."""

    def mkcol(self, path: str, **headers: str) -> httpx.Response:
        return self.request("MKCOL", path, headers=headers)

    def copy(self, path: str, target: str, **headers: str) -> httpx.Response:
        return self.request("COPY", path, headers={"Destination": target, **headers})

    def move(self, path: str, target: str, **headers: str) -> httpx.Response:
        return self.request("MOVE", path, headers={"Destination": target, **headers})

    def lock(self, path: str, **headers: str) -> httpx.Response:
        return self.request("LOCK", path, content=LOCKINFO, headers=headers)

    def token(self, path: str, **headers: str) -> str:
        answer = self.lock(path, **headers)
        assert answer.status_code in {200, 201}, answer.text
        return answer.headers["lock-token"]

    def unlock(self, path: str, token: str) -> httpx.Response:
        return self.request("UNLOCK", path, headers={"Lock-Token": token})

    def attach(self, path: str, value: str) -> None:
        prop = f'<prop><x xmlns="urn:x">{value}</x></prop>'
        body = f'<propertyupdate xmlns="DAV:"><set>{prop}</set></propertyupdate>'
        answer = self.request("PROPPATCH", path, content=body)
        assert "200 OK" in answer.text, answer.text

    def attached(self, path: str) -> str | None:
        answer = self.request("PROPFIND", path, headers={"Depth": "0"})
        return fromstring(answer.content).findtext(".//{urn:x}x")

    def members(self, path: str) -> set[str]:
        answer = self.request("PROPFIND", path, headers={"Depth": "1"})
        assert answer.status_code == 207, answer.text
        found = {r.findtext("{DAV:}href") or "" for r in fromstring(answer.content)}
        return {href.removeprefix(path) for href in found} - {""}


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    if answer.headers["content-type"].startswith("application/xml"):
        return answer.status_code, fromstring(answer.content)[0].tag.removeprefix("{DAV:}")
    return answer.status_code, answer.json()["type"].removeprefix("/-/problems/")


def rows(database: Path, relation: str = "users") -> list[tuple[Any, ...]]:
    """What a relation has."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f'SELECT * FROM "{relation}" ORDER BY 1').fetchall()
