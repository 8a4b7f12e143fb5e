from __future__ import annotations

import json
import pathlib
import pickle
import re
import shutil
import textwrap
import tomllib
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

import fsspec_db
from fsspec_db import AbstractDatabaseFileSystem, connect
from fsspec_db.engines import ENGINES, Engine
from fsspec_db.engines.urls import absolute, without_credentials
from fsspec_db.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from fsspec_db import Access

SECRET = "hunter2-canary"


@pytest.fixture
def modules(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A working directory with modules that make databases, well or badly."""
    shutil.copy(fsspec_db.__path__[0] + "/../tests/fsspec_db/seed_backend.py", tmp_path / "seeded.py")
    (tmp_path / "oddities.py").write_text(
        textwrap.dedent("""
        import seeded
        database = seeded.MemoryDatabase()
        number = 7
        class Half:
            def dialect(self): return "sqlite"
            def query(self, sql, params=None): ...
        def fails(): raise LookupError("no such tenant")
        class Space:
            make = staticmethod(seeded.MemoryDatabase)
    """)
    )
    (tmp_path / "needy.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path])
    yield tmp_path
    for name in ("seeded", "oddities", "needy"):
        __import__("sys").modules.pop(name, None)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    "url",
    [
        "python:seeded:MemoryDatabase",
        "python:oddities:database",
        "python:oddities:Space.make",
        "PYTHON:seeded:MemoryDatabase",
    ],
)
def test_a_python_database_is_named_by_module_and_callable(url: str) -> None:
    fs = connect(url, access="write")
    assert isinstance(fs, AbstractDatabaseFileSystem)
    assert fs.ls("/", detail=False) == ["/main"]
    assert fs.access == "write"
    assert connect(url).access == "read"
    with pytest.raises(PermissionError):
        connect(url).pipe_file("/main/users.csv", b"id,name\n1,a\n")


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("python:nowhere:thing", "nowhere"),
        ("python:nowhere.at.all:thing", "nowhere"),
        ("python:seeded:nothing", "nothing"),
        ("python:seeded", "python:module:callable"),
        ("python:seeded:", "python:module:callable"),
        ("python:oddities:Half", "list_schemas"),
        ("python:oddities:number", "int"),
        ("mongodb://x", "postgresql:, python:, "),
        ("no url", "there are"),
        ("", "there are"),
    ],
)
def test_what_names_no_database_is_a_value_error_that_helps(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        connect(url)
    assert fsspec_db.code_of(caught.value) == "invalid-parameter"


@pytest.mark.usefixtures("modules")
def test_what_the_module_raises_is_raised() -> None:
    with pytest.raises(LookupError, match="no such tenant"):
        connect("python:oddities:fails")
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        connect("python:needy:thing")


@pytest.mark.usefixtures("modules")
def test_an_access_level_must_exist() -> None:
    wrong: Any = "admin"
    with pytest.raises(ValueError):
        connect("python:seeded:MemoryDatabase", access=wrong)


@pytest.mark.usefixtures("modules")
def test_filesystems_of_urls_are_cached_and_can_be_pickled() -> None:
    one = fsspec.filesystem("db", url="python:oddities:database", access="write")
    assert fsspec.filesystem("db", url="python:oddities:database", access="write") is one
    assert fsspec.filesystem("db", url="python:oddities:database") is not one
    assert connect("python:oddities:database", access="write") is not one
    copy = pickle.loads(pickle.dumps(one))
    assert copy.access == "write"
    assert copy.ls("/main", detail=False) == one.ls("/main", detail=False)
    again = type(one).from_json(one.to_json())
    assert again.ls("/main", detail=False) == one.ls("/main", detail=False)


@pytest.mark.usefixtures("modules")
def test_a_closed_filesystem_is_not_cached() -> None:
    one = fsspec.filesystem("db", url="python:seeded:MemoryDatabase")
    one.close()
    assert fsspec.filesystem("db", url="python:seeded:MemoryDatabase") is not one


def test_filesystems_of_objects_are_their_own(seed: ModuleType) -> None:
    database = seed.MemoryDatabase()
    one, two = AbstractDatabaseFileSystem(database), AbstractDatabaseFileSystem(database)
    assert one is not two
    assert "MemoryDatabase" in repr(one)


def test_filesystems_of_objects_are_pickled_with_their_object() -> None:
    from tests.fsspec_db.backends import PythonSQLite

    fs = AbstractDatabaseFileSystem(PythonSQLite("somewhere.db"), access="manage", formats=("csv",))
    copy = pickle.loads(pickle.dumps(fs))
    assert (copy.db.name, copy.access, copy.formats) == ("somewhere.db", "manage", ("csv",))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://ada:{SECRET}@host:5432/db", "postgresql://ada@host:5432/db"),
        (f"postgresql://ada:{SECRET}@@host/db", "postgresql://ada@host/db"),
        (f"postgresql://host/db?user=ada&password={SECRET}", "postgresql://host/db?user=ada"),
        (f"postgresql://host/db?sslpassword={SECRET}&user=ada", "postgresql://host/db?user=ada"),
        (f"snow://host/db?access_token={SECRET}", "snow://host/db"),
        ("sqlite:////data/a@b.db?mode=ro", "sqlite:////data/a@b.db?mode=ro"),
        ("sqlite:////data/keys=1.db", "sqlite:////data/keys=1.db"),
        (f"sqlalchemy:oracle+oracledb://ada:{SECRET}@host/x", "sqlalchemy:oracle+oracledb://ada@host/x"),
        (f"sqlalchemy:mysql+pymysql://ada:a/{SECRET}?#@host/x", "sqlalchemy:mysql+pymysql://ada@host/x"),
        (f"odbc:PWD={SECRET};UID=ada", "odbc:UID=ada"),
        (f"odbc:UID=ada;Pwd={{;{SECRET};}}}}x}};DSN=d", "odbc:UID=ada;DSN=d"),
        (
            f"adbc:flightsql?uri=grpc://h:1&adbc.flight.sql.authorization_header={SECRET}",
            "adbc:flightsql?uri=grpc://h:1",
        ),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.usefixtures("modules")
def test_passwords_travel_only_with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fsspec_db.engines.ENGINES",
        {
            **ENGINES,
            "secret": Engine(
                "python",
                lambda _url, access, _threads: ENGINES["python"].open(
                    "python:seeded:MemoryDatabase", access, None
                ),
            ),
        },
    )
    url = f"secret://ada:{SECRET}@host/db"
    fs = connect(url)
    assert SECRET not in repr(fs)
    assert SECRET not in fs.url
    assert SECRET not in str(fs.__reduce__())
    assert SECRET.encode() not in pickle.dumps(fs)
    assert SECRET not in fs.to_json(include_password=False)
    assert json.loads(fs.to_json())["url"] == url
    consenting = connect(url, pickle_credentials=True)
    assert SECRET.encode() in pickle.dumps(consenting)
    with pytest.raises(ValueError) as caught:
        connect(f"unknown://ada:{SECRET}@host/db")
    assert SECRET not in str(caught.value)


def test_relative_files_stay_where_they_are(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("sqlite:///a%20b.db?mode=ro") == f"sqlite:///{tmp_path}/a%20b.db?mode=ro"
    for url in ("sqlite:////abs.db", "sqlite://", "sqlite:///:memory:", "python:a:b"):
        assert absolute(url) == url


def test_the_protocols_are_known() -> None:
    project = tomllib.loads((pathlib.Path(__file__).parents[2] / "pyproject.toml").read_text())
    entries = project["project"]["entry-points"]["fsspec.specs"]
    assert {name: place.replace(":", ".") for name, place in entries.items()} == PROTOCOLS
    for protocol, place in PROTOCOLS.items():
        kind = fsspec.get_filesystem_class(protocol)
        assert f"{kind.__module__}.{kind.__name__}" == place
        assert protocol in kind.protocol


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that filesystems were opened by, instead of opening them."""
    opened: list[str] = []
    made = ENGINES["python"].open

    def open_seed(url: str, access: Access, _: int | None) -> Any:
        opened.append(url)
        return made("python:seeded:MemoryDatabase", access, None)

    names = ("postgresql", "mysql", "sqlalchemy", "adbc", "odbc", "duckdb", "sqlite")
    monkeypatch.setattr("fsspec_db.engines.ENGINES", {name: Engine("python", open_seed) for name in names})
    return opened


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("protocol", "options", "url"),
    [
        ("db+postgresql", {"host": "h", "database": "d"}, "postgresql://h/d"),
        ("db+postgres", {"host": "::1", "port": 5, "user": "a@b"}, "postgresql://a%40b@[::1]:5/"),
        ("db+postgres", {"host": "h:1,i:2", "database": "a/b"}, "postgresql://h:1,i:2/a%2Fb"),
        (
            "db+postgresql",
            {"host": "/run/pg", "parameters": {"sslmode": "require"}},
            "postgresql:///?sslmode=require&host=%2Frun%2Fpg",
        ),
        ("db+mariadb", {"host": "h", "username": "u", "password": "p:w"}, "mysql://u:p%3Aw@h/"),
        ("db+duckdb", {"database": "/d.db"}, "duckdb:////d.db"),
        ("db+duckdb", {"database": ":memory:"}, "duckdb://"),
        ("db+sqlalchemy", {"url": "x+y://h/d"}, "sqlalchemy:x+y://h/d"),
        (
            "db+adbc",
            {"driver": "flightsql", "parameters": {"uri": "g://h"}},
            "adbc:flightsql?uri=g%3A%2F%2Fh",
        ),
        ("db+odbc", {"connection_string": "DSN=d;UID=u"}, "odbc:DSN%3Dd%3BUID%3Du"),
    ],
)
def test_keyword_options_make_the_url(
    urls: list[str], protocol: str, options: dict[str, Any], url: str
) -> None:
    fs = fsspec.filesystem(protocol, **options, skip_instance_cache=True)
    assert urls == [url]
    assert fs.exists("/main/users.csv")
    assert fs.exists(f"{protocol}:///main/users.csv")


@pytest.mark.usefixtures("modules")
def test_a_url_may_hold_the_address_of_its_server(urls: list[str]) -> None:
    address = f"db+postgresql://ada:{SECRET}%2F@db.example:5433/sales"
    with fsspec.open(f"{address}/main/users.csv") as file:
        assert file.read()
    assert urls == [f"postgresql://ada:{SECRET}%2F@db.example:5433/sales"]
    fs, path = fsspec.core.url_to_fs(f"{address}/main/users.csv?columns=id")
    assert path == "/main/users.csv?columns=id"
    assert fs.ls(address, detail=False) == ["/main"]
    assert fs.ls(f"{address}/main", detail=False) == fs.ls("/main", detail=False)


@pytest.mark.usefixtures("modules", "urls")
@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        (
            "db+postgresql",
            {"host": "h", "user": "u", "password": SECRET, "parameters": {"sslpassword": SECRET}},
        ),
        ("db+mysql", {"host": "h", "username": "u", "password": SECRET}),
        ("db+sqlalchemy", {"url": f"x+y://u:{SECRET}@h/d"}),
        ("db+adbc", {"driver": "x", "parameters": {"uri": f"x://u:{SECRET}@h/d", "password": SECRET}}),
        ("db+odbc", {"connection_string": f"DSN=d;PWD={{{SECRET}}}"}),
    ],
)
def test_no_protocol_shows_a_password(protocol: str, options: dict[str, Any]) -> None:
    fs = fsspec.filesystem(protocol, **options, skip_instance_cache=True)
    assert SECRET not in repr(fs)
    assert SECRET not in fs.url
    assert SECRET.encode() not in pickle.dumps(fs)
    assert SECRET not in fs.to_json(include_password=False)
    assert pickle.loads(pickle.dumps(fs)).url == fs.url
    consenting = fsspec.filesystem(protocol, **options, pickle_credentials=True, skip_instance_cache=True)
    assert SECRET.encode() in pickle.dumps(consenting)


@pytest.mark.usefixtures("modules")
def test_threads_are_a_matter_of_native_engines() -> None:
    with pytest.raises(ValueError, match="threads"):
        connect("python:seeded:MemoryDatabase", threads=2)


@pytest.mark.usefixtures("modules", "urls")
@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("db+postgresql", {"host": "h", "sslmode": "verify-full"}),
        ("db+duckdb", {"database": "/d.db", "memory_limit": "1GB"}),
        ("db", {"url": "sqlite://", "acess": "write"}),
    ],
)
def test_an_option_that_nobody_reads_is_refused(protocol: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"'{list(options)[-1]}' is no option"):
        fsspec.filesystem(protocol, **options, skip_instance_cache=True)


@pytest.mark.usefixtures("modules", "urls")
def test_options_of_any_filesystem_and_variables_of_the_gateway_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(fsspec.config.conf, "db", {"databases": "sqlite://"})  # FSSPEC_DB_DATABASES
    options = {"use_listings_cache": False, "listings_expiry_time": 1, "max_paths": 1}
    assert fsspec.filesystem("db", url="sqlite://", **options).ls("/")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_the_end_of_a_password_is_no_option_to_name(scheme: str) -> None:
    for url in ("ada:x?canary@host/d", "ada:x?y=1&canary1"):
        with pytest.raises(ValueError, match="no option") as caught:
            connect(f"{scheme}://{url}")
        assert "canary" not in str(caught.value)
    with pytest.raises(ValueError, match='no option "nonsense"'):
        connect(f"{scheme}://host/d?nonsense=1")
