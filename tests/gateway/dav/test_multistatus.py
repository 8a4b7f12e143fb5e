"""PROPFIND's answer: every name and value survives XML and percent-encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dav import multistatus
from gateway.dav.dates import Dates
from gateway.dav.multistatus import Multistatus
from gateway.dav.propfind import Asked, asked
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

A = "{DAV:}a"
NAMES = '<propfind xmlns="DAV:"><propname/></propfind>'
PROPSTAT = "{DAV:}propstat"


def file(name: str, size: int | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "type": "file",
        "kind": "data",
        "size": size,
        "media_type": "text/csv; header=present",
    }


def directory(name: str) -> dict[str, Any]:
    return {"name": name, "type": "directory", "kind": "schema", "size": None}


def render(
    entries: list[dict[str, Any]], wanted: Asked, dead: Mapping[str, Mapping[str, str]] | None = None
) -> list[Element]:
    answer = Multistatus(wanted, Dates(0), lockable=True, above=[], locks={}, dead=dead or {})
    root = fromstring(b"".join(answer.render(entries)))
    assert root.tag == "{DAV:}multistatus"
    return list(root)


def properties(response: Element, status: str = "200") -> dict[str, Element]:
    return {
        prop.tag: prop
        for propstat in response.findall(PROPSTAT)
        if status in (propstat.findtext("{DAV:}status") or "")
        for prop in propstat.findall("{DAV:}prop/*")
    }


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1))
def test_every_name_comes_back(name: str) -> None:
    [response] = render([file(f"/main/{name}.csv")], Asked("allprop"))
    href = response.findtext("{DAV:}href")
    assert href is not None
    assert href.isascii()
    assert unquote(href, errors="strict") == f"/main/{name}.csv"
    assert "{DAV:}displayname" in properties(response)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/main/a%2Fb.csv", "a/b.csv"),
        ("/main/日本 語", "日本 語"),
        ("/main/<&>", "<&>"),
        ("/main/%01", "%01"),
    ],
)
def test_the_display_name_is_the_identifier_where_xml_can_say_it(path: str, shown: str) -> None:
    [response] = render([file(path)], Asked("allprop"))
    assert properties(response)["{DAV:}displayname"].text == shown


def test_the_name_of_a_file_that_is_no_table_has_no_escapes() -> None:
    [response] = render([{**file("/.scratch/100%41.txt"), "kind": "scratch"}], Asked("allprop"))
    assert properties(response)["{DAV:}displayname"].text == "100%41.txt"
    assert response.findtext("{DAV:}href") == "/.scratch/100%2541.txt"


def test_directories_end_with_a_slash_and_are_collections() -> None:
    root, schema, data = render([directory("/"), directory("/main"), file("/main/a.csv")], Asked("allprop"))
    assert [r.findtext("{DAV:}href") for r in (root, schema, data)] == ["/", "/main/", "/main/a.csv"]
    assert [len(properties(r)["{DAV:}resourcetype"]) for r in (root, schema, data)] == [1, 1, 0]


def test_a_size_is_exact_or_absent() -> None:
    wanted = Asked("prop", ("{DAV:}getcontentlength", "{DAV:}displayname"))
    sized, unsized, empty = render([file("/a.csv", 42), file("/b.csv"), file("/c.csv", 0)], wanted)
    assert properties(sized)["{DAV:}getcontentlength"].text == "42"
    assert properties(sized)["{DAV:}displayname"].text == "a.csv"
    assert "{DAV:}getcontentlength" in properties(unsized, "404")
    assert properties(empty)["{DAV:}getcontentlength"].text == "0"


def test_every_entry_has_its_dates() -> None:
    for response in render([directory("/"), file("/a.csv")], Asked("allprop")):
        found = properties(response)
        assert found["{DAV:}getlastmodified"].text == "Thu, 01 Jan 1970 00:00:00 GMT"
        assert found["{DAV:}creationdate"].text == "1970-01-01T00:00:00Z"


def test_names_only_have_no_values() -> None:
    [response] = render([file("/a.csv", 42)], Asked("propname"))
    found = properties(response)
    assert {"{DAV:}getcontentlength", "{DAV:}supportedlock", "{DAV:}lockdiscovery"} <= found.keys()
    assert not any(prop.text or len(prop) for prop in found.values())


def test_unknown_properties_are_missing_in_their_own_namespace() -> None:
    names = ('{urn:a"&<%s}b', "plain", "{DAV:}nonsense")
    [response] = render([file("/a.csv")], Asked("prop", names))
    assert set(properties(response, "404")) == set(names)
    assert properties(response) == {}


def test_no_property_at_all_is_an_empty_success() -> None:
    [response] = render([file("/a.csv")], Asked("prop"))
    assert properties(response) == {}
    assert response.findtext(f"{PROPSTAT}/{{DAV:}}status") == "HTTP/1.1 200 OK"


def test_included_properties_join_all() -> None:
    [response] = render([file("/a.csv")], Asked("allprop", ("{DAV:}displayname", "{urn:x}y")))
    assert "{urn:x}y" in properties(response, "404")
    assert "{DAV:}displayname" in properties(response)
    assert "{DAV:}displayname" not in properties(response, "404")


def test_dead_properties_show_on_their_resource_alone_and_may_say_the_display_name() -> None:
    mine = '<D:displayname xmlns:D="DAV:">100% mine</D:displayname>'
    dead = {"/a.csv": {"{urn:x}y": '<y xmlns="urn:x">%s &amp;</y>', "{DAV:}displayname": mine}}
    first, second = render([file("/a.csv", 1), file("/b.csv", 1)], Asked("allprop"), dead)
    assert properties(first)["{urn:x}y"].text == "%s &"
    assert properties(first)["{DAV:}displayname"].text == "100% mine"
    assert properties(first)["{DAV:}getcontentlength"].text == "1"
    assert "{urn:x}y" not in properties(second)
    assert properties(second)["{DAV:}displayname"].text == "b.csv"


@pytest.mark.parametrize("count", [1, 255, 256, 257, 1000])
def test_a_long_listing_comes_in_pieces_and_whole(count: int) -> None:
    entries = [file(f"/main/t{i}.csv") for i in range(count)]
    answer = Multistatus(Asked("allprop"), Dates(0), lockable=True, above=[], locks={}, dead={})
    pieces = list(answer.render(entries))
    assert len(pieces) == -(-count // multistatus.BATCH)
    assert max(map(len, pieces)) < 256 * 1024
    assert len(fromstring(b"".join(pieces))) == count


@pytest.mark.parametrize(
    ("body", "form", "names"),
    [
        (b"", "allprop", ()),
        (b'<propfind xmlns="DAV:"><allprop/></propfind>', "allprop", ()),
        (b'<propfind xmlns="DAV:"><allprop/><include><a/></include></propfind>', "allprop", (A,)),
        (b'<propfind xmlns="DAV:"><propname/></propfind>', "propname", ()),
        (b'<d:propfind xmlns:d="DAV:"><x/><d:prop><y/><d:a/><y/></d:prop></d:propfind>', "prop", ("y", A)),
        (('<?xml version="1.0" encoding="utf-16"?>' + NAMES).encode("utf-16"), "propname", ()),
    ],
)
def test_what_a_body_asks_for(body: bytes, form: str, names: tuple[str, ...]) -> None:
    assert asked(body) == Asked(form, names)  # type: ignore[arg-type]  # the table has plain strings


@pytest.mark.parametrize(
    "body",
    [
        b"no xml",
        b"<propfind/>",
        b'<propfind xmlns="DAV:"/>',
        b'<propfind xmlns="DAV:"><allprop/>',
        b'<propfind xmlns="DAV:"><allprop/><propname/></propfind>',
        b'<propfind xmlns="DAV:"><prop/><include/></propfind>',
        b'<propfind xmlns="DAV:"><prop>'
        + b"".join(b"<p%d/>" % i for i in range(300))
        + b"</prop></propfind>",
        b'<?xml version="1.0" encoding="nonsense"?><propfind xmlns="DAV:"><allprop/></propfind>',
        b'<!DOCTYPE propfind><propfind xmlns="DAV:"><allprop/></propfind>',
        b"<a>" * 5000 + b"</a>" * 5000,
        b"\xff\xfe\x00",
        b"\0",
    ],
)
def test_a_body_that_asks_for_nothing_sensible_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem, match="malformed-body"):
        asked(body)
