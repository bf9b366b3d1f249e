"""The routes: for aiohttp.web, and for ASGI, with and without a server."""

import contextlib
import gzip
import io
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
import anyio
import pytest
import uvicorn
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.support.servers import serving
from tests.support.webhooks import TOKEN, flat
from vidgo_async import WebhookReceiver

Serve = Callable[[WebhookReceiver], contextlib.AbstractAsyncContextManager[str]]


@contextlib.asynccontextmanager
async def in_aiohttp(receiver: WebhookReceiver) -> AsyncGenerator[str]:
    """Serve it as the whole application."""
    async with serving(web.AppRunner(receiver.app, access_log=None, lingering_time=0.0)) as host:
        yield f"http://{host}/"


@contextlib.asynccontextmanager
async def in_an_aiohttp_app(receiver: WebhookReceiver) -> AsyncGenerator[str]:
    """Serve it as a part of an application that takes smaller bodies."""
    app = web.Application(client_max_size=1000)
    app.add_subapp("/vidgo", receiver.app)
    async with serving(web.AppRunner(app, access_log=None, lingering_time=0.0)) as host:
        yield f"http://{host}/vidgo/"


@contextlib.asynccontextmanager
async def in_uvicorn(receiver: WebhookReceiver) -> AsyncGenerator[str]:
    """Serve it by ASGI, as the whole application."""
    config = uvicorn.Config(receiver.asgi, port=0, log_config=None)
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server._serve)  # `serve` would also take the signals
        while not server.started:  # noqa: ASYNC110 - it sets no event
            await anyio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.should_exit = True


@web.middleware
async def read_first(request: web.Request, handler: Any) -> Any:
    """Read each body, as logging does."""
    await request.read()
    return await handler(request)


async def test_a_middleware_may_read_the_body() -> None:
    """A body that was read before is still there."""
    unknown: list[str] = []
    receiver = WebhookReceiver(TOKEN, unknown.append)
    app = web.Application(middlewares=[read_first])
    app.add_subapp("/vidgo", receiver.app)
    async with serving(web.AppRunner(app, access_log=None)) as host:
        url = receiver.callback_url(f"http://{host}/vidgo/")
        assert (await ask(url, body=flat("a")))[0] == 200
    assert unknown == ["a"]


@pytest.mark.parametrize(
    "body", [b"garbage", gzip.compress(flat("a"))[:-9]], ids=["garbage", "cut"]
)
async def test_a_body_that_cannot_be_decompressed(body: bytes) -> None:
    """It is refused, and not the server's fault."""
    receiver = WebhookReceiver(TOKEN)
    async with in_aiohttp(receiver) as base, aiohttp.ClientSession() as client:
        url = receiver.callback_url(base)
        headers = {"Content-Encoding": "gzip"}
        async with client.post(url, data=body, headers=headers) as response:
            assert response.status == 400


SERVERS: list[Serve] = [in_aiohttp, in_an_aiohttp_app, in_uvicorn]


async def ask(url: str, method: str = "POST", body: Any = b"") -> tuple[int, str]:
    """Send a request; return the status and the text of the answer."""
    data = io.BytesIO(body) if isinstance(body, bytes) else body
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, URL(url, encoded=True), data=data) as response,
    ):
        return response.status, await response.text()


async def many_chunks() -> AsyncGenerator[bytes]:
    """Give a body of 2 MiB whose length is not told."""
    for _ in range(32):
        yield b" " * 65_536


@pytest.mark.parametrize("serve", SERVERS)
async def test_answers(serve: Serve) -> None:
    """200, 400, 401, 405 and 413 are what they should be, at any path."""
    unknown: list[str] = []
    receiver = WebhookReceiver(TOKEN, unknown.append)
    async with serve(receiver) as base:
        url = receiver.callback_url(base)
        assert await ask(url, body=flat("a")) == (200, "ok\n")
        assert (await ask(receiver.callback_url(base + "any/path%20x"), body=flat("b")))[0] == 200
        assert (await ask(url, body=b"<html>"))[0] == 400
        assert (await ask(url, body=b""))[0] == 400
        assert (await ask(url, body=b" " * (1024 * 1024 + 1)))[0] == 413
        assert (await ask(url, body=many_chunks()))[0] == 413
        assert (await ask(url, body=flat("c").ljust(1024 * 1024)))[0] == 200
        for method in ("GET", "PUT", "DELETE"):
            assert (await ask(url, method))[0] == 405
        for wrong in (base, f"{base}?vidgo_token=wrong", f"{base}?{TOKEN}"):
            assert (await ask(wrong, body=flat("d")))[0] == 401
            assert (await ask(wrong, body=b"x" * 2_000_000))[0] == 401

    assert unknown == ["a", "b", "c"]


@pytest.mark.parametrize("serve", SERVERS)
async def test_answers_do_not_show_the_token(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither answers nor the server's logs hold it."""
    caplog.set_level("DEBUG")
    receiver = WebhookReceiver(TOKEN)
    async with serve(receiver) as base:
        url = receiver.callback_url(base)
        texts = [
            (await ask(url, body=flat("a")))[1],
            (await ask(url, body=b""))[1],
            (await ask(url, "GET"))[1],
            (await ask(url + "x", body=flat("a")))[1],
        ]

    assert TOKEN not in "".join(texts)
    logs = [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert not [line for line in logs if f"token={TOKEN} " in line or f'token={TOKEN}"' in line]


@given(path=st.text(alphabet=st.characters(codec="ascii")), query=st.binary())
async def test_fuzz_of_paths_and_queries(path: str, query: bytes) -> None:
    """Any path and query is answered, with 401 unless the token is in it."""
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": flat("a")}

    scope = {"type": "http", "method": "POST", "path": path, "query_string": query}
    await WebhookReceiver(TOKEN).asgi(scope, receive, send)
    assert answers[0]["status"] == 401


async def drive(receiver: WebhookReceiver, *messages: dict[str, Any], **scope: Any) -> list[Any]:
    """Run the ASGI application on messages; return what it sends."""
    sent: list[Any] = []
    waiting = iter(messages)

    async def receive() -> Any:
        return next(waiting)

    async def send(message: Any) -> None:
        sent.append(message)

    query = receiver.callback_url("http://a/").partition("?")[2].encode()
    await receiver.asgi({"method": "POST", "query_string": query, **scope}, receive, send)
    return sent


async def test_a_body_in_parts() -> None:
    """A body that comes in parts is put together."""
    unknown: list[str] = []
    receiver = WebhookReceiver(TOKEN, unknown.append)
    body = flat("a")
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": body[:5], "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": body[5:]},
    ]
    start, _ = await drive(receiver, *parts, type="http")
    assert (start["status"], unknown) == (200, ["a"])


async def test_a_sender_who_leaves() -> None:
    """Half a body is no callback."""
    unknown: list[str] = []
    receiver = WebhookReceiver(TOKEN, unknown.append)
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": flat("a"), "more_body": True},
        {"type": "http.disconnect"},
    ]
    start, _ = await drive(receiver, *parts, type="http")
    assert (start["status"], unknown) == (400, [])


async def test_the_server_starts_and_stops() -> None:
    """As a whole application it takes part in the lifespan."""
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert await drive(WebhookReceiver(TOKEN), *events, type="lifespan") == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]


async def test_websockets_are_closed() -> None:
    """There is nothing to talk about."""
    sent = await drive(WebhookReceiver(TOKEN), {"type": "websocket.connect"}, type="websocket")
    assert sent == [{"type": "websocket.close"}]


def test_the_same_application_each_time() -> None:
    """A receiver has one application of each kind."""
    receiver = WebhookReceiver(TOKEN)
    assert receiver.app is receiver.app
    assert receiver.asgi is receiver.asgi
