"""The library without the gateway: `fs.cat_file`, once for each line of standard input.

python -m benchmarks.peers.cat_file FILE PATH
"""

from __future__ import annotations

import sys
from time import perf_counter

from fsspec_db import connect

if __name__ == "__main__":
    fs = connect(f"sqlite:///{sys.argv[1]}")
    for _ in sys.stdin:
        start = perf_counter()
        fs.cat_file(sys.argv[2])
        print(perf_counter() - start, flush=True)
