"""Uploads: spaced out on a pace of their own, sent again after faults, once for each file.

An upload buys nothing, so it may be sent again. It holds no slot of the throttle: its pace is that
of the upload endpoints, 5 requests a minute and key, and their 429 slows nothing but uploads.
"""

import asyncio
import copy
import functools
import logging
import random
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread

from vidgo_async._api.client import Api
from vidgo_async._api.limiter import MAX_RETRY_AFTER
from vidgo_async._api.transport import Sending
from vidgo_async._core.concurrency import see_through
from vidgo_async._core.errors import (
    APIError,
    RateLimitError,
    ResponseError,
    SessionClosedError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import UPLOAD_LIFETIME, UploadedFile
from vidgo_async._files.upload_limiter import LIMIT, WINDOW, UploadPace
from vidgo_async._files.upload_source import Content, Parcel, parcel_of
from vidgo_async._generation.resend import Gate, may_send_again
from vidgo_async._polling.policies import RetryPolicy
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
        return left < RESERVE or _now() >= self.good_until

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

    def __init__(self, api: Api, retry: RetryPolicy, at_once: int) -> None:
        self.api = api
        self.retry = retry
        self.at_once = at_once
        """Connections that may be used."""
        self._pace = UploadPace(min(LIMIT, at_once))
        self._shared: dict[Hashable, _Shared] = {}
        self._closed = False
        self._random = random.Random()

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

    async def links(self, sources: Iterable[Source], gate: Gate) -> dict[Source, str]:
        """Return the URLs of media, uploaded where no earlier upload of the same will do.

        Args:
            sources: What is to be uploaded; of an uploaded file the URL is known.
            gate: What a batch shares to stop sending.

        Raises:
            VidgoError: As in `upload`; nothing was bought.
        """
        gate.check()
        found: dict[Source, str] = {}
        joined: dict[Source, _Shared] = {}
        try:
            for source in sources:
                if isinstance(source, UploadedFile):
                    found[source] = _fresh(source).file_url
                else:
                    joined[source] = await self._join(source)
            for source, shared in joined.items():
                either: set[asyncio.Future[Any]] = {shared.job, gate.shut}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                gate.check()
                found[source] = shared.result().file_url
        except VidgoError as error:
            gate.learn(error)
            raise
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
            good_until = _now() + (UPLOAD_LIFETIME - RESERVE).total_seconds()
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
        await see_through(deserted)

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
        left = self.retry.timeout
        failures = 0
        while True:
            await self._pace.enter()
            began = _now()
            try:
                return await self._attempt(parcel, began + left)
            except VidgoError as error:
                if not _worth_repeating(error):
                    raise
                failure = error
            failures += 1
            wait = self._wait_after(failure, failures)
            left -= _now() - began + wait
            if left <= 0:
                raise failure
            logger.debug("upload again: %s", failure)
            if not isinstance(failure, RateLimitError):  # else all uploads wait for their turn
                await asyncio.sleep(wait)

    def _wait_after(self, failure: VidgoError, failures: int) -> float:
        """Return the seconds that a failure costs; let all uploads wait after a 429."""
        asked = failure.retry_after if isinstance(failure, APIError) else None
        delay = self.retry.delay(failures, self._random.random())
        if isinstance(failure, RateLimitError):
            self._pace.refuse(min(asked or WINDOW, MAX_RETRY_AFTER))
            return delay  # the turn may take longer to come, and waiting for turns is free
        return min(asked or delay, MAX_RETRY_AFTER)

    async def _attempt(self, parcel: Parcel, until: float) -> UploadedFile:
        """Send once, in the turn that was got."""
        sending = Sending()
        try:
            content = Content(parcel.begin)
            try:
                await content.open()
                return await self.api.upload(parcel.endpoint, content, sending, until)
            except TransportError:
                if content.failure is None:
                    raise
            finally:
                await content.aclose()
            raise content.failure
        finally:
            self._pace.leave(counts=sending.started)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fresh(file: UploadedFile) -> UploadedFile:
    if file.expired:
        msg = f"the uploaded file {file.file_url!r} expired at {file.expires_at}; upload it again"
        raise ValueError(msg)
    return file


def _worth_repeating(error: VidgoError) -> bool:
    """Tell whether another try may do better: after anything but a clear no, or a strange yes."""
    if isinstance(error, ResponseError):  # a page of a gateway's has no data
        return not any("$.data." in problem for problem in error.problems)
    return may_send_again(error)
