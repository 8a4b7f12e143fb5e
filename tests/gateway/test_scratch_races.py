"""Files that are no tables, when several come for one name or for the last room at the same time."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from gateway.problems import Problem
from gateway.scratch import Scratch
from tests.gateway.dav.drive import Drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.gateway.serving import Server

MANY = 6
ROUNDS = 20
KiB = 1 << 10


@pytest.fixture
def drives(writer: Server) -> Iterator[list[Drive]]:
    made = [Drive(base_url=writer.url) for _ in range(MANY)]
    yield made
    for drive in made:
        drive.close()


def at_once(drives: list[Drive], ask: Callable[[Drive, int], httpx.Response]) -> list[int]:
    """The statuses of one request of each client, sorted."""
    barrier = Barrier(len(drives))

    def one(number: int) -> int:
        barrier.wait(10)
        return ask(drives[number], number).status_code

    with ThreadPoolExecutor(len(drives)) as pool:
        return sorted(pool.map(one, range(len(drives))))


def test_one_of_several_updates_of_a_state_wins(drives: list[Drive]) -> None:
    for _ in range(ROUNDS):
        drives[0].put("/.scratch/a", content=b"before")
        state = {"If-Match": drives[0].head("/.scratch/a").headers["etag"]}

        def ask(drive: Drive, n: int, state: dict[str, str] = state) -> httpx.Response:
            return drive.put("/.scratch/a", content=b"%d" % n, headers=state)

        assert at_once(drives, ask) == [204] + [412] * (MANY - 1)


def test_one_of_several_who_want_a_new_name_gets_it(drives: list[Drive]) -> None:
    new = {"If-None-Match": "*"}
    for _ in range(ROUNDS):
        statuses = at_once(drives, lambda drive, n: drive.put("/.scratch/b", content=b"%d" % n, headers=new))
        assert statuses == [201] + [412] * (MANY - 1)
        drives[0].delete("/.scratch/b")


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_one_of_several_takes_a_name_without_overwriting(drives: list[Drive], method: str) -> None:
    headers = {"Destination": "/.scratch/c", "Overwrite": "F"}
    for _ in range(ROUNDS):
        for n in range(MANY):
            drives[0].put(f"/.scratch/source{n}", content=b"%d" % n)
        statuses = at_once(
            drives, lambda drive, n: drive.request(method, f"/.scratch/source{n}", headers=headers)
        )
        assert statuses == [201] + [412] * (MANY - 1)
        kept = drives[0].get("/.scratch/c").text
        there = {n for n in range(MANY) if drives[0].get(f"/.scratch/source{n}").status_code == 200}
        assert there == set(range(MANY)) - ({int(kept)} if method == "MOVE" else set())
        drives[0].delete("/.scratch/c")


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_one_of_several_becomes_a_table_without_overwriting(drives: list[Drive], method: str) -> None:
    headers = {"Destination": "/main/raced.csv", "Overwrite": "F"}
    for _ in range(ROUNDS):
        for n in range(MANY):
            drives[0].put(f"/.scratch/rows{n}", content=b"id\n%d\n" % n)

        def ask(drive: Drive, n: int) -> httpx.Response:
            return drive.request(method, f"/.scratch/rows{n}", headers=headers)

        assert at_once(drives, ask) == [201] + [412] * (MANY - 1)
        assert drives[0].delete("/main/raced/").status_code == 204


def test_a_file_that_has_changed_is_not_removed_on_condition(drives: list[Drive]) -> None:
    for _ in range(ROUNDS):
        drives[0].put("/.scratch/d", content=b"before")
        state = {"If-Match": drives[0].head("/.scratch/d").headers["etag"]}

        def ask(drive: Drive, n: int, state: dict[str, str] = state) -> httpx.Response:
            if n:
                return drive.put("/.scratch/d", content=b"%d" % n, headers=state)
            return drive.request("DELETE", "/.scratch/d", headers=state)

        assert at_once(drives, ask) == [204] + [412] * (MANY - 1)
        drives[0].delete("/.scratch/d")


def test_processes_that_share_a_directory_share_its_room(tmp_path: Path) -> None:
    one, other = (Scratch(tmp_path / "kept", 1000 * KiB, 86400).folder("anonymous") for _ in range(2))
    body = b"x" * (300 * KiB)
    for name, folder in (("a", one), ("b", other), ("c", one)):
        folder.put(f"/.scratch/{name}", body)
    with pytest.raises(Problem, match="scratch-full"):
        other.put("/.scratch/d", body)


def test_what_is_written_while_it_would_be_swept_stays(tmp_path: Path) -> None:
    class Busy(Scratch):
        """Somebody else has the turn before."""

        @contextmanager
        def turn(self) -> Iterator[None]:
            file.unlink(missing_ok=True)
            file.write_bytes(b"new")
            with super().turn():
                yield

    scratch = Scratch(tmp_path / "kept", 1000 * KiB, 60)
    scratch.folder("anonymous").put("/.scratch/a", b"old")
    [file] = (tmp_path / "kept").rglob("a")
    os.utime(file, (1, 1))
    Busy(tmp_path / "kept", 1000 * KiB, 60).sweep()
    assert file.read_bytes() == b"new"
    os.utime(file, (1, 1))
    scratch.sweep()
    assert not file.exists()


@pytest.mark.parametrize("work", ["put", "copy", "copy a collection"])
def test_the_last_room_is_given_once(tmp_path: Path, work: str) -> None:
    scratch = Scratch(tmp_path / "kept", 1000 * KiB, 86400)
    folder = scratch.folder("anonymous")
    body = b"x" * (200 * KiB)
    folder.make("/.scratch/from")
    folder.put("/.scratch/from/file", body)
    barrier = Barrier(16)

    def one(number: int) -> str | None:
        target = f"/.scratch/{number}"
        barrier.wait(10)
        try:
            if work == "put":
                folder.put(target, body)
            else:
                folder.copy("/.scratch/from" + ("/file" if work == "copy" else ""), target)
        except Problem as problem:
            return problem.code
        return None

    with ThreadPoolExecutor(16) as pool:
        assert Counter(pool.map(one, range(16))) == {None: 3, "scratch-full": 13}
    assert scratch.room.measure(tmp_path / "kept") < 1000 * KiB + 64 * KiB
