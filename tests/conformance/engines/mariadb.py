"""MariaDB, judged by its own client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from tests.conformance.engines.mysql import COMMON, HOSTILE, MySQL, decimal, text, time
from tests.conformance.kinds import Kind
from tests.mariadb import MariaDB as MariaDBServer

if TYPE_CHECKING:
    from tests.mysql_server import Server


class MariaDB(MySQL):
    """A server of our own, with a database for each test."""

    name = "mariadb"
    kinds = (
        *COMMON,
        decimal(38, 38),
        time("'-838:59:59.999999'", "'838:59:59.999999'", beyond=839 * 3600 * 10**6 + 1),
        text("uuid", "'123e4567-e89b-12d3-a456-426614174000'"),
        text("inet6", "'::1'", "'2001:db8::ff00:42:8329'"),
        Kind(
            declared="json", arrow=pa.json_(), values=('\'{"a" :[1, null, "q\\\\""]}\'', "'null'", "'1e400'")
        ),
    )
    many = "SELECT seq AS i FROM seq_1_to_{}"
    hostile = (
        *HOSTILE,
        "INSERT INTO users VALUES (9, 'eve', 1) RETURNING id",
        "DELETE FROM users RETURNING id",
        "REPLACE INTO users VALUES (1, 'eve', 1) RETURNING id",
        "SELECT NEXTVAL(numbers)",
        "SELECT SETVAL(numbers, 5)",
        "ANALYZE FORMAT=JSON DELETE FROM users",
        "SET STATEMENT sql_mode = '' FOR DELETE FROM users",
        "EXECUTE IMMEDIATE 'DELETE FROM users'",
        "BEGIN NOT ATOMIC DELETE FROM users; END",
    )
    bait = f"CREATE SEQUENCE numbers;\n{MySQL.bait}"
    caught = "SELECT next_not_cached_value, @@GLOBAL.max_connections FROM numbers"
    breaking = (
        "SELECT seq, EXP(IF(seq = 100000, 1000, 1)) AS e, REPEAT('x', 200) AS filler FROM seq_1_to_100000"
    )

    def start(self) -> Server:
        return MariaDBServer()


HARNESS = MariaDB
