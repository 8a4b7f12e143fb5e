"""The chunks of a read, into memory that is kept for the next, once for each line of standard input.

python -m benchmarks.peers.kept_memory URL PATH BYTES
"""

from __future__ import annotations

import sys
from threading import Event
from time import perf_counter

from fsspec_db import connect

if __name__ == "__main__":
    fs = connect(sys.argv[1])
    memory = memoryview(bytearray(int(sys.argv[3])))
    came = Event()
    for _ in sys.stdin:
        start, filled = perf_counter(), 0
        with fs.open_stream(sys.argv[2]) as stream:
            while not (filled and stream.complete):
                came.clear()
                chunk = stream.poll(came.set)
                if chunk is None:
                    came.wait()
                    continue
                memory[filled : filled + len(chunk)] = chunk
                filled += len(chunk)
        print(perf_counter() - start, flush=True)
