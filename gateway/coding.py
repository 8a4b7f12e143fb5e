"""HTTP content codings, in pieces: what text is sent in, and what bodies may arrive in."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from gateway.negotiation import Coding


class Encoder(Protocol):
    """Makes one coded body out of pieces."""

    def encode(self, piece: bytes | memoryview, /) -> bytes:
        """What is ready to be sent after a piece; may be nothing yet."""

    def finish(self) -> bytes:
        """The rest."""


class Gzip:
    """Level 4: a third of the time of the default for a few percent more bytes."""

    def __init__(self) -> None:
        self._compress = zlib.compressobj(level=4, wbits=31)

    def encode(self, piece: bytes | memoryview, /) -> bytes:
        """What is ready after a piece."""
        return self._compress.compress(piece)

    def finish(self) -> bytes:
        """The end of the member."""
        return self._compress.flush()


class Zstd:
    """By Arrow's own codec, which is there anyway."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._sink, mode="w"), "zstd")

    def encode(self, piece: bytes | memoryview, /) -> bytes:
        """What is ready after a piece."""
        self._stream.write(piece)
        return self._sink.drain()

    def finish(self) -> bytes:
        """The end of the frame."""
        self._stream.close()
        return self._sink.drain()


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def drain(self) -> bytes:
        drained = b"".join(self._parts)
        self._parts.clear()
        return drained


def encoder(coding: Coding) -> Encoder:
    """A new encoder."""
    return Gzip() if coding == "gzip" else Zstd()
