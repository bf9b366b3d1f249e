"""What is known of a request on its way: whether any byte of it can have been read.

aiohttp takes a connection out of its pool in one iteration of the loop and writes to it in a later
one. A server that closes idle connections, as at a reload, may do so in between. What is not
written then has bought nothing, and only that: bytes that the kernel took may have been read.
"""

import select
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter

_GONE = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0)
"""What `poll` tells of a connection that the other side closed; Linux tells of each."""

SLICE = 2**18
"""Bytes that are written at a time."""


class SendState:
    """How far one request came."""

    def __init__(self, on_sent: Callable[[], None] = lambda: None) -> None:
        self.on_sent = on_sent
        """Called when all of it is written."""
        self.started: bool = False
        """Whether it has a connection, so that it may be on its way at any moment."""
        self.reused: bool = False
        """Whether that connection had served another request before."""
        self.written_at: datetime | None = None
        """When its first byte was handed to the connection; None while nothing of it can have
        been read."""

    @property
    def written(self) -> bool:
        """Whether the server may have read any of it."""
        return self.written_at is not None

    def note_written(self) -> None:
        """Record that the first byte goes out now."""
        self.written_at = self.written_at or datetime.now(UTC)


class WatchedBody(aiohttp.Payload):
    """A body that is not written to a lost connection, and records when it is written.

    A large one is written in slices, each when the one before has left, so that the loop is not
    held to copy all of it.

    aiohttp holds the headers back and sends them with the body, in one piece. Its own class for
    bytes warns of large ones.
    """

    def __init__(self, body: bytes, state: SendState) -> None:
        super().__init__(body)
        self.complete: bool = False
        """Whether all of it was written."""
        self._body = body
        self._state = state

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self._body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text."""
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it, unless the connection is lost.

        Raises:
            ConnectionResetError: It is lost; nothing was written.
        """
        if _is_lost(writer, reused=self._state.reused):
            msg = "the connection was closed before the request was sent"
            raise ConnectionResetError(msg)
        self._state.note_written()  # nothing is awaited between this and the write
        view = memoryview(self._body)
        for start in range(0, len(view), SLICE) or [0]:
            await writer.write(view[start : start + SLICE])
        self.complete = True
        self._state.on_sent()


def trace_connections() -> aiohttp.TraceConfig:
    """Return the trace that tells a `SendState`, given as context, of its connection."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_has_connection)
    trace.on_connection_reuseconn.append(_has_reused_connection)
    return trace


async def _has_connection(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.started = True


async def _has_reused_connection(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.started = context.trace_request_ctx.reused = True


def _is_lost(writer: AbstractStreamWriter, *, reused: bool) -> bool:
    """Tell whether a request written now could not be answered.

    A response that is there already, as servers send one before they close an idle connection, is
    none to this request: aiohttp would take it for one.
    """
    protocol: Any = getattr(writer, "protocol", None)
    transport: Any = getattr(protocol, "transport", None)
    if transport is None or transport.is_closing() or protocol.should_close:
        return True
    connection = transport.get_extra_info("socket")
    return connection is not None and _is_closed(connection.fileno(), reused=reused)


def _is_closed(descriptor: int, *, reused: bool) -> bool:
    """Ask the kernel for what the loop has not read yet.

    On a connection that was idle, anything to read means its end; on a new one it may be part of
    the TLS handshake.
    """
    if not hasattr(select, "poll"):  # Windows
        return reused and bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, _GONE | (select.POLLIN if reused else 0))
    return bool(poll.poll(0))
