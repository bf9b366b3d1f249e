"""Misfortune on the way: what can go wrong with a connection, before and after the sale.

A fault is a coroutine function that gets a request and the handler of the real thing. It
decides whether, and when, the real thing happens: one that strikes before `await
handler(request)` has sold nothing, one that strikes after it has.

    async def pick_cats(request: web.Request, handler: Handler) -> web.StreamResponse:
        if b"cat" in await request.read():
            return web.json_response({"detail": "no cats today"}, status=400)
        return await handler(request)
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""Answers a request in place of the handler it is given."""


# --- Without the real thing ------------------------------------------------------------------


async def reset_before(request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Reset the connection before anything happened."""
    _reset(request)
    return await _never()


async def hang(_request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Do nothing and never answer, until the client leaves or the sandbox closes."""
    return await _never()


def endless(chunk: bytes = b" " * 65536, pause: float = 0.0) -> Fault:
    """Make a fault that answers 200 and sends a body that never ends, and sells nothing.

    Args:
        chunk: What is sent over and over again.
        pause: Seconds between two chunks.
    """

    async def strike(request: web.Request, _handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        with contextlib.suppress(ConnectionError):  # the client may leave at any time
            await response.prepare(request)
            while True:
                await response.write(chunk)
                await asyncio.sleep(pause)
        return await _never()

    strike.__name__ = "endless"
    return strike


# --- With the real thing ---------------------------------------------------------------------


async def reset_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, then reset the connection in place of an answer."""
    await handler(request)
    _reset(request)
    return await _never()


async def hang_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, then never answer."""
    await handler(request)
    return await _never()


async def cut_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, and close the connection amid the answer's headers."""
    real = await handler(request)
    if request.transport is not None:  # the client may have left meanwhile
        request.transport.write(f"HTTP/1.1 {real.status} {real.reason}\r\nContent-Ty".encode())
    request.protocol.force_close()
    return await _never()


async def cut_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, and close the connection after half of the answer's body."""
    real = await handler(request)
    body = body_of(real)
    half = web.StreamResponse(status=real.status, headers=real.headers)
    half.content_length = len(body)
    with contextlib.suppress(ConnectionError):  # the client may have left meanwhile
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    request.protocol.force_close()
    return await _never()


def slow(seconds: float) -> Fault:
    """Make a fault that does the real thing only after a while; `after` makes its answer late."""

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    strike.__name__ = f"slow({seconds})"
    return strike


def after(fault: Fault) -> Fault:
    """Make a fault that does the real thing first, and only then lets the other one strike.

    So `after(answer(502))` is a gateway that loses the answer to a sale.
    """

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)

        async def done(_: web.Request) -> web.StreamResponse:
            return real

        return await fault(request, done)

    strike.__name__ = f"after({title_of(fault)})"
    return strike


# --- What they share -------------------------------------------------------------------------


def title_of(fault: Fault) -> str:
    """Return what a fault is called in records."""
    return getattr(fault, "__name__", type(fault).__name__)


def body_of(response: web.StreamResponse) -> bytes:
    """Return the body of an answer of the real thing."""
    body: bytes | None = getattr(response, "body", None)
    return body or b""


def _reset(request: web.Request) -> None:
    # A socket that does not linger sends RST as it closes, where others send FIN.
    connection = request.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.protocol.force_close()


async def _never() -> web.StreamResponse:
    """Wait for the server to cancel us, as it does once the connection is gone."""
    nothing: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await nothing
