"""Faults of the connection, before and after the sale: resets, cuts, stalls and delays.

A fault is a coroutine function of a request and the handler of the real server. It decides
whether and when the handler runs: what happens before `await handler(request)` sells nothing,
what happens after it comes after the sale.

    async def refuse_cats(request: web.Request, handler: Handler) -> web.StreamResponse:
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

from vidgo_async.sandbox.media.file_content import PIECE_SIZE, body_range

Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""Responds to a request in place of the handler that it is given."""


# --- The request is not handled --------------------------------------------------------------


async def reset_before(request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Reset the connection without handling the request."""
    _reset(request)
    return await _wait_forever()


async def hang(_request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Never respond, and do not handle the request."""
    return await _wait_forever()


def endless(chunk: bytes = b" " * 65536, pause: float = 0.0) -> Fault:
    """Make a fault that sends 200 and a body without an end, and does not handle the request.

    Args:
        chunk: What is sent again and again.
        pause: Seconds between two chunks.
    """

    async def apply(request: web.Request, _handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        with contextlib.suppress(ConnectionError):  # the client may disconnect at any time
            await response.prepare(request)
            while True:
                await response.write(chunk)
                await asyncio.sleep(pause)
        return await _wait_forever()

    apply.__name__ = "endless"
    return apply


# --- The request is handled ------------------------------------------------------------------


async def reset_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request, then reset the connection instead of responding."""
    await handler(request)
    _reset(request)
    return await _wait_forever()


async def hang_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request, then never respond."""
    await handler(request)
    return await _wait_forever()


async def cut_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request, and close the connection in the middle of the response's headers."""
    real = await handler(request)
    if request.transport is not None:  # None if the client has disconnected meanwhile
        request.transport.write(f"HTTP/1.1 {real.status} {real.reason}\r\nContent-Ty".encode())
    request.protocol.force_close()
    return await _wait_forever()


async def cut_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request, and close the connection after half of the response's body."""
    real = await handler(request)
    await _send(request, real, body_range(real).length // 2)
    request.protocol.force_close()
    return await _wait_forever()


def cut_at(size: int) -> Fault:
    """Make a fault that closes the connection after so many bytes of the body.

    Args:
        size: Bytes of the body that are sent.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        await _send(request, await handler(request), size)
        request.protocol.force_close()
        return await _wait_forever()

    apply.__name__ = f"cut_at({size})"
    return apply


def stall_at(size: int) -> Fault:
    """Make a fault that sends so many bytes of the body, and then nothing more.

    Args:
        size: Bytes of the body that are sent.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        await _send(request, await handler(request), size)
        return await _wait_forever()

    apply.__name__ = f"stall_at({size})"
    return apply


def drip(size: int = 1024, pause: float = 1.0) -> Fault:
    """Make a fault that sends the body slowly.

    Args:
        size: Bytes that are sent at once.
        pause: Seconds after each.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await _send(request, await handler(request), piece_size=size, pause=pause)

    apply.__name__ = f"drip({size}, {pause})"
    return apply


async def chunked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request, and send the body without a `Content-Length`."""
    return await _send(request, await handler(request), length_error=None)


def wrong_length(difference: int) -> Fault:
    """Make a fault that sends a wrong `Content-Length`.

    Args:
        difference: Bytes to add to the right length. If it is then too large the connection
            closes before it is reached; if it is too small the body is cut to it.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = await _send(request, await handler(request), length_error=difference)
        if difference < 0:
            return sent
        request.protocol.force_close()
        return await _wait_forever()

    apply.__name__ = f"wrong_length({difference})"
    return apply


def slow(seconds: float) -> Fault:
    """Make a fault that handles the request late; `after(slow(...))` only responds late.

    Args:
        seconds: How late.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    apply.__name__ = f"slow({seconds})"
    return apply


def after(fault: Fault) -> Fault:
    """Make a fault that handles the request first, and only then applies another fault.

    So `after(answer(502))` is a gateway that loses the response to a sale.

    Args:
        fault: Any fault.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)

        async def already_handled(_: web.Request) -> web.StreamResponse:
            return real

        return await fault(request, already_handled)

    apply.__name__ = f"after({fault_name(fault)})"
    return apply


def both(outer: Fault, inner: Fault) -> Fault:
    """Make a fault that applies one fault to the response of another.

    So `both(cut_at(1000), with_headers({"ETag": DROPPED}))` cuts a response without an ETag.

    Args:
        outer: Applied to what the inner one responds. Faults that send the body themselves (those
            that cut, stall or drip it, or change its length) can only stand here.
        inner: Applied to the real response.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await outer(request, lambda request: inner(request, handler))

    apply.__name__ = f"both({fault_name(outer)}, {fault_name(inner)})"
    return apply


# --- Shared ----------------------------------------------------------------------------------


def fault_name(fault: Fault) -> str:
    """Return the name of a fault, as records show it."""
    return getattr(fault, "__name__", type(fault).__name__)


def _reset(request: web.Request) -> None:
    # A socket that does not linger sends RST when it is closed; others send FIN.
    connection = request.get_extra_info("socket")
    if connection is not None:  # the client may have closed it first
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.protocol.force_close()


async def _wait_forever() -> web.StreamResponse:
    """Wait until the server cancels the handler, as it does once the connection is closed."""
    forever: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await forever


async def _send(
    request: web.Request,
    real: web.StreamResponse,
    limit: int | None = None,
    *,
    length_error: int | None = 0,
    piece_size: int = PIECE_SIZE,
    pause: float = 0.0,
) -> web.StreamResponse:
    """Send a response; its end is left to aiohttp, which writes it once a handler returns it.

    Args:
        request: The request.
        real: The response.
        limit: Bytes of the body to send; None sends all.
        length_error: What to add to `Content-Length`; with None there is none.
        piece_size: Bytes to send at once.
        pause: Seconds after each.
    """
    body = body_range(real)
    sent = web.StreamResponse(status=real.status, headers=real.headers)
    sent.content_length = None if length_error is None else max(0, body.length + length_error)
    with contextlib.suppress(ConnectionError):  # the client may disconnect at any time
        await sent.prepare(request)
        for piece in body.pieces(limit, piece_size):
            await sent.write(piece)
            await asyncio.sleep(pause)
    return sent
