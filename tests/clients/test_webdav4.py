"""webdav4 as a filesystem of fsspec: on the tree, and by fsspec's own suite where a plain collection is."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)
from webdav4.client import Client, HTTPError, ResourceAlreadyExists
from webdav4.fsspec import WebdavFileSystem

from tests.clients.drive import BAD, NEW, NEW_ROWS, Drive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def client(drive: Drive) -> Iterator[Client]:
    client = Client(drive.url)
    with client.http:
        yield client


@pytest.fixture
def tree(drive: Drive, client: Client) -> WebdavFileSystem:
    return WebdavFileSystem(drive.url, client=client, skip_instance_cache=True)


class TestTree:
    def test_reads_and_lists_what_is_there(self, drive: Drive, tree: WebdavFileSystem) -> None:
        listed = {entry["name"]: entry for entry in tree.ls("main")}
        assert {"main/users", "main/users.csv", "main/orders.parquet"} <= listed.keys()
        for name, entry in listed.items():
            if entry["type"] == "file":
                expected = drive.get(f"/{name}")
                assert entry["size"] == len(expected)
                assert tree.cat_file(name) == expected
        assert tree.glob("main/*.csv") == ["main/names.csv", "main/orders.csv", "main/users.csv"]

    def test_writes_rows(self, drive: Drive, tree: WebdavFileSystem, tmp_path: Path) -> None:
        (tmp_path / "new.csv").write_bytes(NEW)
        tree.put_file(str(tmp_path / "new.csv"), "main/users.csv")
        assert drive.rows() == NEW_ROWS
        with tree.open("main/users.csv", "wb") as file:
            file.write(b"id,name\n1,one\n")
        assert drive.rows() == [(1, "one", None)]
        tree.pipe_file("main/fresh.csv", b"id,name\n1,one\n")
        assert len(drive.rows("fresh")) == 1

    def test_a_bad_file_changes_nothing(self, drive: Drive, client: Client) -> None:
        before = drive.rows()
        with pytest.raises(HTTPError):
            client.upload_fileobj(BytesIO(BAD), "main/users.csv", overwrite=True)
        assert drive.rows() == before

    def test_copies_rows_from_file_to_file(self, drive: Drive, client: Client) -> None:
        rows = drive.rows("orders")
        client.copy("main/orders.parquet", "main/kept.csv")
        assert drive.rows("kept") == rows
        with pytest.raises(ResourceAlreadyExists):
            client.copy("main/users.csv", "main/kept.csv")
        assert drive.rows("kept") == rows

    def test_copies_renames_and_drops_relations(self, drive: Drive, client: Client) -> None:
        rows = drive.rows("orders")
        client.copy("main/orders", "main/kept")
        client.move("main/kept", "main/sales")
        client.remove("main/orders")
        assert drive.tables() == {"users", "names", "sales"}
        assert drive.rows("sales") == rows

    def test_removes_no_data_file(self, drive: Drive, tree: WebdavFileSystem) -> None:
        before = drive.rows()
        with pytest.raises((HTTPError, OSError)):
            tree.rm_file("main/users.csv")
        assert drive.rows() == before

    def test_makes_rows_of_a_file_that_is_moved_there(self, drive: Drive, client: Client) -> None:
        client.upload_fileobj(BytesIO(NEW), ".scratch/new")
        client.move(".scratch/new", "main/users.csv", overwrite=True)
        assert drive.rows() == NEW_ROWS
        assert not client.exists(".scratch/new")


class Plain(WebdavFileSystem):  # type: ignore[misc]
    """Only what speaks to the server is webdav4's; how that makes a tree of files is as in fsspec.

    Its own takes no lists, knows no exclusive creation, and makes directories at some places only.
    """

    copy = AbstractFileSystem.copy
    mv = AbstractFileSystem.mv
    rm = AbstractFileSystem.rm

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            self.makedirs(self._parent(path), exist_ok=True)
        return super()._open(path, mode=mode, **options)

    def cp_file(self, path1: str, path2: str, **_options: Any) -> None:
        self.makedirs(self._parent(path2), exist_ok=True)
        if self.isdir(path1):
            self.makedirs(path2, exist_ok=True)
        else:
            self.client.copy(path1, path2, overwrite=True)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        if mode == "create" and self.exists(path):
            raise FileExistsError(path)
        super().pipe_file(path, value, **options)


class Scratch(AbstractFixtures):  # type: ignore[misc]
    """fsspec's suite on a collection of its own for each test."""

    @pytest.fixture
    def fs(self, shared_drive: Drive) -> Iterator[Plain]:
        client = Client(shared_drive.url)
        with client.http:
            yield Plain(shared_drive.url, client=client, skip_instance_cache=True)

    @pytest.fixture
    def fs_path(self, fs: Plain) -> Iterator[str]:
        path = f".scratch/{uuid4().hex}"
        fs.mkdir(path)
        yield path
        if fs.exists(path):
            fs.rm(path, recursive=True)

    @pytest.fixture
    def local_fs(self) -> LocalFileSystem:
        return LocalFileSystem(auto_mkdir=True)

    @pytest.fixture
    def local_path(self, tmp_path: Path) -> str:
        path: str = make_path_posix(os.fspath(tmp_path))
        return path


class TestCopy(Scratch, AbstractCopyTests):  # type: ignore[misc]
    pass


class TestGet(Scratch, AbstractGetTests):  # type: ignore[misc]
    pass


class TestOpen(Scratch, AbstractOpenTests):  # type: ignore[misc]
    pass


class TestPipe(Scratch, AbstractPipeTests):  # type: ignore[misc]
    pass


class TestPut(Scratch, AbstractPutTests):  # type: ignore[misc]
    pass
