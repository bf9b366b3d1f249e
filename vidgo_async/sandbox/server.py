"""The sandbox: starting and stopping the server, injecting faults, and reading its account."""

import asyncio
import contextlib
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from vidgo_async.sandbox.faults.connections import Fault
from vidgo_async.sandbox.faults.injection import InjectedFault, InjectedFaults, Times
from vidgo_async.sandbox.http.calls import Call, record_status, start_record
from vidgo_async.sandbox.http.endpoints import Endpoints, error_bodies, remove_server_header
from vidgo_async.sandbox.http.request_bodies import MAX_UPLOAD
from vidgo_async.sandbox.http.storage import Storage
from vidgo_async.sandbox.state.account import Account
from vidgo_async.sandbox.state.callbacks import CallbackAttempt, Callbacks
from vidgo_async.sandbox.state.callbacks import Shape as CallbackShape
from vidgo_async.sandbox.state.tasks import SoldTask
from vidgo_async.sandbox.state.uploads import Upload, Uploads
from vidgo_async.sandbox.webhooks import Webhooks

QUICK = (0.3, 1.5)
"""The default generation times, in seconds."""
REALISTIC = (90.0, 300.0)
"""The generation times of real videos, in seconds, for `Sandbox(seconds=REALISTIC)`."""

KEEPALIVE = 5.03
"""Seconds after which an idle connection is closed by default; servers of this kind close theirs at 5.
In virtual time, where waits are exact, no wait of whole seconds ends in the moment of the close."""
HOST = "127.0.0.1"


class Sandbox:
    """A complete Vidgo server on a port of this machine, which records what it sells.

    Behind a proxy, links to files have the scheme and host that the client called, by the
    proxy's `X-Forwarded-Proto` and `X-Forwarded-Host`, or by `Host`.

    Example:
        async with Sandbox(seconds=(0.01, 0.02)) as sandbox:
            sandbox.inject(reset_after, call="submit")
            async with VidgoSession(base_url=sandbox.url, api_key=sandbox.api_key) as vidgo:
                ...
            assert sandbox.sold == 1

    Attributes:
        api_key: The key it accepts.
        received: How many requests came in, by the name of the call (`submit`, `status`,
            `balance`, `upload`, `file`, and `unknown` for any other path), those with faults
            too.
        calls: Each request in order of arrival, and what became of it; `calls.clear()` empties
            the list.
    """

    def __init__(
        self,
        *,
        api_key: str = "sandbox-key",
        seed: int = 0,
        seconds: tuple[float, float] = QUICK,
        failure_rate: float = 0.0,
        credits: float = 1000.0,  # noqa: A002 - the API's own word
        price: float = 1.5,
        port: int = 0,
        keepalive: float = KEEPALIVE,
        uploads_per_minute: int | None = 5,
        link_lifetime: float | None = None,
        link_delay: float = 0.0,
        file_size: int | None = None,
        callbacks: Callbacks = Callbacks(),  # noqa: B008 - frozen
    ) -> None:
        """Prepare a server; `async with` starts it.

        Args:
            api_key: The key it accepts, printable ASCII without spaces.
            seed: Decides the generation times, the failures, and which requests a fault with a
                rate applies to.
            seconds: The shortest and the longest generation time, in seconds of the loop's clock.
            failure_rate: The share of the tasks that fail, 0 to 1.
            credits: Credits at the start.
            price: Credits for one task.
            port: The port to listen on; 0 takes a free one.
            keepalive: Seconds after which an idle connection is closed.
            uploads_per_minute: How many uploads are allowed in any minute; None allows any
                number.
            link_lifetime: Seconds for which the link to a video works; each poll gives a new
                link. With None links work as long as the video exists, 24 hours from the end of
                its task.
            link_delay: Seconds from the end of a task in which the link to its video is not found
                yet, as at hosts that copy files to a CDN.
            file_size: Bytes of each file, which is then not a video but noise, generated while
                it is sent; None gives real videos of some kilobytes. Its checksum is computed
                before the first download, in about a second per gigabyte.
            callbacks: How the ends of tasks are reported to the `callback_url` they were bought
                with; see `callbacks` for how to change it later.

        Raises:
            ValueError: An argument is out of its range.
        """
        if not re.fullmatch("[!-~]+", api_key):
            msg = "api_key must be printable ASCII without spaces"
            raise ValueError(msg)
        if port not in range(65536):
            msg = f"port must be between 0 and 65535, not {port}"
            raise ValueError(msg)
        if not 0 < keepalive < math.inf:
            msg = f"keepalive must be above 0 and finite, not {keepalive}"
            raise ValueError(msg)
        self.api_key = api_key
        self.received: Counter[str] = Counter()
        self.calls: list[Call] = []
        self._port = port
        self._now: Callable[[], float] = float  # 0.0 before the start
        self._account = Account(
            seed=seed, seconds=seconds, failure_rate=failure_rate, credits=credits, price=price
        )
        self._uploads = Uploads(uploads_per_minute=uploads_per_minute)
        storage = Storage(link_lifetime=link_lifetime, link_delay=link_delay, file_size=file_size)
        self._webhooks = Webhooks(seed, self._task_object)
        self.callbacks = callbacks
        self._endpoints = Endpoints(
            api_key, self._account, self._uploads, storage, self._webhooks.sold
        )
        self._faults = InjectedFaults()
        self._busy_connections = set[web.RequestHandler]()
        self._app = web.Application(
            middlewares=[self._record, self._faults.apply, error_bodies],
            client_max_size=MAX_UPLOAD,
        )
        self._app.add_routes(self._endpoints.routes())
        self._app.on_response_prepare.append(remove_server_header)
        self._app.on_response_prepare.append(record_status)
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=keepalive,
            shutdown_timeout=0.1,
        )

    async def __aenter__(self) -> Self:
        self._now = asyncio.get_running_loop().time
        await self._runner.setup()
        await self._listen()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._webhooks.close()
            await self._stop_listening()
            for connection in self._connections():
                connection.force_close()
            await _run_callbacks()
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        if not self._port:
            msg = "the sandbox has no URL before `async with` starts it"
            raise RuntimeError(msg)
        return f"http://{HOST}:{self._port}"

    @property
    def tasks(self) -> Mapping[str, SoldTask]:
        """All sold tasks by id, in order of sale."""
        return self._account.tasks

    @property
    def sold(self) -> int:
        """How many tasks were sold."""
        return len(self._account.tasks)

    @property
    def uploads(self) -> Mapping[str, Upload]:
        """All uploaded files by `file_id`, in order of arrival."""
        return self._uploads.all

    @property
    def credits(self) -> float:
        """The credits left."""
        return self._account.credits_left(self._now())

    @property
    def callbacks(self) -> Callbacks:
        """How the ends of tasks are reported from now on; may be set at any time."""
        return self._webhooks.settings

    @callbacks.setter
    def callbacks(self, callbacks: Callbacks) -> None:
        self._webhooks.settings = callbacks

    @property
    def callback_attempts(self) -> Sequence[CallbackAttempt]:
        """All attempts to deliver a callback, in order of their ends."""
        return self._webhooks.attempts

    async def send_callback(
        self,
        task_id: str,
        *,
        url: str | None = None,
        shape: CallbackShape = "flat",
        **fields: object,
    ) -> int | None:
        """Send a callback now: once more, too early, or a forged one.

        Args:
            task_id: A task that was sold, or any other id.
            url: Where to; the task's own `callback_url` by default.
            shape: The body.
            fields: Fields of the task that are to be others than a poll would show, such as
                `status="finished"`.

        Returns:
            The HTTP status of the answer; None if there was none after all attempts.

        Raises:
            ValueError: No such task was sold with a `callback_url`, and no other is given.
        """
        task = self._account.tasks.get(task_id)
        real = {"task_id": task_id} if task is None else self._task_object(task)
        address = url or (task and task.callback_url)
        if not address:
            msg = f"task {task_id} was not sold with a callback_url: give the url"
            raise ValueError(msg)
        return await self._webhooks.send(address, task_id, {**real, **fields}, shape)

    def inject(
        self,
        fault: Fault,
        call: str | None = "submit",
        *,
        times: Times = ...,
        skip: int = 0,
        task_id: str | None = None,
        rate: float | None = None,
    ) -> None:
        """Apply a fault to some of the requests to come.

        At most one fault applies to a request: the first injected one that matches. The others
        do not count that request. May be called from any thread.

        Args:
            fault: A fault of `vidgo_async.sandbox`, or your own.
            call: The name of the call; None is any.
            times: To how many requests it applies; None is no limit. By default one, or no limit
                with a rate.
            skip: How many matching requests to handle first.
            task_id: Only polls and downloads of this task, or downloads of the upload with this
                `file_id`; None is any.
            rate: To which share of these requests it applies, 0 to 1; the sandbox's seed decides
                to which.

        Raises:
            ValueError: There is no such call, or a number is out of its range.
        """
        calls = self._app.router.named_resources()
        if call is not None and call not in calls:
            msg = f"call must be None or one of {', '.join(calls)}, not {call!r}"
            raise ValueError(msg)
        if task_id is not None and call in {"submit", "balance", "upload"}:
            msg = f"task_id is for status and file: the path of {call} names no task"
            raise ValueError(msg)
        seed = f"{self._account.seed}/{len(self._faults.all)}"  # another one for each fault
        injected = InjectedFault(
            fault=fault, call=call, times=times, skip=skip, task_id=task_id, rate=rate, seed=seed
        )
        self._faults.all.append(injected)

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None]:
        """Refuse connections in the body of `async with`, as a stopped server does.

        The port is closed meanwhile, which no fault can do: a fault applies only once a
        connection was made. Idle connections are closed; those with a request are closed after
        its response.
        """
        await self._stop_listening()
        for connection in self._connections():
            if connection in self._busy_connections:
                connection.close()
            else:
                connection.force_close()
        await _run_callbacks()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._listen()

    def _task_object(self, task: SoldTask) -> dict[str, Any]:
        return self._endpoints.task_object(task, URL(self.url))

    async def _listen(self) -> None:
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        self._port = site.port

    async def _stop_listening(self) -> None:
        # A connection that is being accepted while its server closes makes asyncio log an
        # AssertionError and leak the socket (Server._attach). No connection is in that state when
        # a timer fires.
        await asyncio.sleep(1e-6)
        for site in self._runner.sites:
            await site.stop()
        await _run_callbacks()

    def _connections(self) -> list[web.RequestHandler]:
        return self._runner.server.connections if self._runner.server else []

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the request, and its connection as busy."""
        call = start_record(request)
        self.calls.append(call)
        self.received[call.name] += 1
        self._busy_connections.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy_connections.discard(request.protocol)


async def _run_callbacks() -> None:
    """Let connections open or close, and clients in this loop notice."""
    for _ in range(4):
        await asyncio.sleep(0)
