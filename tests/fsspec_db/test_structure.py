from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fsspec_db import AbstractDatabaseFileSystem, code_of
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import USERS, plain, table_of

if TYPE_CHECKING:
    from collections.abc import Callable


def rows(fs: Any, name: str) -> Any:
    return plain(table_of(fs.cat_file(f"/main/{name}.arrow?order=id")))


def test_a_relation_is_dropped_with_its_directory(fs: Any) -> None:
    with pytest.raises(IsADirectoryError):
        fs.rm("/main/empty")
    fs.rm("/main/empty", recursive=True)
    assert not fs.exists("/main/empty")
    assert not fs.exists("/main/empty.csv")
    with pytest.raises(FileNotFoundError):
        fs.rm("/main/empty", recursive=True)


def test_a_view_is_dropped_too(fs: Any) -> None:
    fs.rm("/main/grown", recursive=True)
    assert not fs.exists("/main/grown")


@pytest.mark.parametrize(
    "path", ["/main/users.csv", "/main/users.sql", "/main/users/columns/id", "/main/users/columns"]
)
def test_nothing_else_is_removed(fs: Any, path: str) -> None:
    for act in (fs.rm, fs.rm_file, lambda path: fs.rm(path, recursive=True)):
        with pytest.raises(PermissionError):
            act(path)
    assert rows(fs, "users") == USERS


def test_of_several_all_or_none_are_dropped(fs: Any) -> None:
    with pytest.raises(PermissionError):
        fs.rm(["/main/empty", "/main/users.csv"], recursive=True)
    assert fs.exists("/main/empty")
    fs.rm(["/main/grown", "/main/empty"], recursive=True)
    assert fs.ls("/main", detail=False)[-1].startswith("/main/users")


def test_a_schema_with_relations_stays(fs: Any) -> None:
    for act in (fs.rmdir, lambda path: fs.rm(path, recursive=True)):
        with pytest.raises((OSError, NotImplementedError)):
            act("/main")
    assert rows(fs, "users") == USERS
    with pytest.raises(OSError, match="dropped"):
        fs.rmdir("/main/users")
    with pytest.raises(NotADirectoryError):
        fs.rmdir("/main/users.csv")


def test_directories_that_are_there_are_fine(fs: Any) -> None:
    fs.makedirs("/main", exist_ok=True)
    fs.makedirs("/main/users", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs("/main")
    with pytest.raises(FileExistsError):
        fs.mkdir("/main/users")
    with pytest.raises(PermissionError):
        fs.mkdir("/main/fresh")


def test_a_relation_is_renamed_with_its_directory(fs: Any) -> None:
    fs.mv("/main/users", "/main/people", recursive=True)
    assert rows(fs, "people") == USERS
    assert not fs.exists("/main/users")
    fs.mv("/main/people", "/main/people")
    with pytest.raises(FileExistsError):
        fs.mv("/main/people", "/main/empty")
    with pytest.raises(FileNotFoundError):
        fs.mv("/main/users", "/main/other")
    for source, target in [
        ("/main/people.csv", "/main/other.csv"),
        ("/main", "/second/people"),
        ("/main/people", "/main/other.csv"),
    ]:
        with pytest.raises(PermissionError):
            fs.mv(source, target)
    with pytest.raises(NotImplementedError):
        fs.mv("/main", "/second")
    assert rows(fs, "people") == USERS


def test_rows_are_copied_between_data_files(fs: Any) -> None:
    fs.cp_file("/main/users.csv?where=id<3", "/main/young.parquet")
    assert rows(fs, "young") == USERS.slice(0, 2)
    fs.copy("/main/users.csv", "/main/young.csv")
    assert rows(fs, "young") == USERS
    fs.cp_file("/main/young.csv", "/main/young.parquet")
    assert rows(fs, "young") == USERS
    with pytest.raises(FileNotFoundError):
        fs.cp_file("/main/nothing.csv", "/main/young.csv")
    with pytest.raises(PermissionError):
        fs.cp_file("/main/users.sql", "/main/young.csv")


def test_a_relation_is_copied_with_its_directory(fs: Any) -> None:
    fs.copy("/main/users", "/main/again", recursive=True)
    assert rows(fs, "again") == USERS
    with pytest.raises(FileExistsError):
        fs.copy("/main/users", "/main/again", recursive=True)


def test_only_manage_changes_the_structure(opened: Callable[..., Any]) -> None:
    fs = opened("write")
    acts: list[Callable[[], Any]] = [
        lambda: fs.rm("/main/empty", recursive=True),
        lambda: fs.mv("/main/empty", "/main/other"),
        lambda: fs.mkdir("/second"),
        lambda: fs.copy("/main/users", "/main/again", recursive=True),
    ]
    for act in acts:
        with pytest.raises(PermissionError):
            act()
    with pytest.raises(FileNotFoundError):
        fs.cp_file("/main/users.csv", "/main/again.csv")
    assert fs.exists("/main/empty")


def test_what_is_no_schema_is_not_removed_as_one(fs: Any) -> None:
    for path in ("/", "/main/users/columns"):
        with pytest.raises(PermissionError):
            fs.rmdir(path)
    with pytest.raises(FileNotFoundError):
        fs._rm("/main/none.csv")


def test_several_relations_are_renamed(fs: Any) -> None:
    fs.mv(["/main/users", "/main/empty"], ["/main/people", "/main/void"])
    assert fs.exists("/main/people")
    assert fs.exists("/main/void")
    with pytest.raises(ValueError):
        fs.mv(["/main/people"], [])


def test_a_database_that_cannot_says_so() -> None:
    fs = AbstractDatabaseFileSystem(OneTable(), access="manage")
    for act in (
        lambda: fs.mkdir("/second"),
        lambda: fs.rmdir("/main"),
        lambda: fs.rm("/main/users", recursive=True),
        lambda: fs.mv("/main/users", "/main/people"),
        lambda: fs.pipe_file("/main/fresh.csv", b"id\n1\n"),
    ):
        with pytest.raises(NotImplementedError) as caught:
            act()
        assert code_of(caught.value) == "unsupported"
