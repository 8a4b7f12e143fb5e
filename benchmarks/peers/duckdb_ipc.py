"""DuckDB's own Arrow stream into pyarrow's IPC writer, once for each line of standard input.

python -m benchmarks.peers.duckdb_ipc FILE [fresh]

pyarrow keeps the memory of one result for the next; with `fresh` each is in memory from the system.
"""

from __future__ import annotations

import sys
from time import perf_counter

import duckdb
import pyarrow as pa

BATCH_ROWS = 32_768  # the best of 2,048, 8,192, 32,768, 100,000 and 1,000,000


if __name__ == "__main__":
    pool = pa.system_memory_pool() if sys.argv[2:] == ["fresh"] else pa.default_memory_pool()
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        for _ in sys.stdin:
            start = perf_counter()
            batches = connection.sql("SELECT * FROM lineitem").to_arrow_reader(BATCH_ROWS)
            sink = pa.BufferOutputStream(pool)
            with pa.ipc.new_stream(sink, batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            body = sink.getvalue()
            seconds = perf_counter() - start
            del sink, body
            print(seconds, flush=True)
