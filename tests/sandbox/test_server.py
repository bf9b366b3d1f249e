"""Prove that the sandbox starts, counts, refuses connections and stops cleanly."""

import asyncio
import contextlib
import errno
import time
from typing import Any

import aiohttp
import anyio
import pytest

from tests.support.raw_client import RawClient, running, until
from vidgo_async.sandbox import REALISTIC, Sandbox, hang
from vidgo_async.sandbox.server import KEEPALIVE

pytestmark = pytest.mark.virtual_time

DAY = 24 * 3600


async def test_received_counts_calls() -> None:
    """Requests are counted by the name of their call, also those that are refused."""
    async with running(credits=1.5) as raw:
        task = await raw.ended(await raw.buy())
        polls = raw.sandbox.received["status"]
        await raw.submit()
        await raw.balance()
        await raw.file(task["files"][0]["file_url"])
        assert raw.sandbox.received == {"submit": 2, "status": polls, "balance": 1, "file": 1}


async def test_no_header_names_the_software() -> None:
    """No response names aiohttp."""
    async with running() as raw:
        task = await raw.ended(await raw.buy())
        replies = [
            await raw.status(task["task_id"]),
            await raw.status("unknown"),
            await raw.call("GET", "/nowhere"),
            await raw.file(task["files"][0]["file_url"]),
        ]
    for reply in replies:
        assert "Server" not in reply.headers
        assert "aiohttp" not in str(reply.headers)


@pytest.mark.parametrize(("settings", "seconds"), [({}, KEEPALIVE), ({"keepalive": 0.2}, 0.2)])
async def test_idle_connection_is_closed(settings: dict[str, Any], seconds: float) -> None:
    """An idle connection is closed on time, by default after a little more than five seconds."""
    async with Sandbox(**settings) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(sandbox))
        for _ in range(3):
            await anyio.sleep(seconds * 0.7)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await reader.readuntil(b'{"detail": "Not Found"}')
        start = anyio.current_time()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    # The server's timer started when it responded, a moment before that was read.
    assert seconds - 0.01 <= anyio.current_time() - start < seconds + 0.2


async def test_closing_is_quick_with_requests_hanging() -> None:
    """Closing ends hanging requests at once, and closes the port."""
    clients: list[asyncio.Task[Any]] = []
    async with aiohttp.ClientSession() as http:
        async with Sandbox() as sandbox:
            sandbox.inject(hang, call=None, times=None)
            raw = RawClient(http, sandbox)
            clients = [asyncio.create_task(raw.balance()) for _ in range(20)]
            await until(lambda: sandbox.received["balance"] == 20)
            start = time.monotonic()
        assert time.monotonic() - start < 1
        results = await asyncio.gather(*clients, return_exceptions=True)
        assert all(isinstance(each, aiohttp.ClientConnectionError) for each in results)
        with pytest.raises(aiohttp.ClientConnectorError):
            await raw.balance()


async def test_closing_amid_new_connections_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    """Connections that come in while the sandbox closes are neither logged as errors nor leaked."""

    async def connect_repeatedly(port: int) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()

    for iterations in range(5):
        async with Sandbox() as sandbox:
            clients = [asyncio.create_task(connect_repeatedly(port_of(sandbox))) for _ in range(20)]
            for _ in range(iterations):
                await asyncio.sleep(0)
        await asyncio.gather(*clients)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_closing_ends_also_in_a_cancelled_scope() -> None:
    """A sandbox also closes when its task is cancelled."""
    with anyio.CancelScope() as scope:
        async with Sandbox() as sandbox:
            scope.cancel()
            await anyio.sleep(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port_of(sandbox))


async def test_two_sandboxes_share_nothing() -> None:
    """Each sandbox has its own port and account."""
    async with running() as one, running() as other:
        assert one.sandbox.url != other.sandbox.url
        await one.buy()
        assert (one.sandbox.sold, other.sandbox.sold) == (1, 0)


async def test_account_outlives_the_server() -> None:
    """What was sold can be read after the sandbox has closed."""
    async with running() as raw:
        task_id = await raw.buy()
    assert list(raw.sandbox.tasks) == [task_id]
    assert (raw.sandbox.sold, raw.sandbox.credits) == (1, 998.5)


async def test_port_can_be_chosen() -> None:
    """A sandbox listens on the port that it is given, and raises if that is in use."""
    async with Sandbox() as first:
        port = port_of(first)
        with pytest.raises(OSError, match="in use"):
            async with Sandbox(port=port):
                pytest.fail("two servers on one port")
    async with Sandbox(port=port) as second:
        assert second.url == first.url


def test_url_needs_a_server() -> None:
    """A sandbox that was not started has credits, and no URL."""
    sandbox = Sandbox(credits=7.0)
    with pytest.raises(RuntimeError, match="async with"):
        _ = sandbox.url
    assert (sandbox.credits, sandbox.sold, sandbox.tasks) == (7.0, 0, {})


@pytest.mark.parametrize(
    ("setting", "bad"),
    [
        ("api_key", ""),
        ("api_key", "with space"),
        ("api_key", "sch\u00f6n"),
        ("port", -1),
        ("port", 65536),
        ("seconds", (1.0, 0.5)),
        ("failure_rate", 2.0),
        ("keepalive", 0.0),
        ("keepalive", float("inf")),
    ],
)
def test_bad_setting_is_refused(setting: str, bad: Any) -> None:
    """A setting out of its range is refused by name, before anything is started."""
    settings: dict[str, Any] = {setting: bad}
    with pytest.raises(ValueError, match=setting):
        Sandbox(**settings)


async def test_realistic_times_are_minutes() -> None:
    """REALISTIC sets the generation times of real videos."""
    async with running(seconds=REALISTIC) as raw:
        task_id = await raw.buy()
        assert 90 <= raw.sandbox.tasks[task_id].seconds <= 300


# --- Refusing connections --------------------------------------------------------------------


async def test_refusing_refuses_and_returns() -> None:
    """The port is closed in the body of `refusing`, and open again after it."""
    async with running() as raw:
        url = raw.sandbox.url
        async with raw.sandbox.refusing():
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await raw.balance()
            assert caught.value.os_error.errno == errno.ECONNREFUSED
        assert raw.sandbox.url == url
        assert (await raw.balance()).status == 200


async def test_refusing_closes_idle_connections() -> None:
    """A pooled connection cannot be used with a refusing server."""
    async with running() as raw:
        await raw.balance()
        async with raw.sandbox.refusing():
            with pytest.raises(aiohttp.ClientConnectorError):
                await raw.submit()
        assert raw.sandbox.received == {"balance": 1}


async def test_refusing_lets_requests_end() -> None:
    """A request that has begun is answered, and then its connection is closed."""
    may_continue = anyio.Event()

    async def wait(request: aiohttp.web.Request, handler: Any) -> Any:
        await may_continue.wait()
        return await handler(request)

    async with running() as raw:
        raw.sandbox.inject(wait, call="balance")
        asking = asyncio.create_task(raw.balance())
        await until(lambda: raw.sandbox.received["balance"])
        async with raw.sandbox.refusing():
            may_continue.set()
            assert (await asking).status == 200
            with pytest.raises(aiohttp.ClientConnectorError):
                await raw.balance()


async def test_refusing_ends_also_by_an_error() -> None:
    """The port is open again after a body that raises."""
    async with running() as raw:
        with pytest.raises(KeyError):
            async with raw.sandbox.refusing():
                raise KeyError
        assert (await raw.balance()).status == 200


def port_of(sandbox: Sandbox) -> int:
    """Return the port in a sandbox's URL."""
    return int(sandbox.url.rpartition(":")[2])
