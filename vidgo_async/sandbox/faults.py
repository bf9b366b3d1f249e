"""Misfortune on demand: what can go wrong between a client and its server.

A fault is a coroutine function that gets a request and the handler of the real thing. It
decides whether, and when, the real thing happens: one that strikes before `await
handler(request)` has sold nothing, one that strikes after it has.

    async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await handler(request)
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""Answers a request in place of the handler it is given."""


# --- The faults ------------------------------------------------------------------------------


async def reset_before(request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Reset the connection before anything happened."""
    _reset(request)
    return await _never()


async def reset_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, then reset the connection in place of an answer."""
    await handler(request)
    _reset(request)
    return await _never()


async def hang(_request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Do nothing and never answer, until the client leaves or the sandbox closes."""
    return await _never()


async def hang_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, then never answer."""
    await handler(request)
    return await _never()


async def cut_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, and close the connection after half of the answer's body."""
    real = await handler(request)
    body = getattr(real, "body", None) or b""
    half = web.StreamResponse(status=real.status, headers=real.headers)
    half.content_length = len(body)
    with contextlib.suppress(ConnectionError):  # the client may have left meanwhile
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    request.protocol.force_close()
    return await _never()


def answer(
    status: int,
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str | None = None,
) -> Fault:
    """Make a fault that gives this answer, and does not do the real thing.

    Args:
        status: The HTTP status.
        body: Sent as it is; objects and lists as JSON.
        headers: More headers, such as `Retry-After`.
        content_type: JSON for objects and lists, else HTML as gateways send it.
    """
    is_json = isinstance(body, dict | list)
    text = json.dumps(body) if is_json else body
    data = text.encode() if isinstance(text, str) else text
    kind = content_type or ("application/json" if is_json else "text/html")

    async def strike(_request: web.Request, _handler: Handler) -> web.StreamResponse:
        response = web.Response(status=status, body=data, headers={"Content-Type": kind})
        response.headers.update(headers or {})
        return response

    return strike


def _reset(request: web.Request) -> None:
    # A socket that does not linger sends RST as it closes, where others send FIN.
    connection = request.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.protocol.force_close()


async def _never() -> web.StreamResponse:
    """Wait for the server to cancel us, as it does once the connection is gone."""
    nothing: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await nothing


# --- Whom they strike ------------------------------------------------------------------------


def call_of(request: web.Request) -> str:
    """Return the name of the call: its route's."""
    return request.match_info.route.name or "unknown"


@attrs.define(eq=False)
class Rule:
    """One fault and the requests that it strikes."""

    fault: Fault
    call: str | None
    times: int | None = attrs.field(validator=attrs.validators.optional(attrs.validators.ge(1)))
    skip: int = attrs.field(validator=attrs.validators.ge(0))
    task_id: str | None
    _seen: int = attrs.field(init=False, default=0)

    def strikes(self, request: web.Request) -> bool:
        """Tell whether it is this request's turn, and count it."""
        if not self._is_about(request):
            return False
        turn = self._seen - self.skip
        self._seen += 1
        return turn >= 0 and (self.times is None or turn < self.times)

    def _is_about(self, request: web.Request) -> bool:
        task_id = request.match_info.get("task_id")
        return self.call in {None, call_of(request)} and self.task_id in {None, task_id}


@attrs.define(eq=False)
class Faults:
    """The rules, in order of installation."""

    rules: list[Rule] = attrs.field(factory=list[Rule])

    @web.middleware
    async def strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the first rule whose turn it is answer, or else the real thing."""
        for rule in self.rules:
            if rule.strikes(request):
                return await rule.fault(request, handler)
        return await handler(request)
