"""PROPFIND: which properties are asked for, of which resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gateway.dav import xml
from gateway.dav.errors import Precondition
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAMES: Final = 256
"""Properties that one request may name: each comes back once for every resource."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a PROPFIND asks for: all properties and the `names` besides, only names, or the `names`."""

    form: Literal["allprop", "propname", "prop"]
    names: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether the value of a live property is asked for."""
        return self.form == "allprop" or name in self.names

    @property
    def names_quota(self) -> bool:
        """Whether it asks how much room there is, which all properties do not include (RFC 4331)."""
        return any(name.startswith("{DAV:}quota-") for name in self.names)


def asked(body: bytes) -> Asked:
    """Reads a request body; none at all asks for everything.

    Raises:
        Problem: `malformed-body` for what is no `DAV:propfind`.
    """
    if not body:
        return Asked("allprop")
    root = xml.parse(body)
    if root.tag != xml.dav("propfind"):
        raise Problem("malformed-body", "The body of PROPFIND is a DAV:propfind element.")
    prop, include = root.find(xml.dav("prop")), root.find(xml.dav("include"))
    forms = [child.tag for child in root if child.tag in map(xml.dav, ("allprop", "propname", "prop"))]
    if len(forms) != 1 or (include is not None and forms != [xml.dav("allprop")]):
        raise Problem("malformed-body", "DAV:propfind has one of DAV:allprop, DAV:propname and DAV:prop.")
    named = prop if prop is not None else include
    names = tuple(dict.fromkeys(child.tag for child in named)) if named is not None else ()
    if len(names) > MAX_NAMES:
        raise Problem("malformed-body", f"More than {MAX_NAMES} properties are named.")
    if prop is not None:
        return Asked("prop", names)
    return Asked("propname") if forms == [xml.dav("propname")] else Asked("allprop", names)


def depth(headers: Mapping[bytes, bytes], *, directory: bool) -> int:
    """0 or 1; a file has nothing below it, so any depth is 0 there.

    Raises:
        Precondition: `propfind-finite-depth` for `infinity`, which is also what no header means.
        Problem: `invalid-request` for anything else.
    """
    value = headers.get(b"depth", b"infinity").strip().lower()
    if value == b"infinity":
        if not directory:
            return 0
        raise Precondition(
            "propfind-finite-depth", "Send the header Depth: 0 or Depth: 1.", "propfind-finite-depth"
        )
    if value not in {b"0", b"1"}:
        raise Problem("invalid-request", "Depth is 0, 1 or infinity.")
    return int(value)
