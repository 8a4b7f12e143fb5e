"""How a PostgreSQL server is found, and with which password: as libpq has it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from fsspec_db import DatabaseUnavailableError, InvalidParameterError, UnsupportedError, connect
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "p@ss:w/ord,\\ü%"
USER = "a:n@n,/"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        server.sql(f"""CREATE ROLE "{USER}" LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE "d/b" """)
        server.rule(f'host all "{USER}" 127.0.0.1/32 scram-sha-256', f'local all "{USER}" scram-sha-256')
        yield server


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variables of this machine, and a home without files."""
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGOPTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def asked(url: str, what: str) -> object:
    with closing(connect(url)) as fs:
        (row,) = fs.query(f"SELECT {what} AS it").to_pylist()
        return row["it"]


def login(user: str = USER, password: str | None = PASSWORD) -> str:
    return quote(user, "") + (f":{quote(password, '')}" if password else "")


def test_a_url_is_cut_before_it_is_decoded(server: Postgres) -> None:
    assert asked(f"postgresql://{login()}@127.0.0.1:{server.port}/postgres", "current_user") == USER
    place = f"postgresql://postgres@127.0.0.1:{server.port}"
    assert asked(f"{place}/d%2Fb", "current_database()") == "d/b"
    assert asked(f"{place}/no?dbname=d%2Fb", "current_database()") == "d/b"


def test_hosts_are_tried_in_their_order(server: Postgres) -> None:
    for hosts in (f"127.0.0.1:1,127.0.0.1:{server.port}", f"[::1]:1,localhost:{server.port}"):
        assert asked(f"postgresql://postgres@{hosts}/postgres", "1") == 1
    address = f"postgresql://postgres@nowhere.invalid:{server.port}/postgres?hostaddr=127.0.0.1"
    assert asked(address, "1") == 1
    with pytest.raises(DatabaseUnavailableError, match="port 2"):
        connect("postgresql://postgres@127.0.0.1:1,127.0.0.1:2/postgres")


def test_a_wrong_password_is_not_tried_on_the_next_host(server: Postgres) -> None:
    hosts = f"127.0.0.1:{server.port},127.0.0.1:1"
    with pytest.raises(DatabaseUnavailableError, match="password authentication failed"):
        connect(f"postgresql://{login(password='wrong')}@{hosts}/postgres")


def test_a_unix_socket_is_a_folder(server: Postgres) -> None:
    folder = quote(str(server.folder), "")
    assert asked(f"postgresql://postgres@{folder}:{server.port}/postgres", "inet_client_addr()") is None
    address = f"postgresql:///postgres?host={server.folder}&port={server.port}&user=postgres"
    assert asked(address, "inet_client_addr()") is None
    with pytest.raises(DatabaseUnavailableError, match=r"\.s\.PGSQL\.1"):
        connect(f"postgresql://postgres@{folder}:1/postgres?sslmode=verify-full&sslrootcert=system")


def test_the_environment_says_what_the_url_does_not(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
        "PGDATABASE": "d/b",
        "PGAPPNAME": "gauge",
        "PGOPTIONS": "-c work_mem=7MB -c intervalstyle=iso_8601",
        "PGCONNECT_TIMEOUT": "5",
    }.items():
        monkeypatch.setenv(name, value)
    said = "concat_ws(' ', current_user, current_database(), current_setting('application_name'))"
    assert asked("postgresql://", said) == f"{USER} d/b gauge"
    assert asked("postgresql://", "current_setting('work_mem')") == "7MB"
    assert asked("postgresql://", "current_setting('intervalstyle')") == "postgres"
    assert asked("postgresql:///postgres?application_name=mine", said) == f"{USER} postgres mine"
    monkeypatch.setenv("PGREQUIREAUTH", "scram-sha-256")
    with pytest.raises(UnsupportedError, match="require_auth"):
        connect("postgresql://")


def test_a_service_says_more_than_the_environment(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sales = f"[sales]\n# ours\nhost=127.0.0.1\nport = {server.port}\ndbname=d/b\n"
    text = f"[other]\nport=1\n{sales}[wrong]\nhots=1\n"
    (tmp_path / ".pg_service.conf").write_text(text)
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGUSER", "postgres")
    assert asked("postgresql://?service=sales", "current_database()") == "d/b"
    monkeypatch.setenv("PGSERVICE", "sales")
    assert asked("postgresql:///postgres", "current_database()") == "postgres"
    for service in ("nobody", "wrong"):
        with pytest.raises(InvalidParameterError):
            connect(f"postgresql://?service={service}")
    moved = (tmp_path / ".pg_service.conf").rename(tmp_path / "services")
    with pytest.raises(InvalidParameterError):
        connect("postgresql://")
    monkeypatch.setenv("PGSERVICEFILE", str(moved))
    assert asked("postgresql://", "current_database()") == "d/b"


def test_a_password_file_is_read_line_by_line(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace(":", "\\:")

    file = tmp_path / ".pgpass"
    address = f"postgresql://{login(password=None)}@127.0.0.1:{server.port}/postgres"
    right = f"{escaped(USER)}:{escaped(PASSWORD)}"
    for line, proven in (
        (f"127.0.0.1:{server.port}:postgres:{right}", True),
        (f"# *:*:*:*:no\n*:*:*:other:no\n*:*:*:{right}", True),
        (f"{server.folder}:*:*:{right}", False),
        (f"127.0.0.1:*:*:*:no\n*:*:*:{right}", False),
    ):
        file.write_text(line + "\n")
        file.chmod(0o600)
        if proven:
            assert asked(address, "current_user") == USER
        else:
            with pytest.raises(DatabaseUnavailableError, match="password"):
                connect(address)
    file.write_text(f"{server.folder}:*:*:{right}\n127.0.0.1:*:*:{right}\n")
    socket = f"postgresql://{login(password=None)}@{quote(str(server.folder), '')}:{server.port}/postgres"
    assert asked(socket, "current_user") == USER
    # Of several hosts, each has its own.
    file.write_text(f"localhost:*:*:*:no\n127.0.0.1:*:*:{right}\n")
    assert asked(address.replace("127.0.0.1", "localhost:1,127.0.0.1"), "current_user") == USER
    file.chmod(0o640)
    with pytest.raises(DatabaseUnavailableError, match="none was given"):
        connect(address)
    moved = file.rename(tmp_path / "passwords")
    moved.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(moved))
    assert asked(address, "current_user") == USER


def asked_in(port: int) -> list[int | None]:
    """Seconds until the other side of each connection to a port is asked whether it is there."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    timers = [line[5].split(":") for line in lines if line[2] == f"0100007F:{port:04X}" and line[3] == "01"]
    return [round(int(when, 16) / 100) if timer == "02" else None for timer, when in timers]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    ("options", "seconds"),
    [("", 60), ("?keepalives_idle=7&keepalives_count=2&tcp_user_timeout=90000", 7), ("?keepalives=0", None)],
    ids=["usual", "said", "none"],
)
def test_a_silent_server_is_asked_whether_it_is_there(
    server: Postgres, options: str, seconds: int | None
) -> None:
    with closing(connect(server.url + options)):
        time.sleep(0.3)  # until what was sent is known to have come
        (left,) = asked_in(server.port)
        assert left is None if seconds is None else left is not None and seconds - 2 <= left <= seconds


def test_zero_is_what_the_system_has(server: Postgres) -> None:
    usual = int(Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text())
    with closing(connect(f"{server.url}?keepalives_idle=0")):
        time.sleep(0.3)
        (left,) = asked_in(server.port)
        assert left
        assert usual - 2 <= left <= usual


def test_a_wrong_number_of_keepalive_is_named() -> None:
    with pytest.raises(InvalidParameterError, match="keepalives_idle"):
        connect("postgresql://h/d?keepalives_idle=soon")
