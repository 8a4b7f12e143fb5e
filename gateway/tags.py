"""Entity tags that the `If` header of WebDAV may name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.negotiation import for_data
from gateway.problems import Problem
from gateway.scratch.store import ANYBODY
from gateway.snapshot import GivenUp
from gateway.validators import Reading

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.reads import Reads
    from gateway.scratch import Scratch
    from gateway.tree import Tree


async def current_tags(
    tree: Tree, reads: Reads, scratch: Scratch, path: str, asked: Collection[str]
) -> Collection[str]:
    """Of entity tags those that the file at a path has now, whichever its representation.

    Only data files and scratch files have tags that a write could depend on; what does not exist has none.

    Raises:
        Problem: The database does not answer.
    """
    try:
        target = tree.resolve(path)
        if target.kind != "data":
            return _of_scratch(scratch, path)
        fs, pool = target.database()
        version = await pool.call(fs.data_version, target.path)
    except Problem as problem:
        if problem.status in {400, 404}:
            return _of_scratch(scratch, path)
        raise
    if version is not None:
        return await reads.tags_of(" ".join(asked), target, version)
    reading = Reading(target.place, target.path, for_data(target.extension or "", None, None), "")
    try:
        snapshot = reads.snapshots.make(reading, None, pool, partial(reads.start, fs, target, reading))
        with snapshot:
            await snapshot.complete()
    except GivenUp:
        return ()
    return (snapshot.tag,)


def _of_scratch(scratch: Scratch, path: str) -> Collection[str]:
    try:
        entry = scratch.folder(ANYBODY).find(path)
    except Problem:
        return ()
    return (entry["etag"],) if entry is not None and "etag" in entry else ()
