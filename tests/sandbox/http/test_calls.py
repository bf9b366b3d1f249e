"""Prove that the record of each request tells what became of it."""

import asyncio
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.raw_client import RawClient, running, until
from vidgo_async.sandbox import (
    Call,
    Fault,
    after,
    answer,
    both,
    changed,
    chunked,
    cut_at,
    cut_body,
    cut_headers,
    drip,
    endless,
    failed_at_once,
    gzipped,
    hang,
    hang_after,
    refusal,
    reset_after,
    reset_before,
    slow,
    stall_at,
    with_headers,
    wrong_length,
)

pytestmark = pytest.mark.virtual_time


async def test_calls_in_order_of_arrival() -> None:
    """Each request has a record, with its task."""
    async with running() as raw:
        task_id = await raw.buy()
        await raw.ended(task_id)
        raw.sandbox.calls.clear()
        other = await raw.buy()
        await raw.status(task_id)
        await raw.status("unknown")
        await raw.file(f"{raw.sandbox.url}/files/{task_id}.mp4")
        await raw.balance()
        await raw.submit("")
        await raw.call("GET", "/nowhere")
        assert raw.sandbox.calls == [
            Call("submit", other, sold=True, status=200),
            Call("status", task_id, status=200),
            Call("status", "unknown", status=404),
            Call("file", task_id, status=200),
            Call("balance", status=200),
            Call("submit", status=400),
            Call("unknown", status=404),
        ]


async def try_submit(raw: RawClient) -> None:
    """Submit, wait a minute at most, and ignore the result."""
    with anyio.move_on_after(60):
        await asyncio.gather(raw.submit(), return_exceptions=True)


async def test_fault_of_ones_own_has_its_name() -> None:
    """A fault's name is that of its function or class."""

    class Broken:
        async def __call__(self, _: web.Request, handler: Handler) -> web.StreamResponse:
            raise KeyError

    async def mine(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    async with running() as raw:
        raw.sandbox.inject(mine)
        raw.sandbox.inject(Broken())
        assert [(await raw.submit()).status for _ in range(2)] == [200, 500]
        assert [call.fault for call in raw.sandbox.calls] == ["mine", "Broken"]


@pytest.mark.parametrize(
    ("fault", "name", "status", "sold"),
    [
        (reset_before, "reset_before", None, False),
        (hang, "hang", None, False),
        (endless(pause=1.0), "endless", 200, False),
        (answer(502), "answer(502)", 502, False),
        (refusal(429), "refusal(429, A)", 429, False),
        (refusal(402, "D", inside_200=True), "refusal(402, D, inside 200)", 200, False),
        (slow(90), "slow(90)", None, False),
        (slow(1), "slow(1)", 200, True),
        (reset_after, "reset_after", None, True),
        (hang_after, "hang_after", None, True),
        (cut_headers, "cut_headers", None, True),
        (cut_body, "cut_body", 200, True),
        (cut_at(9), "cut_at(9)", 200, True),
        (stall_at(9), "stall_at(9)", 200, True),
        (drip(9), "drip(9, 1.0)", 200, True),
        (chunked, "chunked", 200, True),
        (wrong_length(-1), "wrong_length(-1)", 200, True),
        (gzipped, "gzipped", 200, True),
        (failed_at_once(), "failed_at_once", 200, True),
        (with_headers({"Age": 1, "X": 2}), "with_headers(Age, X)", 200, True),
        (changed(status=1, files=2), "changed(status, files)", 200, True),
        (after(slow(90)), "after(slow(90))", None, True),
        (after(answer(502)), "after(answer(502))", 502, True),
        (both(cut_at(1), gzipped), "both(cut_at(1), gzipped)", 200, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_each_fault_sells(
    fault: Fault, name: str, status: int | None, sold: bool
) -> None:
    """A record has the fault, the status, and whether a task was sold."""
    async with running() as raw:
        raw.sandbox.inject(fault)
        await try_submit(raw)
        [call] = raw.sandbox.calls
        assert (call.fault, call.status, call.sold) == (name, status, sold)
        assert list(raw.sandbox.tasks) == [call.task_id] * sold


async def test_record_of_a_hanging_request() -> None:
    """The record of a hanging request exists, with the sale in it."""
    async with running() as raw:
        raw.sandbox.inject(hang_after)
        buying = asyncio.create_task(raw.submit())
        await until(lambda: raw.sandbox.sold)
        [call] = raw.sandbox.calls
        assert (call.sold, call.fault, call.status) == (True, "hang_after", None)
        buying.cancel()
        await asyncio.wait([buying])


async def test_polls_share_their_id() -> None:
    """The records of a task's polls share one id, and have no `__dict__`."""
    async with running() as raw:
        task_id = await raw.buy()
        raw.sandbox.calls.clear()
        await raw.status(task_id)
        await raw.status(task_id)
        one, other = raw.sandbox.calls
        assert one.task_id is other.task_id
        assert not hasattr(one, "__dict__")


@pytest.mark.parametrize("headers", [{"Expect": "the-impossible"}])
async def test_request_that_the_server_itself_refuses(headers: Any) -> None:
    """A request that aiohttp refuses before it is routed is not recorded."""
    async with running() as raw:
        async with aiohttp.request("GET", raw.sandbox.url, headers=headers) as response:
            assert response.status == 417
        assert raw.sandbox.calls == []
