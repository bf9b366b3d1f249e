"""How a callback is answered over HTTP, whatever the framework."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from vidgo_async._core.errors import WebhookError

MAX_BODY = 1024 * 1024
"""Bytes; more than that is no callback."""


def body_too_large() -> WebhookError:
    """Return the error about a body that need not be read on."""
    return WebhookError("the body has more than 1 MiB", 413)


class Receiver(Protocol):
    """What routes know of a `WebhookReceiver`; each method may raise a `WebhookError`."""

    def check_token(self, token: str | None) -> None:
        """Refuse a wrong token."""
        ...

    async def handle(self, body: bytes, token: str | None) -> object:
        """Take a callback."""
        ...


class Answer(NamedTuple):
    """A response of plain text."""

    status: int
    text: str


async def answer_to(
    receiver: Receiver,
    method: str,
    token: str | None,
    read: Callable[[], Awaitable[bytes]],
) -> Answer:
    """Return the answer to a request; the body is read only if the token is right.

    Args:
        receiver: Whose request it is.
        method: The HTTP method.
        token: What the query holds of it.
        read: Reads the body, or raises a `WebhookError`.
    """
    if method != "POST":
        return Answer(405, "callbacks are POSTed here\n")
    try:
        receiver.check_token(token)
        await receiver.handle(await read(), token)
    except WebhookError as error:
        return Answer(error.status, f"{error}\n")
    return Answer(200, "ok\n")
