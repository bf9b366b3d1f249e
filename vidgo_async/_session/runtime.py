"""What an open session is made of, put together and taken apart in one place."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator
from typing import Any

from vidgo_async._api.client import Api
from vidgo_async._api.limiter import Caps, Limiter, Permit, WaitQueue
from vidgo_async._api.transport import Connector, Transport, TransportSettings
from vidgo_async._core.concurrency import TaskSet, Threads
from vidgo_async._core.errors import SessionClosedError, SubmissionUnknownError
from vidgo_async._core.models import Balance, Task
from vidgo_async._core.retry import Backoff
from vidgo_async._files.downloads import Downloads
from vidgo_async._files.http import FileHosts
from vidgo_async._files.resumable import Services
from vidgo_async._files.uploads import Uploads
from vidgo_async._generation.engine import Engine
from vidgo_async._generation.submitter import Submitter
from vidgo_async._polling.adaptive import AdaptivePolling
from vidgo_async._polling.poller import Poller
from vidgo_async._session.arguments import as_task
from vidgo_async._session.settings import Settings

CLOSED = "the session is closed"
CANCELLED = "other code cancelled this call"


class Runtime:
    """The parts of an open session, bound to one event loop."""

    def __init__(
        self,
        settings: Settings,
        connector: Connector | None,
        unclaimed: list[Task | SubmissionUnknownError],
    ) -> None:
        """Put the parts on top of each other, in the running loop."""
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.webhooks = settings.webhooks
        if self.webhooks is not None:
            self.webhooks.sessions.check_loop()
        self.transport = Transport(
            TransportSettings(
                base_url=settings.base_url,
                api_key=settings.api_key,
                request_timeout=settings.request_timeout,
                connector=connector,
                proxy=settings.proxy,
                trust_env=settings.trust_env,
            )
        )
        backoff = Backoff(settings.retry)
        limit = settings.max_concurrent_requests
        caps = Caps(
            max_concurrent_requests=limit,
            max_concurrent_submits=settings.submits_at_once,
            max_requests_per_second=settings.max_requests_per_second,
            max_submits_per_second=settings.max_submits_per_second,
        )
        self.limiter = Limiter(caps, backoff)
        threads = Threads()
        self.api = Api(self.limiter, self.transport, threads)
        self.file_hosts = FileHosts(self.transport)
        # One budget for uploads and downloads, beside the API's requests.
        connections = asyncio.Semaphore(self.transport.free_connections(limit))
        self.uploads = Uploads(self.api, backoff, connections)
        services = Services(
            hosts=self.file_hosts,
            backoff=backoff,
            poll=self._poll,
            recent_tasks=self.api.recent_tasks,
            threads=threads,
            timer=self.transport.timer,
            timeout=settings.download_timeout,
        )
        self.downloads = Downloads(services, connections)
        polling = settings.polling
        if isinstance(polling, AdaptivePolling):
            polling = polling.start()  # what is learned is this session's
        self.poller = Poller(self.api, polling, backoff)
        self.poller.callbacks.reliance.come = settings.relies_on_callbacks
        self.submitter = Submitter(
            self.api, self.uploads, self.poller, backoff, unclaimed, webhooks=self.webhooks
        )
        if self.webhooks is not None:
            self.webhooks.sessions.join(self.poller)
        self.calls = TaskSet()
        """Calls without a part of their own, so that closing can end them."""
        self.engines: weakref.WeakSet[Engine] = weakref.WeakSet[Engine]()

    async def poll(self, task: Task) -> Task:
        """Poll a task once, whatever the polling policy says."""
        async with self._permit(self.limiter.polls) as permit:
            found, _ = await self.api.status(task, permit)
            return found

    async def balance(self) -> Balance:
        """Ask what is left on the account."""
        async with self._permit(self.limiter.others) as permit:
            return await self.api.balance(permit)

    @contextlib.asynccontextmanager
    async def _permit(self, queue: WaitQueue) -> AsyncGenerator[Permit]:
        permit = await self.limiter.acquire(queue)
        try:
            yield permit
        finally:
            permit.release()

    def owns(self, task: "asyncio.Task[Any] | None") -> bool:
        """Tell whether a task is one that closing waits for."""
        return any(engine.owns(task) for engine in self.engines)

    @property
    def unclaimed(self) -> list[Task | SubmissionUnknownError]:
        """What batches hold whose consumer was cancelled."""
        return [purchase for engine in self.engines for purchase in engine.unclaimed]

    async def close(self) -> None:
        """Stop everything, from the callers down to the connections."""
        if self.webhooks is not None:
            self.webhooks.sessions.leave(self.poller)
        self.limiter.close(CLOSED)
        for engine in list(self.engines):
            engine.stop(SessionClosedError(CLOSED))
        self.calls.cancel()
        await self.poller.close(CLOSED)
        await self.uploads.close()
        await self.submitter.close()
        for engine in list(self.engines):
            await engine.wait_closed()
        await self.submitter.background.wait()
        await self.calls.wait()
        await self.file_hosts.close()
        await self.transport.close()

    async def _poll(self, task_id: str) -> Task:
        return await self.poll(as_task(task_id))
