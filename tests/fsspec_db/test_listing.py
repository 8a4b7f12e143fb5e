from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fsspec_db import DatabaseUnavailableError, DirectoryAsFileError, code_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

FILES = [
    f"/main/{name}.{extension}"
    for name in ("empty", "grown", "users")
    for extension in ("arrow", "csv", "parquet")
]


def test_the_root_lists_schemas(fs: Any) -> None:
    assert fs.ls("/", detail=False) == ["/main"]
    assert fs.ls("", detail=False) == ["/main"]
    assert fs.info("/")["type"] == "directory"


def test_a_schema_lists_relations_and_their_files(fs: Any) -> None:
    entries = fs.ls("/main")
    assert sorted(entry["name"] for entry in entries) == sorted(
        [*FILES, "/main/empty", "/main/grown", "/main/users"]
    )
    kinds = {entry["name"]: (entry["type"], entry["kind"]) for entry in entries}
    assert kinds["/main/users"] == ("directory", "table")
    assert kinds["/main/grown"] == ("directory", "view")
    assert kinds["/main/users.csv"] == ("file", "data")


@pytest.mark.parametrize("formats", [("jsonl",), ("csv", "feather"), ()])
def test_formats_decide_what_is_listed_not_what_is_there(
    opened: Callable[..., Any], formats: tuple[str, ...]
) -> None:
    fs = opened(formats=formats)
    assert fs.formats == formats
    listed = {name.rpartition(".")[2] for name in fs.ls("/main", detail=False) if "." in name}
    assert listed == set(formats)
    assert fs.exists("/main/users.json")


def test_ls_info_and_exists_agree(fs: Any) -> None:
    for _, directories, files in fs.walk("/", detail=True):
        for entry in [*directories.values(), *files.values()]:
            name = entry["name"]
            assert fs.info(name) == entry
            assert fs.exists(name)
            assert fs.isdir(name) == (entry["type"] == "directory")
            assert fs.isfile(name) == (entry["type"] == "file")
            if fs.isfile(name):
                assert fs.ls(name) == [entry]
                if entry["size"] is not None:
                    assert len(fs.cat_file(name)) == entry["size"]


@pytest.mark.parametrize(
    "path",
    [
        "/other",
        "/main/nothing",
        "/main/nothing.csv",
        "/main/nothing.sql",
        "/main/users/columns/nothing",
        "/main/users/definition.sql",
        "/main/grown/indexes",
    ],
)
def test_what_is_missing_is_not_found(fs: Any, path: str) -> None:
    assert not fs.exists(path)
    assert not fs.isdir(path)
    assert not fs.isfile(path)
    for act in (fs.ls, fs.info, fs.cat_file):
        with pytest.raises(FileNotFoundError):
            act(path)


@pytest.mark.parametrize("path", ["/main//users", "/main/../main", "/main/%zz", "/main/.hidden"])
def test_a_malformed_path_is_a_value_error(fs: Any, path: str) -> None:
    assert not fs.exists(path)
    assert not fs.isdir(path)
    for act in (fs.ls, fs.info, fs.cat_file):
        with pytest.raises(ValueError, match=r".") as caught:
            act(path)
        assert code_of(caught.value) == "invalid-path"


def test_protocols_and_slashes_do_not_matter(fs: Any) -> None:
    for path in (
        "/main/users.csv",
        "main/users.csv",
        "db://main/users.csv",
        "db:///main/users.csv",
        "/main/users.csv/",
    ):
        assert fs.info(path)["name"] == "/main/users.csv", path
    assert fs._parent("/main/users.csv?where=name='a/b'") == "/main"
    assert fs._parent("/main") == fs._parent("/") == "/"


def test_glob_finds_files(fs: Any) -> None:
    assert fs.glob("/main/*.parquet") == ["/main/empty.parquet", "/main/grown.parquet", "/main/users.parquet"]
    assert fs.glob("/main/user?.csv") == ["/main/users.csv"]
    assert fs.glob("/main/[gu]*.csv") == ["/main/grown.csv", "/main/users.csv"]
    assert fs.glob("/**/columns/id") == ["/main/grown/columns/id", "/main/users/columns/id"]
    assert fs.glob("/main/none*") == []
    assert set(fs.glob("/main/*.csv", detail=True)) == set(fs.glob("/main/*.csv"))


def test_find_descends(fs: Any) -> None:
    found = fs.find("/")
    assert set(FILES) < set(found)
    assert "/main/users/columns/id" in found
    assert fs.find("/main/users.csv") == ["/main/users.csv"]
    assert "/main/users" in fs.find("/main", maxdepth=1, withdirs=True)


def test_du_sums_what_is_known(fs: Any) -> None:
    sizes = fs.du("/main", total=False)
    assert sizes["/main/users.csv"] is None
    assert sizes["/main/users/columns/id"] == len(fs.cat_file("/main/users/columns/id"))
    assert fs.du("/main") == sum(size for size in sizes.values() if size is not None)


def test_a_shape_makes_a_file_of_its_own(fs: Any) -> None:
    path = "/main/users.csv?columns=id&limit=1"
    entry = fs.info(path)
    assert (entry["name"], entry["type"], entry["size"]) == (path, "file", None)
    assert fs.ls(path) == [entry]
    assert fs.isfile(path)
    assert fs.glob(path) == [path]
    assert fs.glob("/main/none.csv?limit=1") == []
    assert not fs.exists("/main/none.csv?limit=1")
    assert fs.expand_path(path) == [path]
    with pytest.raises(DirectoryAsFileError):
        fs.info("/main/users?limit=1")


def test_a_version_changes_with_the_rows(fs: Any) -> None:
    before = fs.ukey("/main/users.csv")
    fs.pipe_file("/main/users.csv", b"id,name\n9,eve\n", mode="append")
    assert fs.ukey("/main/users.csv") != before
    assert fs.checksum("/main/users.csv") != fs.checksum("/main/users.csv?limit=1")


def test_without_a_version_every_key_is_new(seed: ModuleType) -> None:
    assert seed.fs.ukey("/main/users.csv") != seed.fs.ukey("/main/users.csv")


def test_a_database_that_does_not_answer_is_no_empty_listing(seed: ModuleType) -> None:
    def refuse(*_: object) -> None:
        raise DatabaseUnavailableError("gone")

    seed.fs.ls("/main")
    for method in ("list_schemas", "list_relations", "relation_info"):
        setattr(seed.fs.db, method, refuse)
    acts: list[Callable[[], Any]] = [
        lambda: seed.fs.exists("/main/users"),
        lambda: seed.fs.isdir("/main/users"),
        lambda: seed.fs.glob("/main/*"),
        lambda: seed.fs.find("/"),
        lambda: list(seed.fs.walk("/")),
    ]
    for act in acts:
        with pytest.raises(ConnectionError):
            act()


def test_listings_are_not_cached(fs: Any) -> None:
    before = fs.ls("/main", detail=False)
    fs.bridge.drop_relation("main", "empty")
    assert set(fs.ls("/main", detail=False)) < set(before)
    fs.invalidate_cache()


def test_the_tree_is_printed(fs: Any) -> None:
    assert "users.csv" in fs.tree("/main")
