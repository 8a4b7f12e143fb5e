"""The reference library, `fsspec-db` 0.3.2, in an environment of its own: `cat_file`, once for each line.

PYTHON benchmarks/peers/reference.py FILE PATH
"""

from __future__ import annotations

import sys
from time import perf_counter

if __name__ == "__main__":
    from fsspec_db import SQLiteDatabaseFileSystem  # type: ignore[attr-defined]  # theirs, of the same name as ours

    fs = SQLiteDatabaseFileSystem(database=sys.argv[1])
    for _ in sys.stdin:
        start = perf_counter()
        fs.cat_file(sys.argv[2])
        print(perf_counter() - start, flush=True)
