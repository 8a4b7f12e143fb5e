"""A password stands in no error, no `repr`, no log and no pickle that nobody allowed."""

from __future__ import annotations

import logging
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from fsspec_db import DatabaseError, connect

if TYPE_CHECKING:
    from tests.conformance.harness import Database

SECRET = "canary"


def test_a_password_is_not_shown(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    url = db.engine.secret(db.url)
    if not url:
        assert connect(db.url).url == db.url
        return
    shown = []
    with caplog.at_level(logging.DEBUG):
        try:
            fs = connect(url)
            shown += [repr(fs), str(fs), fs.url, fs.to_json(include_password=False), repr(pickle.dumps(fs))]
            fs.ls("/")
            fs.query("SELEC 1")
        except DatabaseError as error:
            shown += [repr(error), str(error), *traceback.format_exception(error)]
        unreachable = db.engine.unreachable
        if unreachable:
            with pytest.raises(DatabaseError) as caught:
                connect(unreachable).ls("/")
            shown += [repr(caught.value), str(caught.value), str(caught.value.__cause__)]
    assert shown
    for text in (*shown, caplog.text):
        assert SECRET not in "\n".join(line for line in text.splitlines() if "connect(url)" not in line)
