"""Prove that each fault breaks what it says, strikes whom it should, and nothing else."""

import asyncio
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from raw_client import RawClient, running, until
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    cut_body,
    hang,
    hang_after,
    reset_after,
    reset_before,
)

pytestmark = pytest.mark.virtual_time

ORDER = b'{"model": "m"}'


async def send_submit(sandbox: Sandbox) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a submit over a bare socket, on which a reset can be told from a close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.url.rpartition(":")[2])
    head = f"POST /api/generate/submit HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ORDER)}\r\n"
    key = f"Authorization: Bearer {sandbox.api_key}\r\n\r\n"
    writer.write(head.encode() + key.encode() + ORDER)
    return reader, writer


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def statuses(raw: RawClient, count: int) -> list[int]:
    return [(await raw.balance()).status for _ in range(count)]


# --- What they do ----------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "sold"), [(reset_before, 0), (reset_after, 1)])
async def test_reset(fault: Fault, sold: int) -> None:
    """A reset arrives as RST, before or after the sale, and the server goes on."""
    async with running() as raw:
        raw.sandbox.inject(fault)
        reader, writer = await send_submit(raw.sandbox)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await close(writer)
        assert raw.sandbox.sold == sold
        assert (await raw.submit()).status == 200


@pytest.mark.parametrize(("fault", "sold"), [(hang, 0), (hang_after, 1)])
async def test_hang(fault: Fault, sold: int) -> None:
    """A hung request gets not a byte, and its handler ends when the client leaves."""
    async with running() as raw:
        raw.sandbox.inject(fault)
        before = asyncio.all_tasks()
        reader, writer = await send_submit(raw.sandbox)
        with anyio.move_on_after(3600) as waited:
            await reader.read()
        assert waited.cancelled_caught
        assert raw.sandbox.sold == sold
        await close(writer)
        await until(lambda: asyncio.all_tasks() == before)


async def test_cut_body() -> None:
    """A cut answer has its real head, half of its body, and then an end."""
    async with running() as raw:
        raw.sandbox.inject(cut_body)
        reader, writer = await send_submit(raw.sandbox)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        await close(writer)
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"application/json" in head
        assert b"Server" not in head
        [length] = [int(line[16:]) for line in head.split(b"\r\n") if b"Content-Length" in line]
        assert length // 2 == len(body) > 0
        assert raw.sandbox.sold == 1


async def test_cut_file() -> None:
    """A cut download is noticed by its length, and comes whole the next time."""
    async with running() as raw:
        task = await raw.ended(await raw.buy())
        raw.sandbox.inject(cut_body, call="file")
        url = task["files"][0]["file_url"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await raw.file(url)
        assert (await raw.file(url)).status == 200


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        (b"", b"", "text/html"),
        (b"\0\xff", b"\0\xff", "text/html"),
        ("<h1>é</h1>", "<h1>é</h1>".encode(), "text/html"),
        ({"detail": "slow down"}, b'{"detail": "slow down"}', "application/json"),
        ([1], b"[1]", "application/json"),
    ],
)
async def test_answer(body: Any, sent: bytes, kind: str) -> None:
    """Any answer can be put in place of the real thing, and nothing is sold."""
    async with running() as raw:
        raw.sandbox.inject(answer(503, body))
        reply = await raw.submit()
        assert (reply.status, reply.body, reply.headers["Content-Type"]) == (503, sent, kind)
        assert raw.sandbox.sold == 0


async def test_answer_with_headers() -> None:
    """An answer takes headers and a content type, and serves more than one request."""
    async with running() as raw:
        headers = {"Retry-After": "2", "X-Odd": "é"}
        raw.sandbox.inject(answer(429, headers=headers, content_type="text/plain"), times=2)
        for reply in (await raw.submit(), await raw.submit()):
            assert reply.headers["Retry-After"] == "2"
            assert reply.headers["X-Odd"] == "é"
            assert reply.headers["Content-Type"] == "text/plain"


def test_answer_must_be_sendable() -> None:
    """A body that is no JSON is refused where it is written."""
    with pytest.raises(TypeError, match="serializable"):
        answer(200, {"when": object()})


async def test_fault_of_ones_own() -> None:
    """Any coroutine function of a request and a handler is a fault."""

    async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.sleep(60)
        return await handler(request)

    async with running() as raw:
        raw.sandbox.inject(slow, call="balance")
        start = anyio.current_time()
        assert await statuses(raw, 1) == [200]
        assert anyio.current_time() - start >= 60


# --- Whom they strike ------------------------------------------------------------------------


async def test_fault_strikes_as_often_as_told() -> None:
    """A fault lets some requests pass, strikes some, and is over."""
    async with running() as raw:
        raw.sandbox.inject(answer(500), call="balance", skip=1, times=2)
        assert await statuses(raw, 5) == [200, 500, 500, 200, 200]
        assert raw.sandbox.received["balance"] == 5


async def test_fault_may_strike_for_ever() -> None:
    """A fault without a number goes on."""
    async with running() as raw:
        raw.sandbox.inject(answer(500), call="balance", times=None)
        assert await statuses(raw, 10) == [500] * 10


async def test_fault_strikes_its_call_only() -> None:
    """A fault for one call leaves the others alone, and one for any call strikes each."""
    async with running() as raw:
        raw.sandbox.inject(answer(500))
        assert await statuses(raw, 1) == [200]
        assert (await raw.submit()).status == 500
        raw.sandbox.inject(answer(502), call=None, times=2)
        assert await statuses(raw, 1) == [502]
        assert (await raw.call("GET", "/nowhere")).status == 502


@pytest.mark.parametrize("call", ["status", None])
async def test_fault_strikes_its_task_only(call: str | None) -> None:
    """A fault for one task leaves the others alone, and its skips are that task's."""
    async with running() as raw:
        one, other = await raw.buy(), await raw.buy()
        raw.sandbox.inject(answer(500), call=call, task_id=one, skip=1)
        seen = [(await raw.status(each)).status for each in (other, one, other, one, one)]
        assert seen == [200, 200, 200, 500, 200]


@pytest.mark.parametrize(
    ("path", "task_id"), [("a%2Fb", "a/b"), ("a/b", "a/b"), ("a%252Fb", "a%2Fb"), ("%20", " ")]
)
async def test_task_is_known_by_its_decoded_id(path: str, task_id: str) -> None:
    """An id is percent-decoded once, slashes included."""
    async with running() as raw:
        raw.sandbox.inject(answer(200, {"found": 1}), call="status", task_id=task_id)
        assert (await raw.status(path)).json == {"found": 1}


async def test_faults_take_turns_in_order() -> None:
    """One fault strikes a request, the first installed first, and the next one counts on."""
    async with running() as raw:
        raw.sandbox.inject(answer(500), call="balance", times=2)
        raw.sandbox.inject(answer(502), call="balance", skip=1)
        assert await statuses(raw, 5) == [500, 500, 200, 502, 200]


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"call": "sumbit"}, "one of submit, status, balance, file"),
        ({"times": 0}, "times"),
        ({"skip": -1}, "skip"),
        ({"task_id": "x"}, "task_id"),
        ({"call": "balance", "task_id": "x"}, "task_id"),
    ],
)
def test_rule_that_could_never_strike_is_refused(settings: dict[str, Any], about: str) -> None:
    """A rule that makes no sense is refused at once, and says what is wrong."""
    with pytest.raises(ValueError, match=about):
        Sandbox().inject(hang, **settings)
