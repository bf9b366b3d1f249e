"""`WebhookReceiver`: takes callbacks, in any web framework, and tells sessions what to poll."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vidgo_async._core.concurrency import TaskSet
from vidgo_async._core.errors import WebhookError
from vidgo_async._core.models import Task, TaskStatus
from vidgo_async.webhooks.payload import parse_webhook
from vidgo_async.webhooks.sessions import Sessions
from vidgo_async.webhooks.tokens import (
    TOKEN_NAME,
    find_token,
    same_token,
    token_in,
    with_token,
)

if TYPE_CHECKING:
    from aiohttp import web  # noqa: TID251 - an annotation

    from vidgo_async.webhooks.asgi import AsgiApp

logger: logging.Logger = logging.getLogger("vidgo_async")

OnUnknown = Callable[[str], Awaitable[object] | None]
"""Called with the id of a task that no session of the receiver knows; plain or async."""

MAX_HANDOVERS = 1000
"""Calls of an async `on_unknown` that run at once; ids beyond that are dropped."""
_NOT_ENDED = frozenset({TaskStatus.NOT_STARTED.value, TaskStatus.RUNNING.value})


class WebhookReceiver:
    """Takes the callbacks of the API, and lets sessions poll the tasks that they report.

    A callback is not signed, so it is believed in nothing: the session polls the task that it
    names, if it bought or watches it, and takes status and files from there.

    Example:
        receiver = WebhookReceiver()
        app = fastapi.FastAPI()
        app.mount("/vidgo", receiver.asgi)

        async with VidgoSession(webhooks=receiver, callback_url="https://my.host/vidgo") as vidgo:
            task = await vidgo.generate(GrokImagine(prompt="a fox in snow"))

    Attributes:
        on_unknown: Called with each id that no open session bought or watches, such as those of
            other processes behind the same address; a plain function or an async one. What it
            raises is logged.
    """

    def __init__(self, token: str | None = None, on_unknown: OnUnknown | None = None) -> None:
        """Make a receiver; it takes callbacks at once.

        Args:
            token: What a callback's address must hold, at least 16 characters;
                `VIDGO_WEBHOOK_TOKEN` of the environment by default. Without either it is a random
                one that ends with this process: callbacks for tasks of an earlier process are then
                refused, and several processes behind one address refuse each other's.
            on_unknown: Called with ids that no session knows.

        Raises:
            ValueError: The token is too short, or no URL can carry it.
            TypeError: An argument is of the wrong type.
        """
        self._token = find_token(token)
        given: Any = on_unknown
        if given is not None and not callable(given):
            msg = f"on_unknown must be a function, not {given!r}"
            raise TypeError(msg)
        self.on_unknown: OnUnknown | None = on_unknown
        self.sessions: Sessions = Sessions(self._hand_over)
        """For `VidgoSession`, which joins while it is open."""
        self._handovers = TaskSet()
        self._logged = set[str]()

    def __repr__(self) -> str:
        return f"<WebhookReceiver at {id(self):#x}>"

    def callback_url(self, url: str) -> str:
        """Return the address of this receiver with its token.

        `VidgoSession(webhooks=…, callback_url=url)` does so itself.

        Args:
            url: Where the server reaches the receiver, public http(s).

        Raises:
            ValueError: It is no such address, or longer than 2,048 characters with the token.
            TypeError: It is not a string.
        """
        return with_token(url, self._token)

    def leads_here(self, callback_url: str | None) -> bool:
        """Tell whether an address holds this receiver's token."""
        if callback_url is None:
            return False
        return same_token(token_in(urlsplit(callback_url).query), self._token)

    async def handle(self, body: bytes, token: str | None) -> Task:
        """Take a callback: check it, and let the session poll its task that knows it.

        Answer 200 when it returns, and `error.status` when it raises; never 5xx, which the server
        repeats for minutes.

        Args:
            body: The body of the POST.
            token: The parameter `vidgo_token` of the query.

        Returns:
            What the body says of the task, which is not verified.

        Raises:
            WebhookError: The token is wrong (401), or the body has more than 1 MiB (413), or is no
                callback (400).
        """
        self.check_token(token)
        task = parse_webhook(body)
        if task.status not in _NOT_ENDED:
            self.sessions.report(task.task_id, is_hint=False)
        return task

    def hint(self, task_id: str) -> None:
        """Let a session poll a task of which another process was told.

        Call it in an event loop. Where no session knows the task, nothing happens.
        """
        self.sessions.report(task_id, is_hint=True)

    def check_token(self, token: str | None) -> None:
        """Refuse a wrong token, before the body is read.

        Raises:
            WebhookError: It is wrong (401).
        """
        if not same_token(token, self._token):
            msg = f"the callback's {TOKEN_NAME} is wrong or missing"
            raise WebhookError(msg, 401)

    @functools.cached_property
    def app(self) -> "web.Application":
        """An aiohttp.web application that takes callbacks at any path; also a sub-application."""
        # Imported late: a web server is no part of a client.
        from vidgo_async.webhooks.aiohttp import make_app  # noqa: PLC0415

        return make_app(self)

    @functools.cached_property
    def asgi(self) -> "AsgiApp":
        """An ASGI application that takes callbacks at any path (Starlette, FastAPI, Django)."""
        from vidgo_async.webhooks.asgi import AsgiApp  # noqa: PLC0415

        return AsgiApp(self)

    def _hand_over(self, task_id: str) -> None:
        """Hand an unknown id to the app; whatever it does, the callback is answered."""
        if self.on_unknown is None:
            return
        if len(self._handovers) >= MAX_HANDOVERS:
            self._log_once("on_unknown does not keep up: some ids are dropped")
            return
        try:
            result = self.on_unknown(task_id)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - it is the app's code
            self._log_once("on_unknown failed", error)
            return
        if inspect.isawaitable(result):
            _ = self._handovers.start(self._wait_for(result))

    async def _wait_for(self, result: Awaitable[object]) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - as above
            self._log_once("on_unknown failed", error)

    def _log_once(self, message: str, error: BaseException | None = None) -> None:
        if message not in self._logged:
            self._logged.add(message)
            logger.error("%s (not logged again)", message, exc_info=error)
