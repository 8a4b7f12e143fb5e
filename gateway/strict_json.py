"""JSON as RFC 8259 has it, and nothing beside."""

from __future__ import annotations

import json
from typing import Any

from gateway.problems import Problem


def parse(body: bytes | str) -> Any:
    """A JSON text.

    Raises:
        Problem: `invalid-request`, also for names that are there twice, NaN, infinities, what
            is not UTF-8 and what is nested too deep.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError:
        raise Problem("invalid-request", "The JSON is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Problem("invalid-request", f"JSON: {error}.") from None
    except RecursionError:
        raise Problem("invalid-request", "The JSON is nested too deep.") from None
    except ValueError:  # an integer beyond Python's limit of digits
        raise Problem("invalid-request", "The JSON has a number that is too long.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem("invalid-request", "A JSON object has one name twice.")
    return found


def _refuse(constant: str) -> Any:
    raise Problem("invalid-request", f"{constant} is no JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Problem("invalid-request", f"{text[:40]} is beyond a 64-bit float.")
    return number
