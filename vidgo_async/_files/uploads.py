"""Uploads: within their own rate limit, sent again after failures, once for each file.

An upload buys nothing, so it may be sent again. It needs no permit of the API's limiter: the
upload endpoints have a limit of their own, 5 requests a minute and key, and their 429 slows only
uploads.
"""

import asyncio
import contextlib
import copy
import functools
import logging
from collections.abc import AsyncGenerator, Hashable, Iterable
from datetime import UTC, datetime, timedelta

from vidgo_async._api.client import Api
from vidgo_async._api.send_state import SendState
from vidgo_async._core.concurrency import TaskSet, Threads, now, run_shielded, wait_shielded
from vidgo_async._core.errors import (
    APIError,
    RateLimitError,
    ResponseError,
    SessionClosedError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import UPLOAD_LIFETIME, UploadedFile
from vidgo_async._core.retry import Backoff, is_retryable
from vidgo_async._files.upload_body import UploadBody
from vidgo_async._files.upload_limiter import WINDOW, UploadLimiter
from vidgo_async._files.upload_source import UploadSource, check_source
from vidgo_async.requests import Source

logger: logging.Logger = logging.getLogger("vidgo_async")

RESERVE = timedelta(hours=1)
"""Lifetime that an upload must have left to be used for another request: the request may wait for
a permit, and the server has to fetch the picture."""

CLOSED = "the session was closed before the upload was complete: nothing was bought"


class SharedUpload:
    """One upload whose link many requests use."""

    def __init__(self, key: Hashable, job: "asyncio.Task[UploadedFile]", good_until: float) -> None:
        self.key = key
        self.job = job
        self.good_until = good_until
        """The loop's time until which it may be used, should the local clock be set back."""
        self.waiters = 0
        """Requests that wait for its end."""

    def is_stale(self) -> bool:
        """Tell whether it failed, or expires too soon for another request."""
        if not self.job.done():
            return False
        if self.job.cancelled() or self.job.exception() is not None:
            return True
        left = self.job.result().expires_at - datetime.now(UTC)
        return left < RESERVE or now() >= self.good_until

    def result(self) -> UploadedFile:
        """Return the uploaded file, or raise the error: a copy, since other requests get it too."""
        if self.job.cancelled():
            raise SessionClosedError(CLOSED)
        error = self.job.exception()
        if error is None:
            return self.job.result()
        raise error.own_copy() if isinstance(error, VidgoError) else copy.copy(error)


class Uploads:
    """Sends uploads, and remembers those of the media of requests."""

    def __init__(self, api: Api, backoff: Backoff, connections: asyncio.Semaphore) -> None:
        self.api = api
        self.backoff = backoff
        self.connections = connections
        """The connections that uploads and downloads share."""
        self.threads: Threads = api.threads
        self._limiter = UploadLimiter()
        self._shared: dict[Hashable, SharedUpload] = {}
        self._jobs = TaskSet()
        self._closed = False

    async def upload(
        self, source: object, file_name: str | None, upload_path: str | None
    ) -> UploadedFile:
        """Upload, even what was uploaded before.

        Raises:
            VidgoError: The server refuses, or could not be reached in time.
            OSError: The file is not there, or cannot be read.
            ValueError: It is no picture, or changed while it was sent.
            TypeError: It is nothing that can be uploaded.
        """
        checked = await self.threads.run(check_source, source, file_name, upload_path)
        return await self._send(checked)

    async def links(self, sources: Iterable[Source]) -> list[str]:
        """Return the URLs of media, uploaded unless an earlier upload of the same can be used.

        In order, not by source: a `data:` URL takes milliseconds to hash.

        Args:
            sources: What is to be uploaded, or was.

        Raises:
            VidgoError: As in `upload`; nothing was bought.
        """
        found = list[UploadedFile | SharedUpload]()
        try:
            for source in sources:
                if isinstance(source, UploadedFile):
                    found.append(_fresh(source))
                else:
                    found.append(await self._join(source))
            return [await _link(each) for each in found]
        finally:
            await self._release(each for each in found if isinstance(each, SharedUpload))

    async def close(self) -> None:
        """End all shared uploads; the requests that wait for one get a `SessionClosedError`."""
        self._closed = True
        self._jobs.cancel()
        await self._jobs.wait()

    # --- Sharing ----------------------------------------------------------------------------

    async def _join(self, source: Source) -> SharedUpload:
        """Find the upload of a medium, or start one."""
        checked = await self.threads.run(check_source, source)
        if self._closed:
            raise SessionClosedError(CLOSED)
        shared = self._shared.get(checked.key)
        if shared is None or shared.is_stale():
            good_until = now() + (UPLOAD_LIFETIME - RESERVE).total_seconds()
            job = self._jobs.start(self._send(checked))
            shared = self._shared[checked.key] = SharedUpload(checked.key, job, good_until)
            job.add_done_callback(functools.partial(self._job_done, shared))
        shared.waiters += 1
        return shared

    async def _release(self, joined: Iterable[SharedUpload]) -> None:
        """Stop waiting; cancel the uploads that no request waits for."""
        unwanted: set[asyncio.Task[UploadedFile]] = set()
        for shared in joined:
            shared.waiters -= 1
            if not shared.waiters and not shared.job.done():
                shared.job.cancel()
                unwanted.add(shared.job)
                self._forget(shared)
        await wait_shielded(unwanted)

    def _job_done(self, shared: SharedUpload, job: "asyncio.Task[UploadedFile]") -> None:
        # The requests that wait for it have the error from the job itself.
        if job.cancelled() or job.exception() is not None:
            self._forget(shared)

    def _forget(self, shared: SharedUpload) -> None:
        if self._shared.get(shared.key) is shared:
            del self._shared[shared.key]

    # --- Sending ----------------------------------------------------------------------------

    async def _send(self, source: UploadSource) -> UploadedFile:
        """Send until it succeeds or the retry policy gives up; waits for a permit do not count."""
        left = self.backoff.policy.timeout
        failures = 0
        while True:
            state = SendState()
            async with self._permit(state):
                started_at = now()
                try:
                    return await self._attempt(source, started_at + left, state)
                except VidgoError as error:
                    if not _is_retryable(error):
                        raise
                    failure = error
            failures += 1
            wait = self._wait_after(failure, failures)
            left -= now() - started_at + wait
            if left <= 0:
                raise failure
            logger.debug("upload again: %s", failure)
            if not isinstance(failure, RateLimitError):  # after a 429 the limiter pauses
                await asyncio.sleep(wait)

    @contextlib.asynccontextmanager
    async def _permit(self, state: SendState) -> AsyncGenerator[None]:
        """Hold a permit of the limiter, and a connection; counts what was sent."""
        await self._limiter.acquire()
        try:
            async with self.connections:
                yield
        finally:
            self._limiter.release(counts=state.started)

    def _wait_after(self, failure: VidgoError, failures: int) -> float:
        """Return the seconds to wait after a failure; pause all uploads after a 429."""
        retry_after = failure.retry_after if isinstance(failure, APIError) else None
        if isinstance(failure, RateLimitError):
            self._limiter.pause(self.backoff.delay(0, retry_after or WINDOW))
            return self.backoff.delay(failures)  # it may wait longer for a permit, which is free
        return self.backoff.delay(failures, retry_after)

    async def _attempt(
        self, source: UploadSource, deadline: float, state: SendState
    ) -> UploadedFile:
        """Open the source, and send it once."""
        opened = contextlib.ExitStack()

        def open_source() -> UploadBody:
            return opened.enter_context(contextlib.closing(source.open(self.threads)))

        try:
            # Shielded: the file of a cancelled upload must be open before it is closed.
            body = await run_shielded(self.threads.run(open_source))
            return await self._exchange(source.endpoint, body, deadline, state)
        finally:
            await run_shielded(self.threads.run(opened.close))

    async def _exchange(
        self, endpoint: str, body: UploadBody, deadline: float, state: SendState
    ) -> UploadedFile:
        try:
            return await self.api.upload(endpoint, body, timeout=deadline - now(), state=state)
        except TransportError:
            if body.failure is None:
                raise
        raise body.failure  # the file is the cause, not the connection


async def _link(found: UploadedFile | SharedUpload) -> str:
    if isinstance(found, UploadedFile):
        return found.file_url
    await asyncio.wait({found.job})
    return found.result().file_url


def _fresh(file: UploadedFile) -> UploadedFile:
    if file.expired:
        msg = f"the uploaded file {file.file_url!r} expired at {file.expires_at}; upload it again"
        raise ValueError(msg)
    return file


def _is_retryable(error: VidgoError) -> bool:
    """Tell whether another try may succeed: not after a refusal, nor where `data` has no link."""
    if isinstance(error, ResponseError):  # a page of a gateway's has no data
        return not any("$.data." in problem for problem in error.problems)
    return is_retryable(error)
