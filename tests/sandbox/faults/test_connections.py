"""Prove what each fault of the connection does, and whether it sells."""

import asyncio
import contextlib
import math

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.raw_client import RawClient, running, until
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    after,
    answer,
    chunked,
    cut_at,
    cut_body,
    cut_headers,
    drip,
    endless,
    gzipped,
    hang,
    hang_after,
    reset_after,
    reset_before,
    slow,
    stall_at,
    wrong_length,
)

pytestmark = pytest.mark.virtual_time

SUBMIT_BODY = b'{"model": "m"}'


async def send_submit(sandbox: Sandbox) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a submit over a bare socket, where a reset differs from a close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.url.rpartition(":")[2])
    head = (
        f"POST /api/generate/submit HTTP/1.1\r\nHost: x\r\nContent-Length: {len(SUBMIT_BODY)}\r\n"
    )
    key = f"Authorization: Bearer {sandbox.api_key}\r\n\r\n"
    writer.write(head.encode() + key.encode() + SUBMIT_BODY)
    return reader, writer


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize(("fault", "sold"), [(reset_before, 0), (reset_after, 1)])
async def test_reset(fault: Fault, sold: int) -> None:
    """A reset arrives as RST, before or after the sale, and the server works on."""
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
    """A request that hangs gets no byte, and its handler ends when the client disconnects."""
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
    """A cut response has its real headers and half of its body."""
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
    """A cut download is too short, and the next one is complete."""
    async with running() as raw:
        task = await raw.ended(await raw.buy())
        raw.sandbox.inject(cut_body, call="file")
        url = task["files"][0]["file_url"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await raw.file(url)
        assert (await raw.file(url)).status == 200


async def test_cut_headers() -> None:
    """Cut headers are a status line and half a header, after the sale."""
    async with running() as raw:
        raw.sandbox.inject(cut_headers)
        reader, writer = await send_submit(raw.sandbox)
        head = await reader.read()
        await close(writer)
        assert head == b"HTTP/1.1 200 OK\r\nContent-Ty"
        assert raw.sandbox.sold == 1


async def whole_file(raw: RawClient) -> tuple[str, bytes]:
    """Buy a task, wait for its end, and fetch its file."""
    url = (await raw.ended(await raw.buy()))["files"][0]["file_url"]
    return url, (await raw.file(url)).body


async def fetch(raw: RawClient, url: str) -> tuple[aiohttp.ClientResponse, bytes, bool]:
    """Download for at most a minute, and tell whether the download ended by itself."""
    body = bytearray()
    async with raw.http.get(url) as response:
        with contextlib.suppress(aiohttp.ClientPayloadError), anyio.move_on_after(60):
            async for chunk in response.content.iter_any():
                body += chunk
            return response, bytes(body), True
    return response, bytes(body), False


@pytest.mark.parametrize("size", [0, 10, 300_000])
async def test_cut_at(size: int) -> None:
    """A download can be cut after any number of bytes."""
    async with running(file_size=500_000) as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(cut_at(size), call="file")
        start = anyio.current_time()
        response, body, is_all = await fetch(raw, url)
        assert (response.status, response.content_length) == (200, len(whole))
        assert (body, is_all) == (whole[:size], False)
        assert anyio.current_time() - start < 1
        assert (await raw.file(url)).body == whole


@pytest.mark.parametrize("size", [0, 10, 300_000])
async def test_stall_at(size: int) -> None:
    """A download can stall after any number of bytes, without an end."""
    async with running(file_size=500_000) as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(stall_at(size), call="file")
        start = anyio.current_time()
        response, body, is_all = await fetch(raw, url)
        assert (response.status, response.content_length) == (200, len(whole))
        assert (body, is_all) == (whole[:size], False)
        assert anyio.current_time() - start >= 60


async def test_cut_and_stall_of_a_sale() -> None:
    """Cuts and stalls apply to any call, after the sale."""
    async with running() as raw:
        raw.sandbox.inject(cut_at(5))
        raw.sandbox.inject(stall_at(5))
        for _ in range(2):
            reader, writer = await send_submit(raw.sandbox)
            await reader.readuntil(b"\r\n\r\n")
            with anyio.move_on_after(60):
                assert await reader.readexactly(5) == b'{"cod'
                assert await reader.read() == b""
            await close(writer)
        assert raw.sandbox.sold == 2


async def test_drip() -> None:
    """A body that drips is complete, and slow."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(drip(1000, pause=1), call="file")
        start = anyio.current_time()
        assert (await raw.file(url)).body == whole
        chunks = math.ceil(len(whole) / 1000)
        assert chunks - 1 <= anyio.current_time() - start < chunks + 1


async def test_chunked() -> None:
    """A body without a length is complete."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(chunked, call="file")
        reply = await raw.file(url)
        assert "Content-Length" not in reply.headers
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert reply.body == whole


async def test_length_that_is_too_short() -> None:
    """A body with too small a length is cut to it, without another sign."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(wrong_length(-1), call="file")
        raw.sandbox.inject(wrong_length(-999_999), call="file")
        for size in (len(whole) - 1, 0):
            response, body, is_all = await fetch(raw, url)
            assert (response.content_length, body, is_all) == (size, whole[:size], True)
        assert (await raw.file(url)).body == whole


async def test_length_that_is_too_long() -> None:
    """With too large a length the connection closes before it is reached."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(wrong_length(1), call="file")
        response, body, is_all = await fetch(raw, url)
        assert (response.content_length, body, is_all) == (len(whole) + 1, whole, False)


@pytest.mark.parametrize("fault", [cut_headers, cut_body, drip(), endless()])
async def test_client_disconnects_before_the_response(fault: Fault) -> None:
    """The server works on after a client that disconnected before its response."""

    async def disconnected(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        request.protocol.force_close()

        async def already_handled(_: web.Request) -> web.StreamResponse:
            return real

        return await fault(request, already_handled)

    async with running() as raw:
        raw.sandbox.inject(disconnected)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await raw.submit()
        assert (await raw.balance()).status == 200


async def test_endless_body() -> None:
    """An endless body is sent until the client disconnects."""
    async with running() as raw:
        raw.sandbox.inject(endless())
        before = asyncio.all_tasks()
        reader, writer = await send_submit(raw.sandbox)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        for _ in range(100):
            assert len(await reader.readexactly(2**17)) == 2**17
        await close(writer)
        await until(lambda: asyncio.all_tasks() == before)
        assert raw.sandbox.sold == 0


async def test_endless_body_waits_for_its_reader() -> None:
    """An endless body that is not read does not fill the memory."""
    transports: list[asyncio.WriteTransport] = []

    async def record_transport(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.WriteTransport)
        transports.append(request.transport)
        return await endless()(request, handler)

    async with running() as raw:
        raw.sandbox.inject(record_transport)
        _, writer = await send_submit(raw.sandbox)
        await anyio.sleep(3600)
        assert 0 < transports[0].get_write_buffer_size() < 2**18
        await close(writer)


async def test_closing_amid_an_endless_body() -> None:
    """A sandbox that closes ends the responses that it was sending, read or not."""

    async def drain(reader: asyncio.StreamReader) -> None:
        while await reader.read(2**16):
            pass

    async with Sandbox() as sandbox:
        before = asyncio.all_tasks()
        sandbox.inject(endless(), times=2)
        (reader, writer), (_, unread) = [await send_submit(sandbox) for _ in range(2)]
        draining = asyncio.create_task(drain(reader))
        await until(lambda: len(sandbox.calls) == 2)
        await asyncio.sleep(0.01)
    await asyncio.wait([draining])
    assert asyncio.all_tasks() == before
    await close(writer)
    await close(unread)


async def test_dripping_body() -> None:
    """An endless body can be slow."""
    async with running() as raw:
        raw.sandbox.inject(endless(b"x", pause=10.0), call="balance")
        start = anyio.current_time()
        async with raw.http.get(raw.sandbox.url + "/api/user/balance") as response:
            assert await response.content.readexactly(5) == b"xxxxx"
        assert 40 <= anyio.current_time() - start < 50


async def test_slow() -> None:
    """A slow submit is sold late."""
    async with running() as raw:
        raw.sandbox.inject(slow(60))
        start = anyio.current_time()
        assert (await raw.submit()).status == 200
        [task] = raw.sandbox.tasks.values()
        assert anyio.current_time() - start >= 60
        assert task.sold_at - start >= 60


async def test_late_response() -> None:
    """With a late response the task is sold at once."""
    async with running() as raw:
        raw.sandbox.inject(after(slow(60)))
        start = anyio.current_time()
        task_id = (await raw.submit()).data["task_id"]
        assert anyio.current_time() - start >= 60
        assert raw.sandbox.tasks[task_id].sold_at - start < 1


@pytest.mark.parametrize(
    ("fault", "status", "sold"),
    [(answer(502), 502, 1), (gzipped, 200, 1), (after(slow(1)), 200, 1)],
)
async def test_after(fault: Fault, status: int, sold: int) -> None:
    """After any fault in `after`, the task is sold once."""
    async with running() as raw:
        raw.sandbox.inject(after(fault))
        assert (await raw.submit()).status == status
        assert raw.sandbox.sold == sold


async def test_fault_of_ones_own() -> None:
    """Any coroutine function of a request and a handler is a fault."""

    async def late(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.sleep(60)
        return await handler(request)

    async with running() as raw:
        raw.sandbox.inject(late, call="balance")
        start = anyio.current_time()
        assert (await raw.balance()).status == 200
        assert anyio.current_time() - start >= 60


async def test_reset_of_a_connection_that_is_closed() -> None:
    """A client that closed its connection first leaves nothing to reset."""

    async def late_reset(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        with contextlib.suppress(
            asyncio.CancelledError
        ):  # which the server does, once it is closed
            await anyio.sleep_forever()
        assert request.get_extra_info("socket") is None
        return await asyncio.wait_for(reset_before(request, handler), 0.01)

    async with Sandbox() as sandbox:
        sandbox.inject(late_reset, call="balance", times=None)
        async with aiohttp.ClientSession(sandbox.url) as http:
            with pytest.raises(aiohttp.ClientError):
                await http.get("/api/user/balance")
