"""What scratch files are called on disk."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.problems import Problem
from gateway.scratch.names import inside, junk, name_of, on_disk

SEGMENT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."})
PATH = st.lists(SEGMENT, min_size=1, max_size=5).map(lambda names: "/" + "/".join(names))


@given(PATH, PATH)
def test_two_paths_are_two_files(one: str, other: str) -> None:
    assert (on_disk(one) == on_disk(other)) == (one == other)


@given(PATH)
def test_a_file_is_within_its_folder_and_is_listed_by_its_name(path: str) -> None:
    kept = on_disk(path)
    assert not kept.is_absolute()
    assert not {"", ".", ".."} & {*kept.parts}
    assert not any(set(part) & set('\\:*?"<>|') or part[-1] in ". " for part in kept.parts)
    assert name_of(kept.name) == path.rpartition("/")[2]
    assert kept.parent == inside(path.rpartition("/")[0] or "/")


@given(PATH, PATH)
def test_a_directory_of_the_tree_is_in_the_way_of_no_file(directory: str, file: str) -> None:
    if not junk(directory):
        assert inside(directory) != on_disk(file)


@pytest.mark.parametrize("path", ["/a//b", "/../a", "/.scratch/../a", "/.scratch/./a", "/a\0b", "/.a\nb"])
def test_what_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Problem, match="invalid-path"):
        on_disk(path)


def test_a_relation_may_have_a_name_that_is_too_long_for_a_file() -> None:
    long = "/main/" + 300 * "x"
    with pytest.raises(Problem, match="invalid-path"):
        on_disk(long)
    first, second = inside(long), inside(long + "y")
    assert first != second
    assert max(len(part) for part in first.parts) < 255
    assert on_disk(f"{long}/.DS_Store") == first / PurePosixPath("%2EDS_Store")


@pytest.mark.parametrize(
    ("name", "scratch"),
    [
        ("._users.csv", True), (".DS_Store", True), (".~lock.users.csv#", True), ("~$users.csv", True),
        ("users.csv.TMP", True), ("~WRL0001.tmp", True), ("a.part", True), ("a.partial", True),
        ("a.crdownload", True), ("Desktop.ini", True), ("THUMBS.DB", True), ("users.csv", False),
        ("tmp", False), ("apart", False), ("users~", False),
    ],
)  # fmt: skip
def test_names_that_only_temporary_files_have(name: str, scratch: bool) -> None:  # noqa: FBT001
    assert junk(f"/main/{name}") == scratch
