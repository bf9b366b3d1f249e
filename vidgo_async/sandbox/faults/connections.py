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

from vidgo_async.sandbox.media.file_content import PIECE, part_of

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
    await _send(request, real, part_of(real).length // 2)
    request.protocol.force_close()
    return await _never()


def cut_at(size: int) -> Fault:
    """Make a fault that does the real thing, and closes after so many bytes of the body."""

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        await _send(request, await handler(request), size)
        request.protocol.force_close()
        return await _never()

    strike.__name__ = f"cut_at({size})"
    return strike


def stall_at(size: int) -> Fault:
    """Make a fault that does the real thing, sends so many bytes of the body, then nothing."""

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        await _send(request, await handler(request), size)
        return await _never()

    strike.__name__ = f"stall_at({size})"
    return strike


def drip(size: int = 1024, pause: float = 1.0) -> Fault:
    """Make a fault that does the real thing, and lets the answer's body come in drops.

    Args:
        size: Bytes in a drop.
        pause: Seconds after each.
    """

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await _send(request, await handler(request), size=size, pause=pause)

    strike.__name__ = f"drip({size}, {pause})"
    return strike


async def chunked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, and do not say how long the answer's body is."""
    return await _send(request, await handler(request), says=None)


def wrong_length(difference: int) -> Fault:
    """Make a fault that does the real thing, and is mistaken about the length of its answer.

    Args:
        difference: Bytes by which `Content-Length` is off. An answer that is too short for it
            ends in a closed connection; one that is too long is cut to fit.
    """

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = await _send(request, await handler(request), says=difference)
        if difference < 0:
            return sent
        request.protocol.force_close()
        return await _never()

    strike.__name__ = f"wrong_length({difference})"
    return strike


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


def both(outer: Fault, inner: Fault) -> Fault:
    """Make a fault of two: the real thing of the outer one is what the inner one answers.

    So `both(cut_at(1000), with_headers({"ETag": DROPPED}))` cuts an answer without an ETag. Only
    the outer one may be of the kind that sends by itself: one that cuts, stalls, drips or errs
    about the length.
    """

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await outer(request, lambda request: inner(request, handler))

    strike.__name__ = f"both({title_of(outer)}, {title_of(inner)})"
    return strike


# --- What they share -------------------------------------------------------------------------


def title_of(fault: Fault) -> str:
    """Return what a fault is called in records."""
    return getattr(fault, "__name__", type(fault).__name__)


def body_of(response: web.StreamResponse) -> bytes:
    """Return the body of an answer of the real thing."""
    return b"".join(part_of(response).pieces())


def _reset(request: web.Request) -> None:
    # A socket that does not linger sends RST as it closes, where others send FIN.
    connection = request.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.protocol.force_close()


async def _never() -> web.StreamResponse:
    """Wait for the server to cancel us, as it does once the connection is gone."""
    nothing: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await nothing


async def _send(
    request: web.Request,
    real: web.StreamResponse,
    limit: int | None = None,
    *,
    says: int | None = 0,
    size: int = PIECE,
    pause: float = 0.0,
) -> web.StreamResponse:
    """Send an answer ourselves, as far as its end, which the server adds to what we return.

    Args:
        request: What is answered.
        real: The answer.
        limit: How much of its body to send; None is all.
        says: By how much `Content-Length` is off; with None there is none.
        size: Bytes to send at once.
        pause: Seconds between them.
    """
    part = part_of(real)
    sent = web.StreamResponse(status=real.status, headers=real.headers)
    sent.content_length = None if says is None else max(0, part.length + says)
    with contextlib.suppress(ConnectionError):  # the client may leave at any time
        await sent.prepare(request)
        for piece in part.pieces(limit, size):
            await sent.write(piece)
            await asyncio.sleep(pause)
    return sent
