"""What an open session is made of, put together and taken apart in one place."""

import asyncio
import contextlib
import weakref
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from vidgo_async._api.client import Api
from vidgo_async._api.limiter import Throttle
from vidgo_async._api.transport import Connector, Transport
from vidgo_async._core.errors import SessionClosedError, SubmissionUnknownError
from vidgo_async._core.models import Task
from vidgo_async._files.downloads import Files
from vidgo_async._files.http import Hosts
from vidgo_async._files.uploads import Uploads
from vidgo_async._generation.batch import Engine
from vidgo_async._generation.submitter import Purchases
from vidgo_async._polling.adaptive import AdaptivePolling
from vidgo_async._polling.poller import Poller
from vidgo_async._session.arguments import Settings, as_task

_Value = TypeVar("_Value")

CLOSED = "the session is closed"


class Machinery:
    """What an open session is made of, bound to one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: Transport,
        throttle: Throttle,
        api: Api,
        uploads: Uploads,
        purchases: Purchases,
        poller: Poller,
        files: Files,
    ) -> None:
        self.loop = loop
        self.transport = transport
        self.throttle = throttle
        self.api = api
        self.uploads = uploads
        self.purchases = purchases
        self.poller = poller
        self.files = files
        self.calls: set[asyncio.Task[Any]] = set()
        self.engines: weakref.WeakSet[Engine] = weakref.WeakSet[Engine]()

    @classmethod
    def build(
        cls,
        settings: Settings,
        connector: Connector | None,
        unclaimed: list[Task | SubmissionUnknownError],
    ) -> Self:
        """Put the floors on top of each other."""
        transport = Transport(
            settings.base_url,
            settings.api_key,
            settings.request_timeout,
            connector,
            settings.proxy,
            settings.trust_env,
        )
        limit = settings.max_concurrent_requests
        throttle = Throttle(limit, settings.max_requests_per_second, settings.retry)
        api = Api(throttle, transport)
        polling = settings.polling
        if isinstance(polling, AdaptivePolling):
            polling = polling.start()  # what is learned is this session's
        uploads = Uploads(api, settings.retry, transport.spare(limit))

        async def look(task_id: str) -> Task:
            return await _in_turn(throttle, api.status(as_task(task_id)))

        return cls(
            asyncio.get_running_loop(),
            transport,
            throttle,
            api,
            uploads,
            Purchases(api, uploads, settings.retry, unclaimed),
            Poller(api, polling, settings.retry),
            Files(
                Hosts(transport), asyncio.Semaphore(transport.spare(limit)), settings.retry, look
            ),
        )

    async def in_turn(self, call: Coroutine[Any, Any, _Value]) -> _Value:
        """Make a call when there is a slot for it."""
        return await _in_turn(self.throttle, call)

    def is_ours(self, task: "asyncio.Task[Any] | None") -> bool:
        """Tell whether a task is one that closing waits for."""
        return any(task in engine.jobs for engine in self.engines)

    async def close(self) -> None:
        """Stop everything, from the callers down to the connections."""
        self.throttle.close(CLOSED)
        for engine in list(self.engines):
            engine.abandon(SessionClosedError(CLOSED))
        for call in self.calls:
            call.cancel()
        await self.poller.close(CLOSED)
        await self.uploads.close()
        await self.purchases.close()
        for engine in list(self.engines):
            await engine.settled()
        if self.calls:
            await asyncio.wait(self.calls)
        await self.files.hosts.close()
        await self.transport.close()


async def _in_turn(throttle: Throttle, call: Coroutine[Any, Any, _Value]) -> _Value:
    with contextlib.closing(call):  # also where the slot never comes
        await throttle.acquire(throttle.polls)
        try:
            return await call
        finally:
            throttle.release(throttle.polls)
