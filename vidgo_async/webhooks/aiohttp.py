"""A receiver as an aiohttp.web application."""

import contextlib
from collections.abc import AsyncGenerator

from aiohttp import web

from vidgo_async._core.errors import WebhookError
from vidgo_async.webhooks.answers import MAX_BODY, Receiver, answer_to, body_too_large
from vidgo_async.webhooks.tokens import token_in


def make_app(receiver: Receiver) -> web.Application:
    """Make an application that takes callbacks at any path."""

    async def take(request: web.Request) -> web.Response:
        async def read() -> bytes:
            return await _read(request)

        token = token_in(request.rel_url.raw_query_string)
        answer = await answer_to(receiver, request.method, token, read)
        return web.Response(status=answer.status, text=answer.text)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    return app


@contextlib.asynccontextmanager
async def serving(receiver: Receiver, port: int) -> AsyncGenerator[None]:
    """Take callbacks on a port of this machine, such as that of a tunnel.

    Raises:
        OSError: The port is taken.
    """
    # The access log would show the token.
    runner = web.AppRunner(make_app(receiver), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


async def _read(request: web.Request) -> bytes:
    """Read the body; the limit of the application that this is a part of may be another."""
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                raise body_too_large()
    except web.RequestPayloadError as error:
        msg = f"the body cannot be read: {error}"
        raise WebhookError(msg) from None
    # A middleware may have read it before.
    return bytes(body) or await request.read()
