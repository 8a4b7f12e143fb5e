"""TLS to PostgreSQL, mode by mode, as users of libpq know it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from fsspec_db import DatabaseError, DatabaseUnavailableError, InvalidParameterError, connect
from tests.certificates import Authority
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Postgres]:
    with Postgres() as server:
        certificate, key = authority.issue("server", "DNS:localhost")
        server.configure(
            ssl_cert_file=server.keep(certificate),
            ssl_key_file=server.keep(key),
            ssl_ca_file=server.keep(authority.certificate),
            ssl="on",
        )
        server.sql("CREATE ROLE veiled LOGIN; CREATE ROLE bare LOGIN; CREATE ROLE known LOGIN;")
        server.sql("CREATE ROLE proven LOGIN PASSWORD 'canary'")
        server.rule(
            "hostssl all veiled 127.0.0.1/32 trust",
            "hostnossl all bare 127.0.0.1/32 trust",
            "hostssl all known 127.0.0.1/32 cert",
            "host all proven 127.0.0.1/32 scram-sha-256",
            "host all veiled,bare,known 127.0.0.1/32 reject",
        )
        yield server


@pytest.fixture
def root(authority: Authority) -> str:
    return f"sslrootcert={authority.certificate}"


def url(server: Postgres, *options: str, user: str = "postgres", host: str = "localhost") -> str:
    return f"postgresql://{user}@{host}:{server.port}/postgres?{'&'.join(options)}"


def encrypted(address: str) -> bool:
    with closing(connect(address)) as fs:
        rows = fs.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").to_pylist()
        return bool(rows[0]["ssl"])


@contextmanager
def in_the_clear(server: Postgres) -> Iterator[None]:
    server.configure(ssl="off")
    yield
    server.configure(ssl="on")


def test_each_mode_meets_a_server_with_tls(server: Postgres, root: str) -> None:
    for mode, expected in (
        ("disable", False),
        ("allow", False),
        ("prefer", True),
        ("require", True),
        ("verify-ca", True),
        ("verify-full", True),
    ):
        assert encrypted(url(server, f"sslmode={mode}", root)) is expected, mode
    assert encrypted(url(server))


def test_each_mode_meets_a_server_without_tls(server: Postgres, root: str) -> None:
    with in_the_clear(server):
        for mode in ("disable", "allow", "prefer"):
            assert not encrypted(url(server, f"sslmode={mode}"))
        for mode in ("require", "verify-ca", "verify-full"):
            with pytest.raises(DatabaseUnavailableError, match="does not speak TLS"):
                connect(url(server, f"sslmode={mode}", root))


def test_what_the_server_demands_is_tried_where_the_mode_lets_it(server: Postgres) -> None:
    assert encrypted(url(server, "sslmode=allow", user="veiled"))
    assert not encrypted(url(server, "sslmode=prefer", user="bare"))
    for mode, user in (("disable", "veiled"), ("require", "bare")):
        with pytest.raises(DatabaseUnavailableError, match=r"pg_hba\.conf rejects"):
            connect(url(server, f"sslmode={mode}", user=user))


def test_the_name_counts_for_verify_full_alone(server: Postgres, root: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="certificate not valid for name"):
        connect(url(server, "sslmode=verify-full", root, host="127.0.0.1"))
    for mode in ("require", "verify-ca"):
        assert encrypted(url(server, f"sslmode={mode}", root, host="127.0.0.1"))
    # The name is the host's, wherever it is reached.
    assert encrypted(url(server, "sslmode=verify-full", root, "hostaddr=127.0.0.1"))


def test_a_certificate_of_somebody_else_is_not_believed(server: Postgres, tmp_path: Path) -> None:
    stranger = f"sslrootcert={Authority(tmp_path, 'stranger').certificate}"
    for mode in ("require", "verify-ca", "verify-full"):
        with pytest.raises(DatabaseUnavailableError, match="invalid peer certificate"):
            connect(url(server, f"sslmode={mode}", stranger))
    assert not encrypted(url(server, "sslmode=prefer", stranger))
    with pytest.raises(DatabaseUnavailableError, match="invalid peer certificate"):
        connect(url(server, "sslrootcert=system"))
    with pytest.raises(InvalidParameterError, match="sslrootcert"):
        connect(url(server, "sslmode=verify-full"))
    with pytest.raises(InvalidParameterError, match="nowhere"):
        connect(url(server, "sslmode=require", f"sslrootcert={tmp_path}/nowhere"))


def test_a_certificate_that_signs_itself_is_known_by_heart(server: Postgres, authority: Authority) -> None:
    certificate, key = authority.itself("alone", "DNS:localhost")
    server.configure(ssl_cert_file=server.keep(certificate), ssl_key_file=server.keep(key))
    itself = f"sslrootcert={certificate}"
    assert encrypted(url(server, "sslmode=verify-full", itself))
    assert encrypted(url(server, "sslmode=verify-ca", itself, host="127.0.0.1"))
    with pytest.raises(DatabaseUnavailableError, match="not valid for name"):
        connect(url(server, "sslmode=verify-full", itself, host="127.0.0.1"))
    certificate, key = (authority.folder / f"server.{end}" for end in ("crt", "key"))
    server.configure(ssl_cert_file=server.keep(certificate), ssl_key_file=server.keep(key))


def test_a_certificate_that_was_taken_back_is_refused(server: Postgres, authority: Authority) -> None:
    options = ("sslmode=verify-ca", f"sslrootcert={authority.certificate}")
    revoked = f"sslcrl={authority.take_back()}"
    assert encrypted(url(server, *options, revoked))
    authority.take_back(authority.folder / "server.crt")
    with pytest.raises(DatabaseUnavailableError, match="Revoked"):
        connect(url(server, *options, revoked))


def test_we_show_a_certificate_of_our_own(server: Postgres, authority: Authority) -> None:
    certificate, key = authority.issue("known")
    ours = (f"sslcert={certificate}", f"sslkey={key}")
    assert encrypted(url(server, "sslmode=require", *ours, user="known"))
    with pytest.raises(DatabaseUnavailableError, match="certificate"):
        connect(url(server, "sslmode=require", user="known"))
    key.chmod(0o644)
    with pytest.raises(InvalidParameterError, match="others may read"):
        connect(url(server, "sslmode=require", *ours, user="known"))


def test_files_at_home_and_the_environment_are_heard(
    server: Postgres, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.issue("known")
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    shutil.copy(authority.certificate, folder / "root.crt")
    shutil.copy(certificate, folder / "postgresql.crt")
    shutil.copy(key, folder / "postgresql.key")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert encrypted(url(server, user="known"))
    with pytest.raises(DatabaseUnavailableError, match="not valid for name"):
        connect(url(server, user="known", host="127.0.0.1"))
    assert encrypted(url(server, "sslmode=require", user="known", host="127.0.0.1"))
    stranger = Authority(tmp_path / "stranger", "stranger").certificate
    monkeypatch.setenv("PGSSLROOTCERT", str(stranger))
    with pytest.raises(DatabaseUnavailableError, match="invalid peer certificate"):
        connect(url(server, user="known"))


def test_a_proof_is_bound_to_the_certificate(server: Postgres) -> None:
    assert encrypted(url(server, "channel_binding=require", user="proven:canary"))
    assert encrypted(url(server, "channel_binding=disable", user="proven:canary"))
    for address in (
        url(server, "channel_binding=require", "sslmode=disable", user="proven:canary"),
        url(server, "channel_binding=require", user="veiled"),
    ):
        with pytest.raises(DatabaseUnavailableError, match="channel_binding"):
            connect(address)
    with pytest.raises(DatabaseError) as caught:
        connect(url(server, user="proven:kanarienvogel"))
    assert "kanarienvogel" not in repr(caught.value)


def test_much_is_carried_both_ways(server: Postgres) -> None:
    server.sql("CREATE TABLE t AS SELECT i, repeat('x', 200) AS f FROM generate_series(1, 60000) i")
    server.sql("CREATE TABLE copy (LIKE t)")
    with closing(connect(url(server, "sslmode=require"), access="write", threads=3)) as fs:
        fs.pipe_file("/public/copy.arrow", fs.cat_file("/public/t.arrow"))
    assert server.sql("SELECT count(*) FROM t JOIN copy USING (i, f)").strip() == "60000"


class Relay:
    """Passes connections on to the server, and remembers how each began."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.began: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            first = near.recv(8, socket.MSG_WAITALL)
            self.began.append(first)
            far.sendall(first)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with source, target:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


def test_a_statement_is_stopped_by_a_request_under_tls(server: Postgres, root: str) -> None:
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    )
    with closing(Relay(server.port)) as relay:
        address = f"postgresql://postgres@localhost:{relay.port}/postgres?sslmode=verify-full&{root}"
        with closing(connect(address)) as fs:
            stream = fs.query_stream("SELECT pg_sleep(600)")
            _until(lambda: server.sql(sleeping).strip() == "1")
            stream.close()
            _until(lambda: server.sql(sleeping).strip() == "0")
        assert len(relay.began) >= 2
        assert set(relay.began) == {_SSL_REQUEST}


def _until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)
