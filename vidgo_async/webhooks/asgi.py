"""A receiver as an ASGI application, for Starlette, FastAPI, Django and plain servers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from vidgo_async._core.errors import WebhookError
from vidgo_async.webhooks.answers import MAX_BODY, Answer, Receiver, answer_to, body_too_large
from vidgo_async.webhooks.tokens import token_in

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiApp:
    """Takes callbacks at any path."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection of the server's (ASGI 3)."""
        match scope["type"]:
            case "http":
                await _send(send, await self._answer(scope, receive))
            case "lifespan":
                await _live(receive, send)
            case _:
                await send({"type": "websocket.close"})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        token = token_in(scope.get("query_string", b"").decode("latin-1"))
        scope["query_string"] = b""  # servers write it to their access log when this is answered

        async def read() -> bytes:
            return await _read(receive)

        return await answer_to(self._receiver, scope["method"], token, read)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            msg = "the connection was lost before the body had come"
            raise WebhookError(msg)
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise body_too_large()
        if not message.get("more_body", False):
            return bytes(body)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.text.encode()})


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the server's start and stop, where this is the whole application."""
    while True:
        match (await receive())["type"]:
            case "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            case _:
                await send({"type": "lifespan.shutdown.complete"})
                return
