"""The sandbox as a server: its life, its faults, and what it tells of itself."""

import asyncio
import contextlib
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Self

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault
from vidgo_async.sandbox.faults.injection import Rule, Rules, Times
from vidgo_async.sandbox.http.calls import Call, note_status, open_record
from vidgo_async.sandbox.http.endpoints import Endpoints, hide_server, refusals
from vidgo_async.sandbox.http.request_bodies import MAX_UPLOAD
from vidgo_async.sandbox.http.storage import Storage
from vidgo_async.sandbox.state.account import World
from vidgo_async.sandbox.state.tasks import SoldTask
from vidgo_async.sandbox.state.uploads import Upload, Uploads

QUICK = (0.3, 1.5)
"""Seconds that the sandbox takes unless told otherwise."""
REALISTIC = (90.0, 300.0)
"""Seconds that real videos take, for `Sandbox(seconds=REALISTIC)`."""

HOST = "127.0.0.1"


class Sandbox:
    """A complete Vidgo server on a port of this machine, that counts what it sells.

    Example:
        async with Sandbox(seconds=(0.01, 0.02)) as sandbox:
            sandbox.inject(reset_after, call="submit")
            async with VidgoSession(base_url=sandbox.url, api_key=sandbox.api_key) as vidgo:
                ...
            assert sandbox.sold == 1

    Attributes:
        api_key: The key it accepts.
        received: How many requests came in, by the name of the call (`submit`, `status`,
            `balance`, `upload`, `file`, and `unknown` for any other path), those struck by
            faults too.
        calls: Each of them in order of arrival, and what became of it; `calls.clear()` forgets
            them.
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
        keepalive: float = 5.0,
        uploads_per_minute: int | None = 5,
        link_lifetime: float | None = None,
        file_size: int | None = None,
    ) -> None:
        """Prepare a server; `async with` starts it.

        Args:
            api_key: The key it accepts, printable ASCII without spaces.
            seed: Decides the generation times, the failures, and whom faults at a rate strike.
            seconds: The shortest and the longest generation, in seconds of the loop's clock.
            failure_rate: The part of the tasks that fail, 0 to 1.
            credits: Credits at the start.
            price: Credits for one task.
            port: The port to listen on; 0 takes a free one.
            keepalive: Seconds after which an idle connection is closed; servers of this kind
                take 5, and clients must live with it.
            uploads_per_minute: How many uploads are allowed in any minute; None allows any
                number.
            link_lifetime: Seconds that the link to a video lives; asking for the status again
                gives a new one. With None links live as long as the video, 24 hours from the
                end of its task.
            file_size: Bytes of each file, which is then no video but noise, made up as it is
                sent; None gives real videos of some kilobytes. Before the first answer its
                checksum is taken, at about a second for a gigabyte.

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
        self._now: Callable[[], float] = float  # 0.0, as nothing happens before the start
        self._world = World(
            seed=seed, seconds=seconds, failure_rate=failure_rate, credits=credits, price=price
        )
        self._uploads = Uploads(uploads_per_minute=uploads_per_minute)
        storage = Storage(link_lifetime=link_lifetime, file_size=file_size)
        endpoints = Endpoints(api_key, self._world, self._uploads, storage)
        self._rules = Rules()
        self._busy = set[web.RequestHandler]()
        self._app = web.Application(
            middlewares=[self._receive, self._rules.strike, refusals],
            client_max_size=MAX_UPLOAD,
        )
        self._app.add_routes(endpoints.routes())
        self._app.on_response_prepare.append(hide_server)
        self._app.on_response_prepare.append(note_status)
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
            await self._stop_listening()
            for connection in self._connections():
                connection.force_close()
            await _turns()
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The address to give to a client as its base URL."""
        if not self._port:
            msg = "the sandbox has no address before `async with` starts it"
            raise RuntimeError(msg)
        return f"http://{HOST}:{self._port}"

    @property
    def tasks(self) -> Mapping[str, SoldTask]:
        """All that was ever sold, by id, in order of sale."""
        return self._world.tasks

    @property
    def sold(self) -> int:
        """How many tasks were ever sold."""
        return len(self._world.tasks)

    @property
    def uploads(self) -> Mapping[str, Upload]:
        """All that was ever uploaded, by `file_id`, in order of arrival."""
        return self._uploads.all

    @property
    def credits(self) -> float:
        """The credits left."""
        return self._world.credits_left(self._now())

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
        """Let a fault strike some of the requests to come.

        Faults are tried in the order of their installation and one strikes a request at
        most; the next one never sees, and so never counts, a request that was struck. May be
        called from any thread.

        Args:
            fault: What happens; one of `vidgo_async.sandbox` or of your own.
            call: The call to strike; None strikes any.
            times: How many requests to strike; None strikes for ever. By default once, or for
                ever with a rate.
            skip: How many requests to let pass first.
            task_id: The only task whose polls and downloads are struck, or the `file_id` of the
                only upload whose downloads are; None strikes any.
            rate: The share of these requests to strike, 0 to 1, by the sandbox's seed.

        Raises:
            ValueError: There is no such call, or a number is out of its range.
        """
        calls = self._app.router.named_resources()
        if call is not None and call not in calls:
            msg = f"call must be None or one of {', '.join(calls)}, not {call!r}"
            raise ValueError(msg)
        if task_id is not None and call in {"submit", "balance", "upload"}:
            msg = f"task_id is for status and file: a {call} is about no task yet known"
            raise ValueError(msg)
        luck = f"{self._world.seed}/{len(self._rules.all)}"  # each rule has its own
        self._rules.all.append(Rule(fault, call, times, skip, task_id, rate, luck))

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None]:
        """Refuse connections in the body of `async with`, as a stopped server does.

        Nobody listens meanwhile, because that alone makes TCP refuse: a fault strikes only
        once a connection was made. Idle connections are closed; requests under way are
        answered first.
        """
        await self._stop_listening()
        for connection in self._connections():
            if connection in self._busy:
                connection.close()
            else:
                connection.force_close()
        await _turns()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._listen()

    async def _listen(self) -> None:
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        self._port = site.port

    async def _stop_listening(self) -> None:
        # A connection that is half-way in when its server closes makes asyncio log an
        # AssertionError and forget the socket (Server._attach). None is when a timer is due.
        await asyncio.sleep(1e-6)
        for site in self._runner.sites:
            await site.stop()
        await _turns()

    def _connections(self) -> list[web.RequestHandler]:
        return self._runner.server.connections if self._runner.server else []

    @web.middleware
    async def _receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the request, and know its connection as busy."""
        call = open_record(request)
        self.calls.append(call)
        self.received[call.name] += 1
        self._busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy.discard(request.protocol)


async def _turns() -> None:
    """Let connections come up or down, and clients in this loop see it."""
    for _ in range(4):
        await asyncio.sleep(0)
