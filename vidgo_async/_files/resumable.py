"""One file's download: through as many tries as it takes, each from where the last one stopped."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

import attrs

from vidgo_async._api.http_headers import retry_after
from vidgo_async._core.concurrency import Threads
from vidgo_async._core.errors import (
    DownloadError,
    SessionClosedError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import MediaFile, Task
from vidgo_async._core.retry import Backoff, is_retryable
from vidgo_async._files.http import FileHosts, FileResponse
from vidgo_async._files.part_file import PartFile
from vidgo_async._files.range_headers import (
    body_checksum,
    content_range,
    is_encoded,
    unsatisfied_size,
    validator,
)
from vidgo_async._files.writer import BackgroundWriter, Disk

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, where the server said how many."""

MAX_FAILURES = 5
"""Failures in a row without a new byte, after which a download ends."""
EXPIRED = "the link has expired ({}); links expire 24 hours after the task finished"
WEB = ("http://", "https://")
RETRYABLE_REFUSALS = frozenset({408, 416, 425, 429})
"""The refusals that do not mean that the link expired."""
RANGE_STATUSES = frozenset({206, 416})
"""Responses about a range: unless they fit, the next try starts over."""
BUSY = frozenset({429, 503})
"""Responses whose `Retry-After` is heeded."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Services:
    """What the downloads of one session share."""

    hosts: FileHosts
    backoff: Backoff
    poll: Callable[[str], Awaitable[Task]]
    """Polls a task once, by its id."""
    threads: Threads


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Failure:
    """Why a try did not complete the file."""

    reason: str
    cause: VidgoError | None = None
    retry_after: float | None = None
    """Seconds that the host asked to wait."""
    is_final: bool = False
    """Whether another try would only repeat it."""
    link_expired: bool = False
    """Whether the host refuses the link."""


class ResumableDownload:
    """Receives one file into its part file."""

    def __init__(
        self,
        services: Services,
        disk: Disk,
        part: PartFile,
        on_progress: OnProgress | None,
    ) -> None:
        self.services = services
        self.disk = disk
        self.file: MediaFile = disk.file
        self.part = part
        self.on_progress = on_progress
        self._task: Task | None = None
        """The task, where it was polled for a fresh link."""
        self._url = self.file.file_url
        self._validator: str | None = None
        """ETag or date for `If-Range`; None restarts from the first byte."""
        self._total: int | None = None
        self._furthest = 0
        """The most bytes ever received: beyond them a try makes progress."""
        self._failures = 0
        self._link_renewed = False
        """Whether the link is a fresh one, which brought no new byte so far."""

    async def run(self) -> None:
        """Receive all of it.

        Raises:
            DownloadError: Five failures in a row without a new byte, or a final one.
        """
        while failure := await self._try():
            await self._recover(failure)

    # --- One try ----------------------------------------------------------------------------

    async def _try(self) -> Failure | None:
        """Request what is missing, and receive it."""
        headers = {"Accept-Encoding": "identity"}  # of another encoding no range is of use
        if self._validator is not None:
            headers |= {"Range": f"bytes={self.part.size}-", "If-Range": self._validator}
        try:
            response = await self.services.hosts.get(self._url, headers)
        except TransportError as error:
            return Failure(reason=str(error), cause=error, is_final=not error.temporary)
        with contextlib.closing(response):
            failure = await self._read(response)
        return failure or self._check()

    async def _read(self, response: FileResponse) -> Failure | None:
        """Receive the body, if it is the file or the rest of it."""
        if response.status == HTTPStatus.OK:
            await self._restart(response)
        elif self._is_complete(response):
            return None
        elif not self._continues(response):
            if response.status in RANGE_STATUSES:
                self._validator = None
            return _refusal(response)
        return await self._receive(response)

    async def _restart(self, response: FileResponse) -> None:
        """Begin with the first byte."""
        if self.part.size:
            await self.disk.run(self.part.restart)
        plain = not is_encoded(response.headers)
        self._total = response.length if plain else None
        self._validator = validator(response.headers) if plain else None
        self.part.expect(body_checksum(response.headers) if plain else None)

    def _is_complete(self, response: FileResponse) -> bool:
        """Tell whether the host says that no bytes are missing."""
        if self._validator is None or response.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return False
        self._total = unsatisfied_size(response.headers)
        return self._total == self.part.size

    def _continues(self, response: FileResponse) -> bool:
        """Tell whether a range of the same file comes that begins where the part file ends."""
        if self._validator is None or response.status != HTTPStatus.PARTIAL_CONTENT:
            return False
        found = content_range(response.headers)
        if found is None or found.start != self.part.size or is_encoded(response.headers):
            return False
        if validator(response.headers) not in {None, self._validator}:
            return False
        if self._total is None:
            self._total = found.total
        return found.total in {None, self._total}

    async def _receive(self, response: FileResponse) -> Failure | None:
        """Write the body to the part file, as far as it comes."""
        steps = [self.part.write]
        if self.part.has_checksum:  # takes longer than writing does, hence beside it
            steps.append(self.part.digest)
        async with contextlib.AsyncExitStack() as stack:
            writers = [
                await stack.enter_async_context(BackgroundWriter(self.disk, step)) for step in steps
            ]
            failure = await self._copy(response, writers)
        return None if self.part.size == self._total else failure

    async def _copy(
        self, response: FileResponse, writers: Iterable[BackgroundWriter]
    ) -> Failure | None:
        received = self.part.size
        while True:
            try:
                chunk = await response.read()
            except TransportError as error:
                return Failure(reason=str(error), cause=error)
            if not chunk:
                return None
            received += len(chunk)
            for writer in writers:
                await writer.add(chunk)
            if self.on_progress is not None:
                self.on_progress(received, self._total)

    def _check(self) -> Failure | None:
        """Find out whether the bytes are the file, and all of it."""
        size, total = self.part.size, self._total
        if total is not None and size < total:
            return Failure(reason=f"the transfer ended after {size} of {total} bytes")
        wrong = self.part.wrong_checksum()
        if wrong is None and total in {None, size}:
            return None
        # All bytes were there, so that receiving them again is no progress.
        self._furthest, self._validator = max(size, self._furthest), None
        return Failure(reason=f"its {wrong} is wrong" if wrong else f"more than {total} bytes came")

    # --- After a failure --------------------------------------------------------------------

    async def _recover(self, failure: Failure) -> None:
        """Prepare the next try: with a fresh link at once, else after a pause.

        Raises:
            DownloadError: There is no next try.
        """
        if failure.link_expired:
            unrenewed = await self._renew_link(failure)
            if unrenewed is None:
                return
            failure = unrenewed
        if self.part.size > self._furthest:
            self._furthest = self.part.size
            self._failures, self._link_renewed = 0, False
        else:
            self._failures += 1
        if failure.is_final or self._failures >= MAX_FAILURES:
            msg = f"could not fetch {self.file.file_url}: {failure.reason}"
            raise DownloadError(msg, self.file, self._task) from failure.cause
        pause = self.services.backoff.delay(max(1, self._failures), failure.retry_after)
        await asyncio.sleep(pause)

    async def _renew_link(self, expired: Failure) -> Failure | None:
        """Poll the task for a fresh link, once until new bytes come; return why there is none."""
        final = attrs.evolve(expired, is_final=True)
        if not self.file.task_id or self._link_renewed:
            return final
        try:
            self._task = await self.services.poll(self.file.task_id)
        except SessionClosedError:
            raise
        except VidgoError as error:
            reason = f"{expired.reason}; asked for a fresh one: {error}"
            return Failure(reason=reason, cause=error, is_final=not is_retryable(error))
        url = fresh_link(self._url, self._task)
        if url is None:
            return final
        self._url, self._link_renewed = url, True
        return None


def fresh_link(expired: str, task: Task) -> str | None:
    """Return the link that a task has now for the same file: of the same path, or the only one."""
    links = [file.file_url for file in task.files if file.file_url.startswith(WEB)]
    same = [link for link in links if _path(link) == _path(expired)]
    found = same or links
    return found[0] if len(found) == 1 else None


def _path(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].split("/", 3)[-1]


def _refusal(response: FileResponse) -> Failure:
    """Say what a response means that is neither the file nor a range of it."""
    status = response.status
    if 400 <= status < 500 and status not in RETRYABLE_REFUSALS:  # noqa: PLR2004 - the refusals
        return Failure(reason=EXPIRED.format(f"HTTP {status}"), link_expired=True)
    wait = retry_after(response.headers) if status in BUSY else None
    return Failure(reason=f"the host answered {status}", retry_after=wait)
