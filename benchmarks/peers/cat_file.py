"""The library without the gateway: `fs.cat_file`, once for each line of standard input.

python -m benchmarks.peers.cat_file URL PATH
"""

from __future__ import annotations

import sys
from time import perf_counter

from fsspec_db import connect

if __name__ == "__main__":
    fs = connect(sys.argv[1])
    for _ in sys.stdin:
        start = perf_counter()
        body = fs.cat_file(sys.argv[2])
        seconds = perf_counter() - start
        del body  # giving the memory back is the reader's own time
        print(seconds, flush=True)
