"""The protocol methods of WebDAV over real HTTP."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest

from tests.gateway.serving import head, read_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

LOCKINFO = (
    '<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><{scope}/></lockscope>'
    "<locktype><write/></locktype><owner><href>mailto:ada</href></owner></lockinfo>"
)
UPDATE = '<propertyupdate xmlns="DAV:" xmlns:w="urn:schemas-microsoft-com:">{}</propertyupdate>'
WIN32 = "<set><prop><w:Win32FileAttributes>00000020</w:Win32FileAttributes></prop></set>"
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{i} "{f"&lol{i - 1 or str()};" * 10}">' for i in range(1, 10))
    + ']><{root} xmlns="DAV:">&lol9;</{root}>'
)
CSV = b"id,name\n7,grace\n"


def responses(answer: httpx.Response) -> dict[str, Element]:
    assert answer.status_code == 207, answer.text
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    return {r.findtext("{DAV:}href") or "": r for r in fromstring(answer.content)}


def properties(response: Element, status: str = "200") -> dict[str, Element]:
    return {
        prop.tag: prop
        for propstat in response.findall("{DAV:}propstat")
        if status in (propstat.findtext("{DAV:}status") or "")
        for prop in propstat.findall("{DAV:}prop/*")
    }


def propfind(client: httpx.Client, path: str, depth: str = "0", body: str = "") -> dict[str, Element]:
    return responses(client.request("PROPFIND", path, headers={"Depth": depth}, content=body))


def lock(client: httpx.Client, path: str, scope: str = "exclusive", **headers: str) -> httpx.Response:
    return client.request("LOCK", path, content=LOCKINFO.format(scope=scope), headers=headers)


def token(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["lock-token"]


def precondition(answer: httpx.Response) -> tuple[int, str, list[str | None]]:
    [element] = fromstring(answer.content)
    return answer.status_code, element.tag.removeprefix("{DAV:}"), [href.text for href in element]


class TestOptions:
    def test_a_writable_gateway_is_of_class_2(self, dav: httpx.Client) -> None:
        answer = dav.request("OPTIONS", "/main/users.csv")
        assert answer.status_code == 200
        assert answer.headers["dav"] == "1, 2"
        assert answer.headers["ms-author-via"] == "DAV"
        allow = "OPTIONS, GET, HEAD, PROPFIND, PUT, POST, COPY, PROPPATCH, LOCK, UNLOCK"
        assert answer.headers["allow"] == allow
        assert "PUT" not in dav.request("OPTIONS", "/main/").headers["allow"]

    def test_a_gateway_that_reads_is_of_class_1(self, client: httpx.Client) -> None:
        answer = client.request("OPTIONS", "/")
        assert answer.headers["dav"] == "1"
        assert answer.headers["allow"] == "OPTIONS, GET, HEAD, PROPFIND"

    def test_the_server_as_a_whole_has_options_too(self, dav: httpx.Client) -> None:
        with socket.create_connection((dav.base_url.host, dav.base_url.port or 80)) as connection:
            host = f"{dav.base_url.host}:{dav.base_url.port}"
            connection.sendall(f"OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"\r\ndav: 1, 2\r\n" in answer.lower()


class TestPropfind:
    def test_a_schema_has_its_relations_and_their_files(self, dav: httpx.Client) -> None:
        found = propfind(dav, "/main/", "1")
        assert {"/main/", "/main/users/", "/main/users.arrow", "/main/users.csv"} <= found.keys()
        directory, file = properties(found["/main/users/"]), properties(found["/main/users.csv"])
        assert directory["{DAV:}resourcetype"].find("{DAV:}collection") is not None
        assert len(file["{DAV:}resourcetype"]) == 0
        assert file["{DAV:}getcontenttype"].text == "text/csv; header=present"
        assert file["{DAV:}getcontentlength"].text == str(len(dav.get("/main/users.csv").content))
        for response in found.values():
            assert {"{DAV:}getlastmodified", "{DAV:}creationdate"} <= properties(response).keys()

    def test_depth_zero_is_the_resource_alone(self, dav: httpx.Client) -> None:
        assert propfind(dav, "/main").keys() == {"/main/"}
        assert propfind(dav, "/").keys() == {"/"}

    @pytest.mark.parametrize("headers", [{}, {"Depth": "infinity"}])
    def test_no_end_of_depth_is_refused(self, dav: httpx.Client, headers: dict[str, str]) -> None:
        answer = dav.request("PROPFIND", "/", headers=headers)
        assert precondition(answer) == (403, "propfind-finite-depth", [])

    @pytest.mark.parametrize("headers", [{}, {"Depth": "infinity"}, {"Depth": "1"}])
    def test_a_file_has_no_depth(self, dav: httpx.Client, headers: dict[str, str]) -> None:
        answer = dav.request("PROPFIND", "/main/users.csv", headers=headers)
        assert responses(answer).keys() == {"/main/users.csv"}

    def test_what_does_not_exist_is_not_found(self, dav: httpx.Client) -> None:
        for path in ("/main/nobody.csv", "/main/nobody/", "/nothing/", "/main/users/columns/none"):
            assert dav.request("PROPFIND", path, headers={"Depth": "0"}).status_code == 404, path

    def test_every_odd_name_is_listed_by_an_address_that_answers(
        self, dav: httpx.Client, odd_names: list[str]
    ) -> None:
        found = propfind(dav, "/main/", "1", "<propfind xmlns='DAV:'><prop><displayname/></prop></propfind>")
        shown = {properties(r)["{DAV:}displayname"].text: href for href, r in found.items()}
        for name in odd_names:
            href = shown[f"{name}.csv" if name.isprintable() else "%01%1F.csv"]
            assert dav.get(href).status_code == 200
            assert propfind(dav, href).keys() == {href}

    def test_a_metadata_document_has_its_exact_size(self, dav: httpx.Client) -> None:
        found = propfind(dav, "/main/users/columns/", "1")
        sizes = {
            href: int(properties(r)["{DAV:}getcontentlength"].text or "")
            for href, r in found.items()
            if not href.endswith("/")
        }
        assert sizes
        for href, size in sizes.items():
            assert len(dav.get(href).content) == size

    def test_a_body_in_chunks_is_read(self, dav: httpx.Client) -> None:
        def chunks() -> Iterator[bytes]:
            yield b'<propfind xmlns="DAV:"><prop>'
            yield b'<displayname/><nonsense xmlns="urn:x"/></prop></propfind>'

        answer = dav.request("PROPFIND", "/main/users.csv", headers={"Depth": "0"}, content=chunks())
        [response] = responses(answer).values()
        assert properties(response).keys() == {"{DAV:}displayname"}
        assert properties(response, "404").keys() == {"{urn:x}nonsense"}

    def test_a_client_of_http_1_0_gets_a_length(self, dav: httpx.Client, many: httpx.Client) -> None:
        for client in (dav, many):
            with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
                connection.sendall(b"PROPFIND /main/ HTTP/1.0\r\nDepth: 1\r\n\r\n")
                head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
            assert b"chunked" not in head.lower()
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert length is not None
            assert int(length[1]) == len(body)

    def test_a_thousand_relations_are_listed_whole(self, many: httpx.Client) -> None:
        found = propfind(many, "/main/", "1")
        assert len([href for href in found if href.endswith(".csv")]) == 1000


class TestBodies:
    @pytest.mark.parametrize(
        ("method", "root"), [("PROPFIND", "propfind"), ("PROPPATCH", "propertyupdate"), ("LOCK", "lockinfo")]
    )
    @pytest.mark.parametrize("framing", ["length", "chunks"])
    def test_a_billion_laughs_fall_flat(
        self, dav: httpx.Client, method: str, root: str, framing: str
    ) -> None:
        body: Any = BOMB.replace("{root}", root).encode()
        content = body if framing == "length" else iter([body[:50], body[50:]])
        answer = dav.request(method, "/main/users.csv", headers={"Depth": "0"}, content=content)
        assert answer.status_code == 400
        assert answer.json()["type"] == "/-/problems/malformed-body"
        assert not propfind(dav, "/main/users.csv")["/main/users.csv"].findall(".//{DAV:}activelock")

    @pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH", "LOCK"])
    @pytest.mark.parametrize("body", ["nonsense", "<a>", "<a/>", "<a>" * 9000 + "</a>" * 9000])
    def test_what_makes_no_sense_is_malformed(self, dav: httpx.Client, method: str, body: str) -> None:
        answer = dav.request(method, "/main/users.csv", headers={"Depth": "0"}, content=body)
        assert answer.status_code == 400
        assert answer.json()["type"] == "/-/problems/malformed-body"

    @pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH", "LOCK"])
    def test_more_than_64_kib_is_too_large(self, dav: httpx.Client, method: str) -> None:
        body = b"<a>" + b" " * 65536 + b"</a>"
        for content in (body, iter([body])):
            answer = dav.request(method, "/main/users.csv", headers={"Depth": "0"}, content=content)
            assert answer.status_code == 413


class TestLocks:
    def test_a_lock_keeps_others_out_and_its_holder_in(self, dav: httpx.Client) -> None:
        held = token(lock(dav, "/main/users.csv", Timeout="Second-600"))
        for path in ("/main/users.csv", "/main/users.arrow"):
            assert dav.put(path, content=CSV).status_code == 423
            assert dav.post(path, content=CSV).status_code == 423
        answer = dav.put("/main/users.csv", content=CSV)
        assert precondition(answer) == (423, "lock-token-submitted", ["/main/users.csv"])
        assert dav.put("/main/users.csv", content=CSV, headers={"If": f"({held})"}).status_code == 204
        assert dav.get("/main/users.csv").content.splitlines()[1:] == [b"7,grace"]
        assert dav.request("UNLOCK", "/main/users.csv", headers={"Lock-Token": held}).status_code == 204
        assert dav.put("/main/users.csv", content=CSV).status_code == 204

    def test_a_lock_is_seen_in_propfind(self, dav: httpx.Client) -> None:
        answer = lock(dav, "/main/users.csv", Timeout="Second-600", Depth="0")
        for path in ("/main/users.csv", "/main/users.arrow", "/main/users/"):
            [active] = propfind(dav, path)[path].findall(".//{DAV:}activelock")
            assert f"<{active.findtext('{DAV:}locktoken/{DAV:}href')}>" == token(answer)
            assert active.findtext("{DAV:}lockroot/{DAV:}href") == "/main/users.csv"
            assert active.findtext("{DAV:}owner/{DAV:}href") == "mailto:ada"
            assert active.find("{DAV:}lockscope/{DAV:}exclusive") is not None
            assert active.findtext("{DAV:}depth") == "0"
            seconds = int((active.findtext("{DAV:}timeout") or "").removeprefix("Second-"))
            assert 0 < seconds <= 600
        assert not propfind(dav, "/main/", "1")["/main/a%252Fb.csv"].findall(".//{DAV:}activelock")

    def test_infinite_depth_is_seen_by_every_member(self, dav: httpx.Client) -> None:
        held = token(lock(dav, "/main/"))
        found = propfind(dav, "/main/", "1")
        assert len(found) > 2
        assert {len(r.findall(".//{DAV:}activelock")) for r in found.values()} == {1}
        assert dav.put("/main/users.csv", content=CSV).status_code == 423
        assert dav.put("/main/users.csv", content=CSV, headers={"If": f"({held})"}).status_code == 204

    def test_two_exclusive_locks_are_one_too_many(self, dav: httpx.Client) -> None:
        token(lock(dav, "/main/users.csv"))
        assert precondition(lock(dav, "/main/users.csv")) == (423, "no-conflicting-lock", ["/main/users.csv"])
        assert lock(dav, "/main/users.arrow", "shared").status_code == 423

    def test_a_lock_taken_while_a_body_comes_is_respected(self, dav: httpx.Client, writable: Server) -> None:
        before = dav.get("/main/users.csv").content
        headers = f"Content-Length: {len(CSV)}", "Expect: 100-continue", "Connection: close"
        with writable.connect() as connection:
            connection.sendall(head("PUT", "/main/users.csv", *headers))
            assert connection.recv(1024).startswith(b"HTTP/1.1 100")
            token(lock(dav, "/main/users.csv"))
            connection.sendall(CSV)
            assert read_to_end(connection).startswith(b"HTTP/1.1 423")
        assert dav.get("/main/users.csv").content == before

    def test_shared_locks_live_together(self, dav: httpx.Client) -> None:
        first = token(lock(dav, "/main/users.csv", "shared"))
        assert first != token(lock(dav, "/main/users.csv", "shared"))
        assert dav.put("/main/users.csv", content=CSV).status_code == 423
        assert dav.put("/main/users.csv", content=CSV, headers={"If": f"({first})"}).status_code == 204

    def test_a_locked_member_is_named_to_who_locks_above(self, dav: httpx.Client) -> None:
        token(lock(dav, "/main/users.csv"))
        found = responses(lock(dav, "/main/", Depth="infinity"))
        statuses = {href: r.findtext("{DAV:}status") for href, r in found.items()}
        assert statuses == {
            "/main/users.csv": "HTTP/1.1 423 Locked",
            "/main/": "HTTP/1.1 424 Failed Dependency",
        }
        assert len(propfind(dav, "/main/")["/main/"].findall(".//{DAV:}activelock")) == 0

    def test_a_refresh_gives_more_time(self, dav: httpx.Client) -> None:
        held = token(lock(dav, "/main/users.csv", Timeout="Second-60"))
        headers = {"If": f"({held})", "Timeout": "Second-600"}
        answer = dav.request("LOCK", "/main/users.csv", headers=headers)
        assert answer.status_code == 200
        assert "lock-token" not in answer.headers
        [seconds] = re.findall(r"Second-(\d+)", answer.text)
        assert 60 < int(seconds) <= 600

    def test_a_refresh_needs_the_lock_of_the_resource(self, dav: httpx.Client) -> None:
        held = token(lock(dav, "/main/users.csv"))
        refresh = dav.request("LOCK", "/main/users.csv")
        assert precondition(refresh) == (412, "lock-token-matches-request-uri", [])
        for path in ("/main/a%252Fb.csv", "/main/"):
            headers = {"If": f"<{path}> (Not <DAV:no-lock>) (Not {held})"}
            assert dav.request("LOCK", path, headers=headers).status_code == 412
        guess = {"If": "(Not <URL2TOKEN:/main/users>)"}
        assert dav.request("LOCK", "/main/users.csv", headers=guess).status_code == 412

    def test_a_token_unlocks_what_it_covers_and_nothing_else(self, dav: httpx.Client) -> None:
        held = token(lock(dav, "/main/users.csv"))
        elsewhere = dav.request("UNLOCK", "/main/a%252Fb.csv", headers={"Lock-Token": held})
        assert precondition(elsewhere) == (409, "lock-token-matches-request-uri", [])
        assert dav.request("UNLOCK", "/main/users.csv").status_code == 400
        unknown = {"Lock-Token": "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"}
        assert dav.request("UNLOCK", "/main/users.csv", headers=unknown).status_code == 409
        for guess in (b"<URL2TOKEN:/main/users>", b"<>", b"<\xff>"):
            answer = dav.request("UNLOCK", "/main/users.csv", headers=[(b"Lock-Token", guess)])
            assert answer.status_code == 409, guess
        assert dav.put("/main/users.csv", content=CSV).status_code == 423

    @pytest.mark.parametrize(
        ("condition", "status"),
        [
            ("(<urn:uuid:gone>)", 412),
            ("(Not <DAV:no-lock>)", 204),
            ('(["some-tag"])', 412),
            ("</main/a%252Fb.csv> (<urn:uuid:gone>)", 412),
            ("nonsense", 400),
        ],
    )
    def test_the_if_header_must_hold_even_without_locks(
        self, dav: httpx.Client, condition: str, status: int
    ) -> None:
        answer = dav.put("/main/users.csv", content=CSV, headers={"If": condition})
        assert answer.status_code == status

    def test_what_does_not_exist_is_not_locked(self, dav: httpx.Client) -> None:
        assert lock(dav, "/main/nobody.csv").status_code == 403

    def test_the_depth_of_a_lock_is_zero_or_infinity(self, dav: httpx.Client) -> None:
        assert lock(dav, "/main/", Depth="1").status_code == 400


class TestLocksOfADirectory:
    """RFC 4918, section 7.4: whatever its depth, a lock guards which members there are."""

    @pytest.fixture
    def manage(self, writer: Server) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=writer.url) as client:
            yield client

    @pytest.mark.parametrize("depth", ["0", "infinity"])
    def test_nobody_else_adds_a_member(self, manage: httpx.Client, depth: str) -> None:
        token(lock(manage, "/main/", Depth=depth))
        answer = manage.put("/main/new.csv", content=CSV)
        assert precondition(answer) == (423, "lock-token-submitted", ["/main/"])
        assert manage.get("/main/new.csv").status_code == 404

    @pytest.mark.parametrize("depth", ["0", "infinity"])
    @pytest.mark.parametrize("tag", ["", "</main/> ", "<http://any.host/main/> ", "</main/new.csv> "])
    def test_who_has_the_token_adds_a_member(self, manage: httpx.Client, tag: str, depth: str) -> None:
        held = token(lock(manage, "/main/", Depth=depth))
        answer = manage.put("/main/new.csv", content=CSV, headers={"If": f"{tag}({held})"})
        assert answer.status_code == 201
        assert manage.get("/main/new.csv").content.splitlines()[1:] == [b"7,grace"]

    @pytest.mark.parametrize(("depth", "status"), [("0", (204, 200)), ("infinity", (423, 423))])
    def test_the_rows_of_a_member_are_guarded_by_infinite_depth_only(
        self, manage: httpx.Client, depth: str, status: tuple[int, int]
    ) -> None:
        token(lock(manage, "/main/", Depth=depth))
        put = manage.put("/main/empty.csv", content=CSV)
        post = manage.post("/main/empty.csv", content=CSV.replace(b"7", b"8"))
        assert (put.status_code, post.status_code) == status

    def test_a_lock_of_depth_zero_above_the_directory_guards_other_names(self, manage: httpx.Client) -> None:
        token(lock(manage, "/", Depth="0"))
        assert manage.put("/main/new.csv", content=CSV).status_code == 201

    def test_of_those_who_share_one_token_is_enough(self, manage: httpx.Client) -> None:
        held = [token(lock(manage, "/main/", "shared", Depth="0")) for _ in range(2)]
        assert manage.put("/main/new.csv", content=CSV).status_code == 423
        assert manage.put("/main/new.csv", content=CSV, headers={"If": f"({held[1]})"}).status_code == 201

    def test_a_token_of_a_depth_zero_lock_is_no_state_of_an_existing_member(
        self, manage: httpx.Client
    ) -> None:
        held = token(lock(manage, "/main/", Depth="0"))
        answer = manage.put("/main/empty.csv", content=CSV, headers={"If": f"({held})"})
        assert answer.status_code == 412

    def test_a_lock_taken_while_the_body_of_a_new_member_comes_is_respected(
        self, manage: httpx.Client, writer: Server
    ) -> None:
        headers = f"Content-Length: {len(CSV)}", "Expect: 100-continue", "Connection: close"
        with writer.connect() as connection:
            connection.sendall(head("PUT", "/main/new.csv", *headers))
            assert connection.recv(1024).startswith(b"HTTP/1.1 100")
            token(lock(manage, "/main/", Depth="0"))
            connection.sendall(CSV)
            assert read_to_end(connection).startswith(b"HTTP/1.1 423")
        assert manage.get("/main/new.csv").status_code == 404

    def test_it_is_refused_before_the_body_is_asked_for(self, manage: httpx.Client, writer: Server) -> None:
        token(lock(manage, "/main/", Depth="0"))
        headers = f"Content-Length: {len(CSV)}", "Expect: 100-continue"
        assert writer.raw(head("PUT", "/main/new.csv", *headers)).startswith(b"HTTP/1.1 423")


class TestProppatch:
    def test_properties_are_kept_and_seen(self, dav: httpx.Client) -> None:
        answer = dav.request("PROPPATCH", "/main/users.csv", content=UPDATE.format(WIN32))
        [response] = responses(answer).values()
        name = "{urn:schemas-microsoft-com:}Win32FileAttributes"
        assert properties(response).keys() == {name}
        seen = propfind(dav, "/main/", "1")
        assert properties(seen["/main/users.csv"])[name].text == "00000020"
        assert name not in properties(seen["/main/users.arrow"])

        removal = "<remove><prop><w:Win32FileAttributes/><w:none/></prop></remove>"
        answer = dav.request("PROPPATCH", "/main/users.csv", content=UPDATE.format(removal))
        [response] = responses(answer).values()
        assert len(properties(response)) == 2
        assert name not in properties(propfind(dav, "/main/users.csv")["/main/users.csv"])

    def test_a_protected_property_fails_all(self, dav: httpx.Client) -> None:
        body = UPDATE.format(WIN32 + "<set><prop><getetag>x</getetag><resourcetype/></prop></set>")
        [response] = responses(dav.request("PROPPATCH", "/main/users.csv", content=body)).values()
        assert properties(response, "403").keys() == {"{DAV:}getetag", "{DAV:}resourcetype"}
        assert properties(response, "424").keys() == {"{urn:schemas-microsoft-com:}Win32FileAttributes"}
        assert response.find(".//{DAV:}error/{DAV:}cannot-modify-protected-property") is not None
        assert not [
            t for t in properties(propfind(dav, "/main/users.csv")["/main/users.csv"]) if "Win32" in t
        ]

    def test_values_keep_their_markup_and_their_language(self, dav: httpx.Client) -> None:
        value = (
            '<set xml:lang="ar"><prop><note xmlns="urn:x">a &lt; <b c="d">&#x10000;</b></note></prop></set>'
        )
        dav.request("PROPPATCH", "/main/users.csv", content=UPDATE.format(value))
        note = properties(propfind(dav, "/main/users.csv")["/main/users.csv"])["{urn:x}note"]
        assert note.text == "a < "
        assert [(b.tag, b.attrib, b.text) for b in note] == [("{urn:x}b", {"c": "d"}, "\U00010000")]
        assert note.get("{http://www.w3.org/XML/1998/namespace}lang") == "ar"

    def test_more_than_there_is_room_for_is_refused_whole(self, dav: httpx.Client) -> None:
        def store(name: str) -> Element:
            body = UPDATE.format(f'<set><prop><{name} xmlns="urn:x">{"x" * 40_000}</{name}></prop></set>')
            [response] = responses(dav.request("PROPPATCH", "/main/a%252Fb.csv", content=body)).values()
            return response

        assert "{urn:x}first" in properties(store("first"))
        assert "{urn:x}second" in properties(store("second"), "507")
        kept = properties(propfind(dav, "/main/a%252Fb.csv")["/main/a%252Fb.csv"])
        assert "{urn:x}first" in kept
        assert "{urn:x}second" not in kept

    def test_the_number_of_changes_is_bounded(self, dav: httpx.Client) -> None:
        body = UPDATE.format("<set><prop>" + "<w:a/>" * 257 + "</prop></set>")
        answer = dav.request("PROPPATCH", "/main/users.csv", content=body)
        assert answer.json()["type"] == "/-/problems/malformed-body"

    def test_a_lock_protects_properties(self, dav: httpx.Client) -> None:
        held = token(lock(dav, "/main/users.csv"))
        body = UPDATE.format(WIN32)
        assert dav.request("PROPPATCH", "/main/users.csv", content=body).status_code == 423
        headers = {"If": f"({held})"}
        assert dav.request("PROPPATCH", "/main/users.csv", content=body, headers=headers).status_code == 207

    def test_what_does_not_exist_has_no_properties(self, dav: httpx.Client) -> None:
        answer = dav.request("PROPPATCH", "/main/nobody.csv", content=UPDATE.format(WIN32))
        assert answer.status_code == 404


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("DELETE", "/main/users.csv", 403, "data-file-delete"),
            ("DELETE", "/main/users/", 403, "forbidden"),
            ("DELETE", "/main/", 403, "forbidden"),
            ("MKCOL", "/main/users.csv", 405, "method-not-allowed"),
            ("MKCOL", "/main/users/", 405, "method-not-allowed"),
            ("MKCOL", "/main/fresh/", 403, "mkcol-relation"),
            ("MKCOL", "/main/", 405, "method-not-allowed"),
            ("MKCOL", "/fresh/", 403, "forbidden"),
            ("COPY", "/main/users.csv", 403, "forbidden"),
            ("MOVE", "/main/users/", 403, "not-copied"),
            ("MOVE", "/main/users.csv", 403, "not-copied"),
        ],
    )
    def test_what_would_change_the_catalogue(
        self, dav: httpx.Client, method: str, path: str, status: int, code: str
    ) -> None:
        answer = dav.request(method, path, headers={"Destination": str(dav.base_url.join("/main/x.csv"))})
        assert answer.status_code == status
        assert answer.json()["type"] == f"/-/problems/{code}"
        assert ("allow" in answer.headers) == (status == 405)
        assert dav.get("/main/users.csv").status_code == 200

    @pytest.mark.parametrize("method", ["PROPPATCH", "LOCK", "UNLOCK", "MKCOL", "COPY", "MOVE", "DELETE"])
    def test_a_gateway_that_reads_changes_nothing(self, client: httpx.Client, method: str) -> None:
        answer = client.request(method, "/main/users.csv", content=LOCKINFO.format(scope="exclusive"))
        assert answer.status_code == 403
        assert answer.json()["type"] == "/-/problems/read-only"

    @pytest.mark.parametrize(
        "path", ["/main/%ff.csv", "/main/a%zz.csv", "/main//users.csv", "/main/%2e%2e/x"]
    )
    @pytest.mark.parametrize("method", ["OPTIONS", "PROPFIND", "LOCK", "DELETE"])
    def test_a_path_outside_the_grammar(self, dav: httpx.Client, method: str, path: str) -> None:
        url = httpx.URL(str(dav.base_url).rstrip("/"), raw_path=path.encode())
        answer = dav.request(method, url, headers={"Depth": "0"})
        assert answer.status_code == 400
        assert answer.json()["type"] == "/-/problems/invalid-path"


class TestSeveralDatabases:
    @pytest.fixture
    def several(self, serve: Serve, database: Path) -> Iterator[httpx.Client]:
        urls = [f"{name}=sqlite:///{database}" for name in ("one", "other db")]
        with httpx.Client(base_url=serve(*urls, "--access", "write").url) as client:
            yield client

    def test_the_root_lists_them(self, several: httpx.Client) -> None:
        assert propfind(several, "/", "1").keys() == {"/", "/one/", "/other%20db/", "/.scratch/"}
        assert propfind(several, "/one/", "1").keys() == {"/one/", "/one/main/"}
        assert "/other%20db/main/users.csv" in propfind(several, "/other%20db/main/", "1")

    def test_the_root_has_the_class_of_what_is_below(self, several: httpx.Client) -> None:
        for path in ("/", "/one/", "/one/main/users.csv"):
            assert several.request("OPTIONS", path).headers["dav"] == "1, 2"

    def test_a_lock_of_one_is_none_of_the_other(self, several: httpx.Client) -> None:
        token(lock(several, "/one/"))
        body = b"id\n1\n"
        assert several.put("/one/main/a%252Fb.csv", content=body).status_code == 423
        assert several.put("/other%20db/main/a%252Fb.csv", content=body).status_code == 204
        assert lock(several, "/").status_code == 207


def test_a_write_moves_the_date_of_its_relation_only(dav: httpx.Client) -> None:
    def dates() -> dict[str, str | None]:
        body = '<propfind xmlns="DAV:"><prop><getlastmodified/></prop></propfind>'
        found = propfind(dav, "/main/", "1", body)
        return {unquote(href): r.findtext(".//{DAV:}getlastmodified") for href, r in found.items()}

    before = dates()
    after = before
    while after["/main/users.csv"] == before["/main/users.csv"]:
        assert dav.put("/main/users.csv", content=CSV).status_code == 204
        after = dates()
    changed = {path for path in after if after[path] != before[path]}
    assert {"/main/users/", "/main/users.csv", "/main/users.arrow"} <= changed
    # Files have the date of their version, which in this engine is one of the whole database.
    assert {path for path in changed if path.endswith("/")} == {"/main/users/"}


def test_a_listing_has_the_tag_and_the_date_that_a_get_has(dav: httpx.Client) -> None:
    body = '<propfind xmlns="DAV:"><prop><getetag/><getlastmodified/></prop></propfind>'
    for _ in range(2):
        dav.put("/main/users.csv", content=CSV)
        for path in ("/main/users.csv", "/main/users.arrow"):
            seen = properties(propfind(dav, "/main/", "1", body)[path])
            answer = dav.get(path)
            assert answer.headers["etag"] == seen["{DAV:}getetag"].text
            assert answer.headers.get("last-modified") in {None, seen["{DAV:}getlastmodified"].text}
            alone = properties(propfind(dav, path)[path])
            assert alone["{DAV:}getetag"].text == answer.headers["etag"]
