"""Every name that a database allows is listed, read and written under its own path."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

NAMES = [
    "a/b",
    "a.csv",
    "a.sql",
    "100%",
    "%2F",
    "..",
    ".",
    ".hidden",
    "CON",
    "nul.txt",
    "-",
    "日本 語",
    '"; drop table x; --',
    "it's",
    'say "hi"',
    "`tick`",
    "[bracket]",
    "a?b=c&d",
    "a#b",
    "a\\b",
    "a:b*c<d>e|f",
    " lead and trail ",
    "dot.",
    "line\nbreak",
    "\x7f\x01",
    "é",
    "e\u0301",
    "🙂",
    "select",
    "x" * 200,
]


@pytest.fixture
def named(tmp_path: Path, serve: Serve) -> Server:
    path = tmp_path / "named.db"
    with closing(sqlite3.connect(path)) as connection:
        for name in NAMES:
            table, column = (f'"{text.replace(chr(34), chr(34) * 2)}"' for text in (name, name))
            connection.execute(f"CREATE TABLE {table} ({column} TEXT)")
            connection.execute(f"INSERT INTO {table} VALUES (?)", (name,))
        connection.commit()
    return serve(f"sqlite:///{path}", "--access", "write")


def test_every_table_is_listed_read_and_written(named: Server):
    entries = httpx.get(f"{named.url}/main/", headers={"accept": "application/json"}).json()
    listed = {entry["name"] for entry in entries if entry["kind"] == "table"}
    files = [
        name for entry in entries if (name := entry["name"]).endswith(".arrow") and entry["kind"] == "data"
    ]
    assert len(listed) == len(files) == len(NAMES)
    for path in listed:
        below = httpx.get(named.url + quote(path), headers={"accept": "application/json"}).json()
        assert [entry["name"] for entry in below] == [
            f"{path}/{facet}" for facet in ("columns", "indexes", "constraints")
        ]
    seen = []
    for path in files:
        url = named.url + quote(path)
        rows = httpx.get(url.removesuffix(".arrow") + ".json").json()
        assert len(rows) == 1
        [(column, value)] = rows[0].items()
        assert column == value
        seen.append(value)
        answer = httpx.put(url, content=httpx.get(url).content)
        assert (answer.status_code, answer.headers.get("rows-written")) == (204, "1"), (value, answer.text)
        shaped = httpx.get(url.removesuffix(".arrow") + ".json", params={"where": _equals(column)})
        assert shaped.json() == rows, (value, shaped.text)
    assert sorted(seen) == sorted(NAMES)


def test_the_links_of_a_page_lead_to_every_table(named: Server):
    links: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(value for name, value in attrs if tag == "a" and name == "href" and value)

    base = f"{named.url}/main/"
    Links().feed(httpx.get(base).text)
    targets = {urljoin(base, link) for link in links}
    data = sorted(target for target in targets if target.endswith(".csv"))
    assert len(data) == len(NAMES)
    assert all(target.startswith(base) for target in data)
    assert {httpx.get(target).status_code for target in data} == {200}


def _equals(column: str) -> str:
    name = column.replace('"', '""')
    text = column.replace("'", "''")
    return f"\"{name}\" = '{text}'"


# Bytes that may stand in a request target, and headers that are as long as they like.
TARGET = st.text(st.sampled_from("/main.users%2Fcsvaow?=&,-_*'\"<>;:@!$()[]{}|^`~+#"), max_size=60)


@hypothesis(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(target=TARGET, accept=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_no_request_is_a_fault(reader: Server, target: str, accept: str):
    request = f"GET /{target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    answer = reader.raw(request.encode())
    status = int(answer[9:12])
    assert status < 500, (request, answer[:500])
