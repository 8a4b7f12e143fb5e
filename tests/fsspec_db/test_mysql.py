"""MySQL and MariaDB: what is their own, beside what every engine is held to."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import (
    ConstraintViolationError,
    DatabaseError,
    DatabaseUnavailableError,
    InvalidParameterError,
    InvalidQueryError,
    NotFoundError,
    ReadOnlyError,
    UnsupportedError,
    ValueOutOfRangeError,
    connect,
)
from tests.certificates import Authority
from tests.fsspec_db.samples import arrow_bytes, table_of
from tests.mariadb import MariaDB
from tests.mysql import MySQL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fsspec_db import Access, DatabaseFileSystem
    from tests.mysql_server import Server

SERVERS = {
    "mariadb": (MariaDB, ("plugin-load-add=auth_ed25519", "max-recursive-iterations=1000000")),
    "mysql": (MySQL, ("plugin-load-add=auth_socket.so", "cte-max-recursion-depth=1000000")),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Every test runs with each, unless it asks for one of them."""
    kind, options = SERVERS[request.param]
    with kind(*options) as server:
        yield server


mariadb_alone = pytest.mark.parametrize("server", ["mariadb"], indirect=True, scope="module")
mysql_alone = pytest.mark.parametrize("server", ["mysql"], indirect=True, scope="module")


def user(server: Server, name: str, proof: str = "", grant: str = "") -> None:
    """Makes a user anew."""
    server.sql(f"DROP USER IF EXISTS {name}; CREATE USER {name} {proof}")
    if grant:
        server.sql(f"GRANT {grant} TO {name}")


@pytest.fixture
def db(server: Server) -> Iterator[Callable[[str], str]]:
    """Runs statements in the fresh schema `d`."""
    server.sql("CREATE DATABASE d CHARACTER SET utf8mb4")
    yield lambda statements: server.sql(statements, database="d")
    server.sql("DROP DATABASE d")


@contextmanager
def opened(url: str, access: Access = "read", **options: Any) -> Iterator[DatabaseFileSystem]:
    with closing(connect(url, access=access, **options)) as fs:
        yield fs


def table(fs: DatabaseFileSystem, path: str) -> pa.Table:
    return table_of(fs.cat_file(path))


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


def test_all_schemas_are_listed_but_those_of_the_system(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (n int)")
    with opened(f"{server.url}/d") as fs, opened(server.url.replace("mysql:", "mariadb:")) as bare:
        assert fs.ls("/", detail=False) == bare.ls("/", detail=False) == ["/d"]
        assert fs.exists("/mysql/user")
        assert b"root" in fs.cat_file("/mysql/user.csv")
        for entry in fs.ls("/information_schema"):
            if entry["type"] == "directory":
                fs.cat_file(f"{entry['name']}.jsonl?limit=3")
        with pytest.raises(NotFoundError):
            fs.ls("/D")
        with pytest.raises(NotFoundError):
            fs.info("/d/T")


def test_dates_that_no_calendar_has_are_an_error_or_null(server: Server, db: Callable[[str], str]) -> None:
    db(
        """SET sql_mode = '';
           CREATE TABLE t (n int, d date NOT NULL, at datetime NOT NULL, ts timestamp NOT NULL DEFAULT 0);
           INSERT INTO t VALUES (1, '2024-02-29', '2024-02-29 01:02:03', '2024-02-29 01:02:03'),
             (2, 0, 0, 0), (3, '2024-00-00', '2024-01-00', 0);
           SET sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO t VALUES (4, '2023-02-29', '2023-02-30', 0)"""
    )
    with opened(server.url) as fs, pytest.raises(ValueOutOfRangeError, match="zero_dates=null") as caught:
        fs.cat_file("/d/t.arrow")
    assert caught.value.column == "d"
    with opened(f"{server.url}?zero_dates=null") as fs:
        read = table(fs, "/d/t.arrow")
        assert [read[name].null_count for name in ("n", "d", "at", "ts")] == [0, 3, 3, 3]
        assert read["d"][0].as_py().isoformat() == "2024-02-29"


@pytest.mark.parametrize("mode", ["ANSI", "", "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH", "own"])
def test_the_servers_sql_mode_changes_nothing(server: Server, db: Callable[[str], str], mode: str) -> None:
    db(
        r"CREATE TABLE t (id int PRIMARY KEY, c char(9), `a\b` varchar(9));"
        r"INSERT INTO t VALUES (0, 'x', 'a\\b')"
    )
    own = "ORACLE" if isinstance(server, MariaDB) else "TIME_TRUNCATE_FRACTIONAL,HIGH_NOT_PRECEDENCE"
    server.sql(f"SET GLOBAL sql_mode = '{mode.replace('own', own)}', GLOBAL sql_safe_updates = 1")
    try:
        with opened(server.url, "manage") as fs:
            before = table(fs, "/d/t.arrow")
            assert before.to_pylist() == [{"id": 0, "c": "x", "a\\b": "a\\b"}]
            fs.pipe_file("/d/t.arrow", arrow_bytes(before))
            fs.pipe_file("/d/copy.arrow", fs.cat_file("/d/t.arrow?where=c='x'"), mode="create")
            assert table(fs, "/d/copy.arrow").to_pylist() == before.to_pylist()
            with pytest.raises(DatabaseError):
                fs.pipe_file("/d/t.csv", b"id,c\n1,more than nine\n", mode="append")
    finally:
        server.sql("SET GLOBAL sql_mode = DEFAULT, GLOBAL sql_safe_updates = 0")


def test_values_beyond_one_packet_go_both_ways(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (id int PRIMARY KEY, b longblob, t longtext)")
    sizes = [0, 250, 251, 65_536, (1 << 24) - 9, (1 << 24) - 1, 1 << 24, (1 << 25) - 5, (1 << 25) + 1]
    blobs = [bytes([n]) * size for n, size in enumerate(sizes)]
    body = pa.table(
        {"id": pa.array(range(len(sizes)), pa.int32()), "b": blobs, "t": ["é" * 524_288] * len(sizes)}
    )
    with opened(server.url, "write") as fs:
        fs.pipe_file("/d/t.arrow", arrow_bytes(body))
        read = table(fs, "/d/t.arrow?order=id")
        assert read["b"].to_pylist() == blobs
        assert read["t"].to_pylist() == body["t"].to_pylist()
        assert db("SELECT COUNT(DISTINCT SHA2(b, 256)) FROM t").strip() == str(len(sizes))
        beyond = arrow_bytes(pa.table({"id": pa.array([99], pa.int32()), "b": [bytes(65 << 20)]}))
        with pytest.raises(ValueOutOfRangeError, match="max_allowed_packet"):
            fs.pipe_file("/d/t.arrow", beyond)
        assert db("SELECT COUNT(*) FROM t").strip() == str(len(sizes))


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("char(5)", pa.scalar("ab ")),
        ("varchar(2)", pa.scalar("ab ")),
        ("varchar(2)", pa.scalar("abc")),
        ("varchar(2) character set latin1", pa.scalar("日")),
        ("tinytext", pa.scalar("x" * 256)),
        ("tinytext", pa.scalar("x" * 255 + " ")),
        ("float(7,2)", pa.scalar(1.2345, pa.float32())),
        ("double(9,3)", pa.scalar(1.23456)),
        ("geometry", pa.scalar(b"no geometry")),
        ("binary(3)", pa.scalar(b"ab")),
        ("bit(12)", pa.scalar(b"\x05")),
        ("enum('1','b')", pa.scalar("2")),
        ("enum('a','b')", pa.scalar("A")),
        ("set('a','b')", pa.scalar("a,c")),
        ("year", pa.scalar(70)),
        ("decimal(5,2)", pa.scalar(1000)),
        ("float", pa.scalar(0.1)),
        ("double", pa.scalar(float("nan"))),
        ("datetime(3)", pa.scalar(1, pa.timestamp("us"))),
        ("timestamp null", pa.scalar(0, pa.timestamp("us", "UTC"))),
        ("time", pa.scalar(839 * 3600 * 10**6, pa.duration("us"))),
        ("json", pa.scalar("{")),
    ],
)
def test_a_value_that_would_be_changed_is_refused_with_its_row(
    server: Server, db: Callable[[str], str], declared: str, value: pa.Scalar
) -> None:
    db(f"CREATE TABLE t (id int, v {declared}); INSERT INTO t VALUES (7, NULL)")
    body = pa.table({"id": pa.array([1, 2], pa.int32()), "v": pa.array([None, value.as_py()], value.type)})
    refused = pytest.raises((ValueOutOfRangeError, ConstraintViolationError))
    with opened(server.url, "write") as fs, refused:
        fs.pipe_file("/d/t.arrow", arrow_bytes(body))
    assert db("SELECT id, v FROM t") == "7\tNULL\n"


@mysql_alone
@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("vector(3)", pa.scalar(b"abc")),
        ("vector(3)", pa.scalar(bytes(16))),
        ("geometry srid 4326", pa.scalar(bytes(4) + bytes.fromhex("0101000000" + 32 * "0"))),
        ("json", pa.scalar('{"a": 0.10000000000000000555}')),
    ],
)
def test_a_value_that_mysql_does_not_hold_is_refused(
    server: Server, db: Callable[[str], str], declared: str, value: pa.Scalar
) -> None:
    test_a_value_that_would_be_changed_is_refused_with_its_row(server, db, declared, value)


def test_a_zero_is_kept_and_a_null_counts_on(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v int)")
    with opened(server.url, "write") as fs:
        fs.pipe_file("/d/t.csv", b"id,v\n0,1\n,2\n7,3\n")
    assert db("SELECT id, v FROM t ORDER BY v") == "0\t1\n1\t2\n7\t3\n"


def test_floats_come_back_bit_by_bit(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (f float, d double)")
    floats = [0.1, 0.0, 1e-45, 1.1754944e-38, 3.4028235e38, 16_777_217.0, 0.3333333]
    doubles = [0.1, 0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 2.0**53 + 2, 1 / 3]
    body = pa.table({"f": pa.array(floats, pa.float32()), "d": doubles})
    db("CREATE TABLE rounded (f float(7,2), d double(9,3))")
    db("INSERT INTO rounded VALUES (0.1, 0.001), (1.5, -7)")
    with opened(server.url, "write") as fs:
        fs.pipe_file("/d/t.arrow", arrow_bytes(body))
        read = table(fs, "/d/t.arrow")
        fs.pipe_file("/d/rounded.arrow", fs.cat_file("/d/rounded.arrow"), mode="append")
    assert db("SELECT COUNT(*), COUNT(DISTINCT f, d) FROM rounded") == "4\t2\n"
    for name in ("f", "d"):
        bits = [column.combine_chunks().buffers()[1].to_pybytes() for column in (body[name], read[name])]
        assert bits[0][: len(bits[1])] == bits[1][: len(bits[0])]


def test_an_upsert_never_touches_a_row_by_another_unique_key(
    server: Server, db: Callable[[str], str]
) -> None:
    db(
        "CREATE TABLE t (a int, b int, u int UNIQUE, v int, PRIMARY KEY (a, b));"
        "INSERT INTO t VALUES (1, 1, 10, 0), (2, 2, 20, 0)"
    )
    with opened(server.url, "write") as fs:
        fs.pipe_file("/d/t.csv", b"a,b,u,v\n1,1,11,5\n3,3,30,6\n", mode="upsert")
        with pytest.raises(ConstraintViolationError, match="unique key"):
            fs.pipe_file("/d/t.csv", b"a,b,u,v\n1,1,12,7\n9,9,20,7\n", mode="upsert")
    assert db("SELECT * FROM t ORDER BY a") == "1\t1\t11\t5\n2\t2\t20\t0\n3\t3\t30\t6\n"


def test_a_table_without_transactions_is_read_and_not_written(
    server: Server, db: Callable[[str], str]
) -> None:
    db("CREATE TABLE t (n int) ENGINE = MyISAM; INSERT INTO t VALUES (1)")
    with opened(server.url, "write") as fs:
        assert fs.cat_file("/d/t.csv") == b"n\r\n1\r\n"
        with pytest.raises(UnsupportedError, match="MyISAM"):
            fs.pipe_file("/d/t.csv", b"n\n2\n")
    assert db("SELECT n FROM t") == "1\n"


def test_generated_columns_are_made_anew(server: Server, db: Callable[[str], str]) -> None:
    db(
        "CREATE TABLE t (a int, twice int AS (a * 2) STORED, half int AS (a DIV 2) VIRTUAL);"
        "INSERT INTO t (a) VALUES (4)"
    )
    with opened(server.url, "write") as fs:
        fs.pipe_file("/d/t.arrow", fs.cat_file("/d/t.arrow"), mode="append")
    assert db("SELECT * FROM t") == "4\t8\t2\n4\t8\t2\n"


def test_a_table_is_seen_when_it_is_whole_or_not_at_all(server: Server, db: Callable[[str], str]) -> None:
    with opened(server.url, "manage") as fs:
        with pytest.raises(ValueOutOfRangeError):
            fs.pipe_file("/d/t.arrow", arrow_bytes(pa.table({"v": [1.0, float("inf")]})), mode="create")
        assert fs.ls("/d") == []
        fs.pipe_file("/d/t.csv", b"v\n1\n", mode="create")
        assert db("SHOW TABLES") == "t\n"


@pytest.mark.usefixtures("db")
def test_a_schema_goes_when_nothing_is_left_in_it(server: Server) -> None:
    with opened(server.url, "manage") as fs:
        fs.mkdir("/e f")
        server.sql("CREATE PROCEDURE `e f`.p() SELECT 1")
        with pytest.raises(OSError, match="routines"):
            fs.rmdir("/e f")
        server.sql("DROP PROCEDURE `e f`.p; CREATE TABLE d.t (n int)")
        fs.mv("/d/t", "/e f/moved")
        with pytest.raises(OSError, match="relations"):
            fs.rmdir("/e f")
        fs.rm("/e f/moved", recursive=True)
        fs.rmdir("/e f")
        assert fs.ls("/", detail=False) == ["/d"]


def test_a_view_tells_what_it_reads(server: Server, db: Callable[[str], str]) -> None:
    db(
        """CREATE TABLE `from` (a int); CREATE TABLE u (a int);
           CREATE VIEW v AS SELECT x.a FROM `from` x LEFT JOIN u ON u.a = x.a
           WHERE x.a IN (SELECT a FROM u)"""
    )
    with opened(server.url) as fs:
        assert fs.ls("/d/v/depends_on", detail=False) == ["/d/v/depends_on/d.from", "/d/v/depends_on/d.u"]
        assert fs.cat_file("/d/v.sql").startswith(b"select `x`.`a`")
        assert b"CREATE TABLE `u`" in fs.cat_file("/d/u.sql")


def test_a_session_is_as_new_after_a_query(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (n int); CREATE PROCEDURE p() DELETE FROM t")
    with opened(server.url) as fs:
        assert fs.query("SELECT GET_LOCK('mine', 0) AS n, @kept := 7 AS k").to_pylist() == [{"n": 1, "k": 7}]
        assert server.sql("SELECT GET_LOCK('mine', 0)") == "1\n"
        (row,) = fs.query(
            "SELECT @kept AS k, @@time_zone AS z, @@sql_mode LIKE '%STRICT_ALL%' AS s"
        ).to_pylist()
        assert row == {"k": None, "z": "+00:00", "s": 1}
        for statement in ("OPTIMIZE TABLE d.t", "SELECT 1 INTO OUTFILE '/tmp/x'", "CALL d.p()"):
            with pytest.raises(ReadOnlyError):
                fs.query(statement)


def test_a_connection_that_the_server_tired_of_is_replaced(server: Server) -> None:
    server.sql("SET GLOBAL wait_timeout = 1")
    try:
        with opened(server.url) as fs:
            assert fs.query("SELECT 1 AS n").num_rows == 1
            until(lambda: connections(server) == 1)  # who asks
            assert fs.query("SELECT 1 AS n").num_rows == 1
    finally:
        server.sql("SET GLOBAL wait_timeout = DEFAULT")


def test_names_beyond_the_basic_plane_are_nobodys(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE `?` (n int); CREATE TABLE t (n int)")
    body = arrow_bytes(pa.table({"n": [1]}))
    with opened(server.url, "manage") as fs:
        for act in (
            lambda: fs.mkdir("/🙂"),
            lambda: fs.pipe_file("/d/🙂.arrow", body, mode="create"),
            lambda: fs.pipe_file("/d/u.arrow", arrow_bytes(pa.table({"🙂": [1]})), mode="create"),
            lambda: fs.mv("/d/t", "/d/🙂"),
            lambda: fs.mv("/d/🙂", "/d/u"),
            lambda: fs.rm("/d/🙂", recursive=True),
        ):
            with pytest.raises(DatabaseError):
                act()
        assert fs.ls("/", detail=False) == ["/d"]
    assert db("SHOW TABLES") == "?\nt\n"


def test_a_table_that_others_refer_to_is_not_dropped(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int, FOREIGN KEY (id) REFERENCES p (id))")
    with opened(server.url, "manage") as fs, pytest.raises(ConstraintViolationError):
        fs.rm("/d/p", recursive=True)


@mysql_alone
def test_defaults_and_checks_are_told_as_sql(server: Server, db: Callable[[str], str]) -> None:
    db(
        r"""CREATE TABLE t (a varchar(99) DEFAULT 'CURRENT_TIMESTAMP',
            b varchar(99) DEFAULT (concat('it''s', a)), c timestamp DEFAULT CURRENT_TIMESTAMP,
            d set('1', '2') DEFAULT '2', e varbinary(2) DEFAULT x'ff01',
            CONSTRAINT named CHECK (a <> 'it''s'))"""
    )
    with opened(server.url) as fs:
        told = [json.loads(fs.cat_file(f"/d/t/columns/{name}"))["default"] for name in "abcde"]
        check = json.loads(fs.cat_file("/d/t/constraints/named"))["expr"]
    assert told == [
        "'CURRENT_TIMESTAMP'",
        r"concat(_utf8mb4'it\'s',`a`)",
        "CURRENT_TIMESTAMP",
        "'2'",
        "0xFF01",
    ]
    assert check == r"(`a` <> _utf8mb4'it\'s')"


@mysql_alone
def test_a_key_that_the_server_made_up_is_no_column(server: Server, db: Callable[[str], str]) -> None:
    server.sql("SET GLOBAL sql_generate_invisible_primary_key = ON")
    try:
        with opened(server.url, "manage") as fs:
            fs.pipe_file("/d/t.csv", b"v\r\n1\r\n", mode="create")
            fs.pipe_file("/d/copy.arrow", fs.cat_file("/d/t.arrow"), mode="create")
            fs.pipe_file("/d/t.arrow", fs.cat_file("/d/copy.arrow"), mode="append")
            assert fs.cat_file("/d/t.csv") == b"v\r\n1\r\n1\r\n"
    finally:
        server.sql("SET GLOBAL sql_generate_invisible_primary_key = OFF")
    assert db("SELECT my_row_id, v FROM t") == "1\t1\n2\t1\n"


def sleeping(server: Server) -> bool:
    running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
    return server.sql(running) != "0\n"


def test_a_query_is_killed_when_its_reader_leaves_or_its_time_is_up(server: Server) -> None:
    with opened(server.url) as fs:
        stream = fs.query_stream("SELECT SLEEP(600)")
        until(lambda: sleeping(server))
        stream.close()
        until(lambda: not sleeping(server), 1)
        with pytest.raises(TimeoutError):
            fs.query("SELECT SLEEP(600)", timeout=0.2)
        until(lambda: not sleeping(server), 1)
        limit = "max_statement_time" if isinstance(server, MariaDB) else "max_execution_time"
        assert fs.query(f"SELECT @@{limit} + 0 AS n").to_pylist() == [{"n": 0}]


def test_a_writer_that_waits_for_a_lock_stops_in_time(server: Server, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    held = threading.Thread(target=db, args=("LOCK TABLES t WRITE; DO SLEEP(3)",))
    held.start()
    until(
        lambda: (
            "SLEEP"
            in server.sql("SELECT info FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'")
        )
    )
    with opened(server.url) as fs, pytest.raises(TimeoutError):
        fs.query("SELECT * FROM d.t", timeout=0.3)
    held.join()


@mariadb_alone
@pytest.mark.parametrize(
    ("plugin", "password"),
    [
        ("mysql_native_password USING PASSWORD('p@ss:wörd')", "p%40ss%3Aw%C3%B6rd"),
        ("ed25519 USING PASSWORD('p@ss:wörd')", "p%40ss%3Aw%C3%B6rd"),
        ("mysql_native_password USING PASSWORD('')", ""),
    ],
)
def test_a_password_is_proven(server: Server, plugin: str, password: str) -> None:
    user(server, "ann@'%'", f"IDENTIFIED VIA {plugin}")
    place = server.url.replace("root@", "")
    with opened(place.replace("//", f"//ann:{password}@")) as fs:
        assert fs.query("SELECT CURRENT_USER() AS u").to_pylist() == [{"u": "ann@%"}]
    with pytest.raises(DatabaseError) as caught:
        connect(place.replace("//", "//ann:canary@"))
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.sqlstate == "28000"


@mysql_alone
def test_a_password_that_the_server_does_not_remember_is_told_in_private_alone(server: Server) -> None:
    user(server, "ann@'%'", "IDENTIFIED BY 'p@ss:wörd'")
    place = server.url.replace("root@", "ann:p%40ss%3Aw%C3%B6rd@")
    local = f"mysql:///?socket={server.socket}&user=ann&password=p%40ss%3Aw%C3%B6rd"
    in_the_clear = f"{place}?ssl-mode=DISABLED"
    for private in (f"{place}?ssl-mode=REQUIRED", place, local):
        server.sql("FLUSH PRIVILEGES")  # it forgets the passwords that it has seen
        with pytest.raises(DatabaseError, match="ssl-mode=REQUIRED"):
            connect(in_the_clear)
        for url in (private, in_the_clear):
            with opened(url) as fs:
                assert fs.query("SELECT CURRENT_USER() AS u").to_pylist() == [{"u": "ann@%"}]
    for wrong in (place, local):
        with pytest.raises(DatabaseError) as caught:
            connect(wrong.replace("p%40ss", "canary"))
        assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"
        assert caught.value.sqlstate == "28000"


def test_the_system_vouches_for_who_comes_by_the_socket(server: Server) -> None:
    proof = "VIA unix_socket" if isinstance(server, MariaDB) else "WITH auth_socket"
    user(server, "bob@localhost", f"IDENTIFIED {proof}")
    address = f"mysql:///?socket={server.socket}"
    with opened(f"{address}&user=root") as fs:
        assert fs.query("SELECT CURRENT_USER() AS u").to_pylist() == [{"u": "root@localhost"}]
    with pytest.raises(DatabaseError, match="Access denied"):
        connect(f"{address}&user=bob")


def test_what_the_url_does_not_say_stands_in_the_option_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".my.cnf").write_text(
        f"[client]\nuser=root\nhost=127.0.0.1\nport={server.port}\n[mysql]\nuser=no\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    with opened("mysql:///") as fs:
        assert fs.query("SELECT 1 AS n").num_rows == 1
    with pytest.raises(InvalidParameterError, match="nonsense"):
        connect("mysql:///?nonsense=1")


@pytest.mark.parametrize(("kind", "plain"), [(MariaDB, ()), (MySQL, ("tls-version=",))])
def test_connections_are_under_tls_and_verified_as_asked(
    tmp_path: Path, kind: type[Server], plain: tuple[str, ...]
) -> None:
    authority, other = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    catalogue = "information" if kind is MariaDB else "performance"
    shown = f"SELECT variable_value <> '' AS n FROM {catalogue}_schema.session_status"
    with kind() as server:
        server.stop()
        server.start(*plain)
        with pytest.raises(DatabaseError, match="TLS"):
            connect(f"{server.url}?ssl-mode=REQUIRED")
        server.stop()
        certificate, key = map(server.keep, authority.issue("server", "DNS:localhost"))
        server.start(
            f"ssl-cert={certificate}", f"ssl-key={key}", f"ssl-ca={server.keep(authority.certificate)}"
        )
        root, place = authority.certificate, server.url.replace("127.0.0.1", "localhost")
        for query, secure in (
            ("ssl-mode=DISABLED", 0),
            ("", 1),
            ("sslmode=required", 1),
            (f"ssl-ca={root}", 1),
            (f"ssl_mode=VERIFY_IDENTITY&ssl_ca={root}", 1),
        ):
            with opened(f"{place}?{query}") as fs:
                found = fs.query(f"{shown} WHERE variable_name = 'Ssl_cipher'").to_pylist()
                assert found == [{"n": secure}], query
        for wrong in (
            f"{place}?ssl-ca={other.certificate}",
            f"{place}?ssl-mode=VERIFY_IDENTITY",
            f"{server.url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={root}",
        ):
            with pytest.raises(DatabaseError):
                connect(wrong)
        server.sql("CREATE USER eve@'%' IDENTIFIED BY 'secret' REQUIRE SSL; CREATE USER mia@'%' REQUIRE X509")
        for user in ("eve:secret@", "mia@"):
            with pytest.raises(DatabaseError):
                connect(f"{place.replace('root@', user)}?ssl-mode=DISABLED")
        mine, secret = authority.issue("client")
        for address in ("eve:secret@", "mia@"):
            url = f"{place.replace('root@', address)}?ssl-cert={mine}&ssl-key={secret}"
            with opened(url) as fs:
                stream = fs.query_stream("SELECT SLEEP(600)")
                until(lambda: sleeping(server))
                stream.close()
                until(lambda: not sleeping(server), 1)


MANY = """
    CREATE TABLE t (id int PRIMARY KEY, v int, f varchar(99))
    AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
    SELECT i * 3 AS id, 0 AS v, REPEAT('x', 50) AS f FROM n;
    ANALYZE TABLE t;
"""


def connections(server: Server) -> int:
    return int(server.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'root'"))


def test_ranges_read_side_by_side_are_the_whole_table_in_one_state(
    server: Server, db: Callable[[str], str]
) -> None:
    db(MANY)
    stop = threading.Event()

    def write() -> None:
        version = 0
        while not stop.is_set():
            version += 1
            db(f"UPDATE t SET v = {version} WHERE id < 300 OR id > 599700")

    writer = threading.Thread(target=write)
    with opened(server.url, threads=3) as fs:
        quiet = connections(server)
        whole = table(fs, "/d/t.arrow")
        assert whole["id"].to_pylist() == [3 * n for n in range(1, 200_001)]
        # Two more readers, and who held the lock, where there is such a lock.
        assert connections(server) - quiet == (3 if isinstance(server, MariaDB) else 0)
        writer.start()
        try:
            for _ in range(20):
                read = table(fs, "/d/t.arrow?columns=id,v")
                changed = read.filter(
                    pa.compute.or_(pa.compute.less(read["id"], 300), pa.compute.greater(read["id"], 599_700))
                )
                assert len(changed["v"].unique()) == 1
        finally:
            stop.set()
            writer.join()


def test_an_open_writer_neither_waits_for_readers_nor_they_for_it(
    server: Server, db: Callable[[str], str]
) -> None:
    db(MANY)
    held = threading.Thread(target=db, args=("BEGIN; UPDATE t SET v = 7 WHERE id = 3; DO SLEEP(2); COMMIT",))
    held.start()
    until(
        lambda: (
            "DO SLEEP" in server.sql("SELECT info FROM information_schema.processlist WHERE info IS NOT NULL")
        )
    )
    with opened(server.url, threads=3) as fs:
        before = time.monotonic()
        read = table(fs, "/d/t.arrow")
        db("UPDATE t SET v = 8 WHERE id = 600000")
        assert time.monotonic() - before < 1.5
        assert read["v"].unique().to_pylist() == [0]
        kept = connections(server)
        time.sleep(3)  # longer than the server has patience with who holds a lock
        assert connections(server) == kept - 1  # the writer that has ended
    held.join()


def test_a_user_who_may_not_lock_reads_by_one_connection(server: Server, db: Callable[[str], str]) -> None:
    db(MANY)
    user(server, "reader@'%'", grant="SELECT ON d.*")
    with opened(server.url.replace("root@", "reader@"), threads=3) as fs:
        assert table(fs, "/d/t.arrow").num_rows == 200_000


def test_a_reader_that_leaves_stops_nobody_elses_statement(server: MariaDB, db: Callable[[str], str]) -> None:
    rows = "SELECT seq AS id, repeat(md5(seq), 6) AS filler FROM seq_1_to_150000"
    db(f"CREATE TABLE big (id int PRIMARY KEY) AS {rows}; ANALYZE TABLE big")
    with opened(f"{server.url}/d", threads=2) as fs, ThreadPoolExecutor() as pool:
        stream = fs.open_stream("/d/big.arrow")
        assert stream.next()
        # The connection that held the lock is kept for others, who may come while this one reads.
        others = [pool.submit(fs.query, "SELECT 7 AS n, sleep(1) AS s") for _ in range(2)]
        asleep = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'"
        until(lambda: server.sql(asleep).strip() == "2")
        stream.close()
        for other in others:
            assert other.result().to_pylist() == [{"n": 7, "s": 0}]


def test_who_alters_a_table_does_not_keep_its_readers_from_each_other(
    server: MariaDB, db: Callable[[str], str]
) -> None:
    db(MANY)
    with opened(server.url, threads=4) as fs, ThreadPoolExecutor() as pool:
        other = pool.submit(db, "ALTER TABLE t COMMENT 'x'; ALTER TABLE t COMMENT 'y';" * 30)
        while not other.done():
            # Of a state that is gone there is an error, and never a wait without end.
            with suppress(DatabaseUnavailableError, InvalidQueryError):
                assert table_of(fs.cat_file("/d/t.arrow", timeout=10)).num_rows == 200_000
        other.result()


def test_no_statement_is_left_on_the_server(server: MariaDB, db: Callable[[str], str]) -> None:
    db("CREATE TABLE t (id int PRIMARY KEY)")
    twice = arrow_bytes(pa.table({"id": pa.array([1, 1], pa.int32())}))
    with opened(f"{server.url}/d", "write") as fs:
        for n in range(5):
            fs.pipe_file("/d/t.arrow", arrow_bytes(pa.table({"id": pa.array([n], pa.int32())})))
            with pytest.raises(ConstraintViolationError):
                fs.pipe_file("/d/t.arrow", twice)
            with pytest.raises(DatabaseError):
                fs.cat_file("/d/t.csv?where=CAST(id AS DATE) %2B 'x' > 1 AND nothing = 1")
        assert fs.cat_file("/d/t.csv") == b"id\r\n4\r\n"
        left = server.sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").split()
        assert int(left[1]) <= 1  # that one is closed with the next request


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_a_silent_server_is_asked_whether_it_is_there(server: MariaDB) -> None:
    with opened(server.url):
        time.sleep(0.3)  # until what was sent is known to have come
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        timers = [line[5] for line in lines if line[2] == f"0100007F:{server.port:04X}" and line[3] == "01"]
        assert [timer.partition(":")[0] for timer in timers] == ["02"]
