"""connectorx into an Arrow table, once for each line of standard input.

python -m benchmarks.peers.connectorx_rows URL QUERY
"""

from __future__ import annotations

import sys
from time import perf_counter

import connectorx

if __name__ == "__main__":
    for _ in sys.stdin:
        start = perf_counter()
        rows = connectorx.read_sql(sys.argv[1], sys.argv[2], return_type="arrow")
        seconds = perf_counter() - start
        assert rows.num_rows
        del rows
        print(seconds, flush=True)
