"""Prove that each fault of a connection breaks what it says, before or after the sale."""

import asyncio
import contextlib
import math

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from raw_client import RawClient, running, until
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


async def test_cut_headers() -> None:
    """Cut headers are a status line, half a header, and then an end, after the sale."""
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
    """Fetch as much of a file as comes within a minute, and tell whether that was all."""
    body = bytearray()
    async with raw.http.get(url) as response:
        with contextlib.suppress(aiohttp.ClientPayloadError), anyio.move_on_after(60):
            async for chunk in response.content.iter_any():
                body += chunk
            return response, bytes(body), True
    return response, bytes(body), False


@pytest.mark.parametrize("size", [0, 10, 300_000])
async def test_cut_at(size: int) -> None:
    """A download may be cut after any number of bytes, at once."""
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
    """A download may stall after any number of bytes, for as long as one waits."""
    async with running(file_size=500_000) as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(stall_at(size), call="file")
        start = anyio.current_time()
        response, body, is_all = await fetch(raw, url)
        assert (response.status, response.content_length) == (200, len(whole))
        assert (body, is_all) == (whole[:size], False)
        assert anyio.current_time() - start >= 60


async def test_cut_and_stall_of_a_sale() -> None:
    """Cuts and stalls strike any call, after the sale."""
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
    """A body that drips comes whole, and takes its time."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(drip(1000, pause=1), call="file")
        start = anyio.current_time()
        assert (await raw.file(url)).body == whole
        drops = math.ceil(len(whole) / 1000)
        assert drops - 1 <= anyio.current_time() - start < drops + 1


async def test_chunked() -> None:
    """A body of unknown length comes whole."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(chunked, call="file")
        reply = await raw.file(url)
        assert "Content-Length" not in reply.headers
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert reply.body == whole


async def test_length_that_is_too_short() -> None:
    """Where the length is too short the body is cut to it, and nothing else tells."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(wrong_length(-1), call="file")
        raw.sandbox.inject(wrong_length(-999_999), call="file")
        for size in (len(whole) - 1, 0):
            response, body, is_all = await fetch(raw, url)
            assert (response.content_length, body, is_all) == (size, whole[:size], True)
        assert (await raw.file(url)).body == whole


async def test_length_that_is_too_long() -> None:
    """Where the length is too long the connection ends before it is reached."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(wrong_length(1), call="file")
        response, body, is_all = await fetch(raw, url)
        assert (response.content_length, body, is_all) == (len(whole) + 1, whole, False)


@pytest.mark.parametrize("fault", [cut_headers, cut_body, drip(), endless()])
async def test_client_leaves_before_the_answer(fault: Fault) -> None:
    """A client that left before its answer was due does no harm."""

    async def while_gone(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        request.protocol.force_close()

        async def done(_: web.Request) -> web.StreamResponse:
            return real

        return await fault(request, done)

    async with running() as raw:
        raw.sandbox.inject(while_gone)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await raw.submit()
        assert (await raw.balance()).status == 200


async def test_endless_body() -> None:
    """An endless body comes for as long as one reads, and ends when the client leaves."""
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
    """What nobody reads is not piled up, neither in memory nor on the clock."""
    transports: list[asyncio.WriteTransport] = []

    async def seen(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.WriteTransport)
        transports.append(request.transport)
        return await endless()(request, handler)

    async with running() as raw:
        raw.sandbox.inject(seen)
        _, writer = await send_submit(raw.sandbox)
        await anyio.sleep(3600)
        assert 0 < transports[0].get_write_buffer_size() < 2**18
        await close(writer)


async def test_closing_amid_an_endless_body() -> None:
    """A sandbox that closes ends what it was sending, read or not."""

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
    """A body may also drip for ever."""
    async with running() as raw:
        raw.sandbox.inject(endless(b"x", pause=10.0), call="balance")
        start = anyio.current_time()
        async with raw.http.get(raw.sandbox.url + "/api/user/balance") as response:
            assert await response.content.readexactly(5) == b"xxxxx"
        assert 40 <= anyio.current_time() - start < 50


async def test_slow() -> None:
    """A slow sale is made late."""
    async with running() as raw:
        raw.sandbox.inject(slow(60))
        start = anyio.current_time()
        assert (await raw.submit()).status == 200
        [task] = raw.sandbox.tasks.values()
        assert anyio.current_time() - start >= 60
        assert task.sold_at - start >= 60


async def test_late_answer() -> None:
    """A late answer is that of a sale that was made at once."""
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
    """Any fault may come after the real thing, which is then done once."""
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
