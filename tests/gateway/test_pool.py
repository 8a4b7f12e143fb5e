"""Places at a database: bounded, in order, never lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.pool import Lane
from gateway.problems import Problem
from tests.gateway.databases import STREAMS
from tests.gateway.serving import head

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve


def test_a_lane_waits_in_order():
    async def scenario() -> list[int]:
        lane, order = Lane(1, 5), []
        await lane.take()

        async def wait(number: int) -> None:
            await lane.take()
            order.append(number)
            lane.give()

        tasks = [asyncio.create_task(wait(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert not lane.try_take()
        lane.give()
        await asyncio.gather(*tasks)
        assert lane.free == 1
        return order

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4]


def test_waiting_is_bounded_and_says_when_to_come_again():
    async def scenario() -> None:
        lane = Lane(1, 0.01)
        await lane.take()
        with pytest.raises(Problem, match="pool-exhausted") as caught:
            await lane.take()
        assert caught.value.headers == {"retry-after": "1"}
        lane.give()
        assert lane.free == 1

    asyncio.run(scenario())


def test_a_cancelled_wait_loses_no_place():
    async def scenario() -> None:
        lane = Lane(1, 5)
        await lane.take()
        tasks = [asyncio.create_task(lane.take()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        lane.give()  # goes to the first, which is cancelled in the same turn of the loop, or to the next
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not tasks[2].cancelled()
        lane.give()
        assert lane.free == 1

    asyncio.run(scenario())


def test_an_exhausted_pool_is_503_and_metadata_goes_on(serve: Serve):
    server = serve(STREAMS, "--pool-size", "2", "--pool-wait", "0.3")
    with server.connect() as one, server.connect() as two:
        for connection in (one, two):
            connection.sendall(head("GET", "/main/endless.csv"))
            assert connection.recv(1) == b"H"
        refused = httpx.get(f"{server.url}/main/denied.csv")
        assert (refused.status_code, refused.json()["type"]) == (503, "/-/problems/pool-exhausted")
        assert int(refused.headers["retry-after"]) >= 1
        assert httpx.get(f"{server.url}/main/").status_code == 200
        assert httpx.get(f"{server.url}/-/health/ready").status_code == 200
        assert httpx.request("PROPFIND", f"{server.url}/main/", headers={"depth": "1"}).status_code == 207
    assert httpx.get(f"{server.url}/main/denied.csv").status_code == 403


def test_many_clients_share_a_small_pool(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--pool-size", "4", "--pool-wait", "30")

    async def scenario() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            answers = await asyncio.gather(
                *(client.get(f"{server.url}/main/users.arrow") for _ in range(200))
            )
        return [answer.status_code for answer in answers]

    assert asyncio.run(scenario()) == [200] * 200
