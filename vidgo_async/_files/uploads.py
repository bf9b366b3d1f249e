"""Uploads: spaced out on a pace of their own, sent again after faults, once for each file.

An upload buys nothing, so it may be sent again. It needs no permit of the limiter: the upload
endpoints have a limit of their own, 5 requests a minute and key, and their 429 slows only uploads.
"""

import asyncio
import copy
import functools
import logging
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime, timedelta

import anyio.to_thread

from vidgo_async._api.client import Api
from vidgo_async._api.send_state import SendState
from vidgo_async._core.concurrency import now, wait_shielded
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
from vidgo_async._files.upload_limiter import LIMIT, WINDOW, UploadLimiter
from vidgo_async._files.upload_source import Content, Parcel, parcel_of
from vidgo_async.requests import Source

logger: logging.Logger = logging.getLogger("vidgo_async")

RESERVE = timedelta(hours=1)
"""What an upload must have left of its life to be used for another request: the request may wait
for its turn, and the server has to fetch the picture."""

CLOSED = "the session was closed before the upload was complete: nothing was bought"


class _Shared:
    """One upload that many requests may wait for, or have the link of."""

    def __init__(self, key: Hashable, job: "asyncio.Task[UploadedFile]", good_until: float) -> None:
        self.key = key
        self.job = job
        self.good_until = good_until
        """The loop's time until which it may be used, should the local clock be set back."""
        self.waiters = 0

    def is_stale(self) -> bool:
        """Tell whether it is of no use to whoever comes now."""
        if not self.job.done():
            return False
        if self.job.cancelled() or self.job.exception() is not None:
            return True
        left = self.job.result().expires_at - datetime.now(UTC)
        return left < RESERVE or now() >= self.good_until

    def result(self) -> UploadedFile:
        """Return what became of it; an error as a copy, since others get it too."""
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
        self._limiter = UploadLimiter(LIMIT)
        self._shared: dict[Hashable, _Shared] = {}
        self._closed = False

    async def upload(
        self, source: object, file_name: str | None, upload_path: str | None
    ) -> UploadedFile:
        """Upload once more, whatever was uploaded before.

        Raises:
            VidgoError: The server refuses, or could not be reached in time.
            OSError: The file is not there, or cannot be read.
            ValueError: It is no picture, or changed while it was sent.
            TypeError: It is nothing that can be uploaded.
        """
        parcel = await anyio.to_thread.run_sync(parcel_of, source, file_name, upload_path)
        return await self._send(parcel)

    async def links(self, sources: Iterable[Source]) -> dict[Source, str]:
        """Return the URLs of media, uploaded where no earlier upload of the same will do.

        Args:
            sources: What is to be uploaded; of an uploaded file the URL is known.

        Raises:
            VidgoError: As in `upload`; nothing was bought.
        """
        found: dict[Source, str] = {}
        joined: dict[Source, _Shared] = {}
        try:
            for source in sources:
                if isinstance(source, UploadedFile):
                    found[source] = _fresh(source).file_url
                else:
                    joined[source] = await self._join(source)
            for source, shared in joined.items():
                await asyncio.wait({shared.job})
                found[source] = shared.result().file_url
        finally:
            await self._leave(joined.values())
        return found

    async def close(self) -> None:
        """End all uploads; whoever waits for one gets a `SessionClosedError`."""
        self._closed = True
        jobs = {shared.job for shared in self._shared.values()}
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)

    # --- Sharing ----------------------------------------------------------------------------

    async def _join(self, source: Source) -> _Shared:
        """Find the upload of a medium, or begin one."""
        parcel = await anyio.to_thread.run_sync(parcel_of, source)
        if self._closed:
            raise SessionClosedError(CLOSED)
        shared = self._shared.get(parcel.key)
        if shared is None or shared.is_stale():
            good_until = now() + (UPLOAD_LIFETIME - RESERVE).total_seconds()
            job = asyncio.create_task(self._send(parcel))
            shared = self._shared[parcel.key] = _Shared(parcel.key, job, good_until)
            job.add_done_callback(functools.partial(self._settled, shared))
        shared.waiters += 1
        return shared

    async def _leave(self, joined: Iterable[_Shared]) -> None:
        """Stop waiting; an upload that nobody waits for any more is stopped."""
        deserted: set[asyncio.Task[UploadedFile]] = set()
        for shared in joined:
            shared.waiters -= 1
            if not shared.waiters and not shared.job.done():
                shared.job.cancel()
                deserted.add(shared.job)
                self._forget(shared)
        await wait_shielded(deserted)

    def _settled(self, shared: _Shared, job: "asyncio.Task[UploadedFile]") -> None:
        # Whoever waits for it has the error from the job itself.
        if job.cancelled() or job.exception() is not None:
            self._forget(shared)

    def _forget(self, shared: _Shared) -> None:
        if self._shared.get(shared.key) is shared:
            del self._shared[shared.key]

    # --- Sending ----------------------------------------------------------------------------

    async def _send(self, parcel: Parcel) -> UploadedFile:
        """Send until it is done or the retry policy gives up; waiting for a turn is free."""
        left = self.backoff.policy.timeout
        failures = 0
        while True:
            await self._limiter.enter()
            began = now()
            try:
                return await self._attempt(parcel, began + left)
            except VidgoError as error:
                if not _worth_repeating(error):
                    raise
                failure = error
            failures += 1
            wait = self._wait_after(failure, failures)
            left -= now() - began + wait
            if left <= 0:
                raise failure
            logger.debug("upload again: %s", failure)
            if not isinstance(failure, RateLimitError):  # else all uploads wait for their turn
                await asyncio.sleep(wait)

    def _wait_after(self, failure: VidgoError, failures: int) -> float:
        """Return the seconds that a failure costs; let all uploads wait after a 429."""
        retry_after = failure.retry_after if isinstance(failure, APIError) else None
        if isinstance(failure, RateLimitError):
            self._limiter.refuse(self.backoff.delay(0, retry_after or WINDOW))
            return self.backoff.delay(failures)  # it may wait longer for a permit, which is free
        return self.backoff.delay(failures, retry_after)

    async def _attempt(self, parcel: Parcel, until: float) -> UploadedFile:
        """Send once, in the turn that was got."""
        state = SendState()
        try:
            content = Content(parcel.begin)
            try:
                await content.open()
                async with self.connections:
                    return await self.api.upload(
                        parcel.endpoint, content, timeout=until - now(), state=state
                    )
            except TransportError:
                if content.failure is None:
                    raise
            finally:
                await content.aclose()
            raise content.failure
        finally:
            self._limiter.leave(counts=state.started)


def _fresh(file: UploadedFile) -> UploadedFile:
    if file.expired:
        msg = f"the uploaded file {file.file_url!r} expired at {file.expires_at}; upload it again"
        raise ValueError(msg)
    return file


def _worth_repeating(error: VidgoError) -> bool:
    """Tell whether another try may do better: after anything but a clear no, or a strange yes."""
    if isinstance(error, ResponseError):  # a page of a gateway's has no data
        return not any("$.data." in problem for problem in error.problems)
    return is_retryable(error)
