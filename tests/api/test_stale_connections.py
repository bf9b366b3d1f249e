"""A connection that ends before, while or after the paid POST is written: bought at most once.

All in real time: the moments between the kernel, the loop and aiohttp are what this is about.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.raw_server import RawConnection, raw_server
from vidgo_async import GenerationRequest, RetryPolicy, SubmissionUnknownError, VidgoSession
from vidgo_async._api.send_state import SendState, WatchedBody

SOLD = {"code": 200, "data": {"task_id": "task-1", "status": "not_started"}}
BALANCE = {"code": 200, "data": {"credits_amount": 1}}
TIMEOUT_RESPONSE = (
    b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
ANOTHERS_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n"
    b'{"code": 200, "data": {"task_id": "of-another"}}    '
)
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


def session(url: str) -> VidgoSession:
    return VidgoSession(
        "a-key-for-tests",
        base_url=url,
        request_timeout=5.0,
        retry=RetryPolicy(timeout=5.0, initial_delay=0.01, max_delay=0.02, unknown_limit=None),
    )


def request(size: int = 10) -> GenerationRequest:
    return GenerationRequest("m", {"prompt": "x" * size})


Ending = Callable[[RawConnection], Awaitable[None]]


async def close(connection: RawConnection) -> None:
    connection.close()


async def reset(connection: RawConnection) -> None:
    connection.reset()


async def say_408(connection: RawConnection) -> None:
    await connection.send(TIMEOUT_RESPONSE)
    connection.close()


async def say_408_and_stay(connection: RawConnection) -> None:
    await connection.send(TIMEOUT_RESPONSE)


async def answer_of_another(connection: RawConnection) -> None:
    await connection.send(ANOTHERS_RESPONSE)


@pytest.mark.parametrize("iterations", range(8))
@pytest.mark.parametrize("end", [close, reset, say_408, say_408_and_stay, answer_of_another])
async def test_an_idle_connection_that_ended_costs_nothing(end: Ending, iterations: int) -> None:
    """However many iterations of the loop after its end, the POST goes over a new connection."""
    connections: list[RawConnection] = []
    requests: list[bytes] = []

    async def serve(connection: RawConnection, number: int) -> None:
        connections.append(connection)
        while received := await connection.read_request():
            requests.append(received.split(b" ")[1])
            await connection.answer(BALANCE if received.startswith(b"GET") else SOLD)
            if number == 0:
                return

    async with raw_server(serve) as url, session(url) as vidgo:
        await vidgo.balance()
        await end(connections[0])  # now, whether the client's side of the loop knows it or not
        for _ in range(iterations):
            await asyncio.sleep(0)
        assert (await vidgo.submit(request())).task_id == "task-1"
    assert requests == [b"/api/user/balance", b"/api/generate/submit"]


@pytest.mark.parametrize("ahead", range(12))
async def test_a_connection_that_ends_while_a_submit_starts(ahead: int) -> None:
    """However far a submit came when its idle connection ends, it is sent once or told unknown.

    What the client wrote before it could know of the end is unknown; the server has read none.
    """
    connections: list[RawConnection] = []
    posts: list[bytes] = []

    async def serve(connection: RawConnection, number: int) -> None:
        connections.append(connection)
        received = await connection.read_request()
        if received.startswith(b"POST"):
            posts.append(received)
        await connection.answer(BALANCE if received.startswith(b"GET") else SOLD)

    async with raw_server(serve) as url, session(url) as vidgo:
        await vidgo.balance()
        buying = asyncio.create_task(vidgo.submit(request()))
        for _ in range(ahead):
            await asyncio.sleep(0)
        connections[0].close()
        try:
            assert (await buying).task_id == "task-1"
            assert len(posts) == 1
        except SubmissionUnknownError:
            assert posts == []
            assert len(connections) == 1


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize("size", [10, 30_000_000])
@pytest.mark.parametrize("read", [1, 1000])
async def test_a_post_of_which_a_byte_was_read_is_not_sent_again(
    end: Ending, size: int, read: int
) -> None:
    """A connection that ends while the POST is written, or after it, leaves its outcome unknown."""
    connections: list[RawConnection] = []

    async def serve(connection: RawConnection, number: int) -> None:
        connections.append(connection)
        await connection.read(min(read, 200))
        await end(connection)

    async with raw_server(serve) as url, session(url) as vidgo:
        with pytest.raises(SubmissionUnknownError) as caught:
            await vidgo.submit(request(size))
    assert len(connections) == 1
    assert "before the request was sent" not in str(caught.value)
    assert "None" not in str(caught.value)


async def test_connections_that_end_at_once_never_buy_twice() -> None:
    """A server that closes new connections unread gets the POST again only if it was not written."""
    accepted: list[RawConnection] = []
    sold: list[bytes] = []

    async def serve(connection: RawConnection, number: int) -> None:
        accepted.append(connection)
        if number % 2 == 0:
            connection.close()
            return
        sold.append(await connection.read_request())
        await connection.answer(SOLD, CLOSING)

    async with raw_server(serve) as url, session(url) as vidgo:
        for _ in range(20):
            before = len(sold)
            try:
                await vidgo.submit(request())
            except SubmissionUnknownError:
                assert len(sold) == before
            else:
                assert len(sold) == before + 1


def test_a_body_can_be_read_as_text() -> None:
    """aiohttp may ask a body for its size and its text."""
    body = WatchedBody("{é}".encode(), SendState())
    assert (body.size, body.decode()) == (4, "{é}")


# --- The moment of writing --------------------------------------------------------------------


class Transport:
    """As much of asyncio's transport as is asked."""

    def __init__(self, connection: socket.socket | None, *, closing: bool = False) -> None:
        self.connection = connection
        self.closing = closing

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str) -> socket.socket | None:
        assert name == "socket"
        return self.connection


class Protocol:
    def __init__(self, transport: Transport | None, *, should_close: bool = False) -> None:
        self.transport = transport
        self.should_close = should_close


class Writer:
    """As much of aiohttp's writer as is used."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.written = b""

    async def write(self, chunk: bytes) -> None:
        self.written += chunk


async def write(protocol: Protocol, *, reused: bool = False) -> tuple[bytes, bool]:
    """Write a body; return what was written, and whether that was recorded."""
    state = SendState()
    state.reused = reused
    writer: Any = Writer(protocol)
    try:
        await WatchedBody(b"body", state).write(writer)
    except ConnectionResetError:
        assert not writer.written
    return writer.written, state.written


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(None),
        Protocol(Transport(None, closing=True)),
        Protocol(Transport(None), should_close=True),
    ],
    ids=["lost", "closing", "answered before"],
)
async def test_nothing_is_written_to_a_lost_connection(protocol: Protocol) -> None:
    """What aiohttp or asyncio know to be lost is not written to."""
    assert await write(protocol) == (b"", False)


async def test_what_only_the_kernel_knows_counts_too() -> None:
    """A FIN that the loop has not read keeps a body back; a transport without a socket does not."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for reused in (False, True):
            assert await write(Protocol(Transport(ours)), reused=reused) == (b"body", True)
        theirs.send(b"early")
        assert await write(Protocol(Transport(ours)), reused=True) == (b"", False)
        assert await write(Protocol(Transport(ours))) == (b"body", True)
        theirs.close()
        assert await write(Protocol(Transport(ours))) == (b"", False)
    assert await write(Protocol(Transport(None)), reused=True) == (b"body", True)


async def test_systems_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no `poll`, `select` tells of connections that are used again."""
    monkeypatch.delattr("select.poll")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert await write(Protocol(Transport(ours)), reused=True) == (b"body", True)
        theirs.close()
        assert await write(Protocol(Transport(ours)), reused=True) == (b"", False)
        assert await write(Protocol(Transport(ours))) == (b"body", True)
