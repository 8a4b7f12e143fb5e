"""What is kept aside is what was added, in memory or not."""

from __future__ import annotations

import errno
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsspec_db import code_of
from fsspec_db.spool import Spool

STEP = st.one_of(st.binary(max_size=80), st.tuples(st.integers(0, 300), st.integers(0, 300)))


@given(st.lists(STEP, max_size=20), st.booleans())
def test_it_holds_what_was_added(steps: list[bytes | tuple[int, int]], named: bool) -> None:  # noqa: FBT001
    model = b""
    with patch("fsspec_db.spool.SPOOL_BYTES", 100):
        spool = Spool(named=named)
        for step in steps:
            if isinstance(step, bytes):
                assert spool.append(step) == len(step)
                model += step
            else:
                start, length = step
                assert spool.read(start, length) == model[start : start + length]
        assert spool.size == len(model)
        body = spool.body() if named else model
        assert (Path(body).read_bytes() if isinstance(body, str) else bytes(body)) == model
        del body
        spool.close()


def test_a_full_disk_is_said_by_whoever_meets_it() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    spool = Spool()
    spool._file = Path("/dev/full").open("r+b", buffering=1000)  # noqa: SIM115
    spool.append(b"fits into the buffer")
    with pytest.raises(OSError, match="no room") as caught:
        spool.read(0, 5)
    assert (code_of(caught.value), caught.value.errno) == ("spool-full", errno.ENOSPC)
    spool.close()


def test_a_lost_one_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsspec_db.spool.SPOOL_BYTES", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lost = [Spool(named=named) for named in (False, True)]
    for spool in lost:
        spool.append(b"more than ten bytes")
    assert len(list(tmp_path.iterdir())) == 1
    del lost, spool
    assert list(tmp_path.iterdir()) == []
