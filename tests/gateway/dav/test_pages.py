"""Directory pages: what people see, and what fsspec finds in them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from fsspec.implementations.http import ex, ex2
from hypothesis import given
from hypothesis import strategies as st

from gateway import pages

FORMATS = ("arrow", "parquet", "csv")


def relation(name: str, **more: Any) -> list[dict[str, Any]]:
    path = f"/main/{name}"
    files = [{"name": f"{path}.{f}", "type": "file", "kind": "data", "size": None} for f in FORMATS]
    return [{"name": path, "type": "directory", "kind": "table", "size": None, **more}, *files]


class Links(HTMLParser):
    """Every link of a page, resolved as a browser does."""

    def __init__(self, url: str, page: str) -> None:
        super().__init__()
        self.base = url
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "base" and href is not None:
            self.base = urljoin(self.base, href)
        elif tag == "a" and href is not None:
            self.found.append(urljoin(self.base, href))


def page(path: str, entries: list[dict[str, Any]], **more: str) -> str:
    return b"".join(pages.html(path, entries, **more)).decode()


@pytest.mark.parametrize("path", ["/main/", "/main"])
def test_a_browser_finds_members_and_the_way_up(path: str) -> None:
    found = Links(f"http://host{path}", page(path, relation("users"))).found
    members = [f"http://host/main/users{end}" for end in ("/", ".arrow", ".parquet", ".csv")]
    assert found == ["http://host/", *members, "http://host/-/docs", "http://host/-/openapi.json"]


def test_quoted_links_are_exactly_the_members() -> None:
    quoted = [match["url"] for match in ex.finditer(page("/main/", relation("users")))]
    assert quoted == ["users/", "users.arrow", "users.parquet", "users.csv"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1))
def test_every_name_is_linked_and_escaped(name: str) -> None:
    text = page("/main/", relation(name))
    assert f"http://host/main/{name}.csv" in [
        unquote(link) for link in Links("http://host/main/", text).found
    ]


def test_a_name_that_starts_like_a_url_is_linked_from_the_root() -> None:
    quoted = [match["url"] for match in ex.finditer(page("/main/", relation("https_log"), root_path="/db"))]
    assert quoted[0] == "/db/main/https_log/"


def test_a_comment_is_text_and_no_link() -> None:
    comment = 'see http://host/main/<a href="evil">x</a>'
    text = page("/main/", relation("users", comment=comment, row_count=1234567))
    assert ex2.findall(text) == []
    assert "evil" not in [match["url"] for match in ex.finditer(text)]
    assert "&lt;a href=" in text
    assert "1,234,567" in text


def test_identifiers_are_shown_as_they_are_in_the_database() -> None:
    assert ">a/b</a>" in page("/main/", relation("a%2Fb"))
    assert ">&lt;x&gt;</a>" in page("/main/", relation("%3Cx%3E"))
    assert ">%01</a>" in page("/main/", relation("%01"))


def test_an_empty_directory_says_so() -> None:
    assert "Nothing here yet" in page("/", [])
    assert json.loads(b"".join(pages.json([]))) == []


@pytest.mark.parametrize("count", [1, 256, 257, 600])
def test_a_long_listing_comes_in_pieces_and_whole(count: int) -> None:
    entries = [entry for i in range(count) for entry in relation(f"t{i}")]
    pieces = list(pages.html("/main/", entries))
    assert len(pieces) == -(-count // 256)
    assert max(map(len, pieces)) < 192 * 1024
    assert len(ex.findall(b"".join(pieces).decode())) == 4 * count
    assert json.loads(b"".join(pages.json(entries))) == entries
