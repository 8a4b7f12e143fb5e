from __future__ import annotations

import errno
import pickle

import pytest

from fsspec_db import ERRORS, DatabaseError, InternalError, _bridge, code_of, make_error

BUILTIN = {
    "invalid-path": ValueError,
    "not-found": FileNotFoundError,
    "already-exists": FileExistsError,
    "not-a-directory": NotADirectoryError,
    "is-a-directory": IsADirectoryError,
    "read-only": PermissionError,
    "forbidden": PermissionError,
    "invalid-predicate": ValueError,
    "invalid-parameter": ValueError,
    "invalid-query": ValueError,
    "malformed-body": ValueError,
    "incomplete-body": ValueError,
    "schema-mismatch": ValueError,
    "value-out-of-range": ValueError,
    "constraint-violation": ValueError,
    "precondition-failed": OSError,
    "not-empty": OSError,
    "unsupported": NotImplementedError,
    "database-unavailable": ConnectionError,
    "query-timeout": TimeoutError,
    "body-too-large": OSError,
    "spool-full": OSError,
    "cancelled": OSError,
    "internal": RuntimeError,
}


def test_every_code_of_the_bridge_has_its_class() -> None:
    assert set(ERRORS) == set(_bridge.CODES) == set(BUILTIN)
    assert len(_bridge.CODES) == len(set(_bridge.CODES))


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_is_the_builtin_and_carries_what_it_knows(code: str) -> None:
    error = make_error(code, "no such thing", "/main/a", "id", 7, "42P01")
    assert isinstance(error, BUILTIN[code])
    assert isinstance(error, DatabaseError)
    assert type(error) is ERRORS[code]
    assert str(error) == error.detail == "no such thing"
    assert (error.code, error.path, error.column, error.row, error.sqlstate) == (
        code,
        "/main/a",
        "id",
        7,
        "42P01",
    )
    assert code_of(error) == code
    if isinstance(error, OSError):
        assert error.errno == error.number
        assert error.errno in errno.errorcode
        assert error.strerror == "no such thing"
        assert error.filename == "/main/a"


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_survives_pickling(code: str) -> None:
    error = make_error(code, "no such thing", "/main/a", "id", 7, "42P01")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_an_unknown_code_is_a_fault_of_this_program() -> None:
    assert type(make_error("from-the-future", "well")) is InternalError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError("x"), "not-found"),
        (FileExistsError("x"), "already-exists"),
        (NotADirectoryError("x"), "not-a-directory"),
        (IsADirectoryError("x"), "is-a-directory"),
        (PermissionError("x"), "forbidden"),
        (ConnectionResetError("x"), "database-unavailable"),
        (TimeoutError("x"), "query-timeout"),
        (NotImplementedError("x"), "unsupported"),
        (ValueError("x"), "invalid-parameter"),
        (OSError(errno.ENOSPC, "x"), "spool-full"),
        (OSError("x"), "internal"),
        (KeyError("x"), "internal"),
    ],
)
def test_builtin_exceptions_have_the_nearest_code(error: Exception, code: str) -> None:
    assert code_of(error) == code


def test_the_bridge_raises_these_classes() -> None:
    with pytest.raises(ERRORS["invalid-path"]) as caught:
        _bridge.Path.parse("/main//x")
    assert caught.value.code == "invalid-path"
