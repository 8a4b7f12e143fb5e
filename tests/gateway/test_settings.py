"""Each setting exists once, and is a flag, a variable and a TOML key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway import settings
from gateway.cli import parser
from gateway.settings import Settings, SettingsError, database_urls, load

if TYPE_CHECKING:
    from pathlib import Path


def test_every_setting_has_a_flag_that_is_explained(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parser().parse_args(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for item in settings.items():
        if item.name != "databases":
            assert "--" + item.name.replace("_", "-") in text
            assert item.metadata["help"] in text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("access", "write", "write"),
        ("insecure", "true", True),
        ("allowed_hosts", "a, b", ("a", "b")),
        ("pool_wait", "0.5", 0.5),
        ("max_body_bytes", "3 MiB", 3 << 20),
        ("log_level", "debug", "debug"),
        ("databases", "a=sqlite:///x b=sqlite:///y", {"a": "sqlite:///x", "b": "sqlite:///y"}),
    ],
)
def test_a_variable_is_read_as_a_flag_is(name: str, text: str, value: Any):
    assert getattr(load({}, {"FSSPEC_DB_" + name.upper(): text}), name) == value
    assert getattr(load({name: text}, {}), name) == value


def test_a_flag_outranks_a_variable_and_that_the_file(tmp_path: Path):
    file = tmp_path / "gateway.toml"
    file.write_text('port = 1\npool_size = 2\nquery_timeout = 3\n[databases]\na = "sqlite:///a.db"\n')
    environ = {"FSSPEC_DB_PORT": "10", "FSSPEC_DB_POOL_SIZE": "20"}
    found = load({"port": "100"}, environ, str(file))
    assert (found.port, found.pool_size, found.query_timeout) == (100, 20, 3.0)
    assert found.databases == {"a": "sqlite:///a.db"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "x"),
        ("port", 70000),
        ("port", True),
        ("port", 1.5),
        ("access", "root"),
        ("pool_size", "0"),
        ("pool_wait", "-1"),
        ("pool_wait", "nan"),
        ("grace", "inf"),
        ("max_body_bytes", "3 parsecs"),
        ("insecure", "maybe"),
        ("formats", [1]),
        ("log_level", "loud"),
        ("unknown", "x"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: Any):
    with pytest.raises(SettingsError, match=name):
        load({name: value}, {})


@pytest.mark.parametrize("text", ["nonsense", "unknown = 1", "port = 'x'", "[databases]\na = 1"])
def test_a_bad_file_is_refused(tmp_path: Path, text: str):
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(SettingsError):
        load({}, {}, str(file))


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nothing\.toml"):
        load({}, {}, str(tmp_path / "nothing.toml"))


@pytest.mark.parametrize(
    ("arguments", "urls"),
    [
        (["sqlite:///a.db"], {"": "sqlite:///a.db"}),
        (["sqlite:///a.db?mode=ro"], {"": "sqlite:///a.db?mode=ro"}),
        (["a=sqlite:///a.db", "b c=sqlite:///x=y.db"], {"a": "sqlite:///a.db", "b c": "sqlite:///x=y.db"}),
        (["odbc:Driver=x;Server=y"], {"": "odbc:Driver=x;Server=y"}),
    ],
)
def test_a_name_may_precede_a_url(arguments: list[str], urls: dict[str, str]):
    assert database_urls(arguments) == urls


@pytest.mark.parametrize(
    "arguments", [["sqlite:///a", "sqlite:///b"], ["a=x:", "a=y:"], ["a=x:", "sqlite:///b"]]
)
def test_several_urls_need_names(arguments: list[str]):
    with pytest.raises(SettingsError):
        database_urls(arguments)


def test_passwords_are_not_shown():
    assert "hunter2" not in repr(Settings(databases={"": "postgresql://u:hunter2@h/db"}))
