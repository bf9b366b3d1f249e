"""One file's download: through as many tries as it takes, each from where the last one stopped."""

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

import attrs

from vidgo_async._api.recent_tasks import RecentTasks
from vidgo_async._core.concurrency import Threads
from vidgo_async._core.deadlines import SharedTimer
from vidgo_async._core.errors import (
    DownloadError,
    SessionClosedError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import MediaFile, Task
from vidgo_async._core.retry import Backoff, is_retryable
from vidgo_async._files.http import FileHosts, FileResponse
from vidgo_async._files.links import fresh_link, shown
from vidgo_async._files.pages import FIRST_BYTES
from vidgo_async._files.part_file import PartFile
from vidgo_async._files.patience import Failure, Patience
from vidgo_async._files.range_headers import (
    body_checksum,
    content_encoding,
    content_range,
    unsatisfied_size,
    validator,
)
from vidgo_async._files.refusals import not_a_file, refusal
from vidgo_async._files.writer import BackgroundWriter, Disk

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, where the server said how many."""

BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
"""A `User-Agent` for hosts that refuse those of HTTP libraries."""
LINK_LIFETIME = 24 * 3600.0
"""Seconds from the end of a task for which links work (status page)."""
RANGE_STATUSES = frozenset({206, 416})
"""Responses about a range: unless they fit, the next try starts over."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Services:
    """What the downloads of one session share."""

    hosts: FileHosts
    backoff: Backoff
    poll: Callable[[str], Awaitable[Task]]
    """Polls a task once, by its id."""
    recent_tasks: RecentTasks
    threads: Threads
    timer: SharedTimer
    timeout: float | None
    """Seconds for one download; None for no limit."""


class ResumableDownload:
    """Receives one file into its part file."""

    def __init__(
        self,
        services: Services,
        disk: Disk,
        part: PartFile,
        on_progress: OnProgress | None,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self.services = services
        self.disk = disk
        self.file: MediaFile = disk.file
        self.part = part
        self.on_progress = on_progress
        self._pause = pause
        """Waits before the next try, without a connection."""
        self._task: Task | None = None
        """The task, where it was polled for a fresh link."""
        self._url = self.file.file_url
        self._validator: str | None = None
        """ETag or date for `If-Range`; None restarts from the first byte."""
        self._total: int | None = None
        self._last_failure: Failure | None = None
        self._patience = Patience(services.backoff, services.recent_tasks, self.file.task_id)
        self._as_browser = False
        """Whether the host refused the usual `User-Agent`."""
        self._link_renewed = False
        """Whether the link is a fresh one, which brought no new byte so far."""

    async def run(self) -> None:
        """Receive all of it.

        Raises:
            DownloadError: No new byte came for `RetryPolicy.timeout`, or never will.
        """
        while failure := await self._try():
            self._last_failure = failure
            await self._recover(failure)

    @property
    def last_problem(self) -> str:
        """What went wrong last, to be added to a message; empty if nothing did."""
        return f"; before that: {self._last_failure.reason}" if self._last_failure else ""

    # --- One try ----------------------------------------------------------------------------

    async def _try(self) -> Failure | None:
        """Request what is missing, and receive it."""
        headers = {"Accept-Encoding": "identity"}  # of another encoding no range is of use
        if self._validator is not None:
            headers |= {"Range": f"bytes={self.part.size}-", "If-Range": self._validator}
        if self._as_browser:
            headers["User-Agent"] = BROWSER
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
            if (failure := await self._find_page(response)) is not None:
                return failure  # the bytes held may still be of use
            self._restart(response)
        elif self._is_complete(response):
            return None
        elif not self._continues(response):
            if response.status in RANGE_STATUSES:
                self._validator = None
            return refusal(response.status, response.headers, await response.page())
        return await self._receive(response)

    async def _find_page(self, response: FileResponse) -> Failure | None:
        """Tell why a whole body is no file, if it is none."""
        start = await response.peek(FIRST_BYTES)
        if not start and not response.is_empty:
            return None  # cut before its first byte
        if (failure := not_a_file(response.headers, start)) is None or not start:
            return failure
        return not_a_file(response.headers, await response.page())  # with more words

    def _restart(self, response: FileResponse) -> None:
        """Begin with the first byte.

        The disk follows with the first write: nothing is awaited here, since bytes that the loop
        received are lost with the connection, should that break off before they are taken.
        """
        self.part.restart()
        plain = not content_encoding(response.headers)
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
        if found is None or found.start != self.part.size or content_encoding(response.headers):
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
            if self._patience.progress(received):
                self._link_renewed = False
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
        self._validator = None
        return Failure(reason=f"its {wrong} is wrong" if wrong else f"more than {total} bytes came")

    # --- After a failure --------------------------------------------------------------------

    async def _recover(self, failure: Failure) -> None:
        """Prepare the next try: as a browser or with a fresh link at once, else after a pause.

        Raises:
            DownloadError: There is no next try.
        """
        if failure.wants_browser and not self._as_browser:
            self._as_browser = True
            return
        if failure.link_refused:
            unrenewed = await self._renew_link(failure)
            if unrenewed is None:
                return
            failure = unrenewed
        pause = self._patience.pause_after(failure)
        if pause is None:
            known = _known_of(self._patience.age, failure) if failure.link_refused else ""
            msg = f"could not fetch {shown(self._url)}: {failure.reason}{known}"
            raise DownloadError(msg, self.file, self._task) from failure.cause
        await self._pause(pause)
        self._patience.resume()

    async def _renew_link(self, refused: Failure) -> Failure | None:
        """Poll the task for a fresh link; None if there is one to be tried at once.

        That is so once until new bytes come. The link of a young task may change later too.
        """
        task_id, renewed = self.file.task_id, self._link_renewed
        if not task_id or (renewed and (refused.is_final or not self._patience.is_young)):
            return refused
        try:
            self._task = await self.services.poll(task_id)
        except SessionClosedError:
            raise
        except VidgoError as error:
            reason = f"{refused.reason}; asked for a fresh link: {error.without_task()}"
            # Until the API can be asked, the link is not the problem: the whole patience applies.
            # One answer of it says little while the task is young, as in the poller.
            is_final = not is_retryable(error) and not self._patience.is_young
            return Failure(reason=reason, cause=error, is_final=is_final)
        self._link_renewed = True
        before, self._url = self._url, fresh_link(self._url, self._task) or self._url
        if not self._task.files and not self._patience.is_young:
            return attrs.evolve(refused, is_final=True)
        return refused if renewed or self._url == before else None


def _known_of(age: float | None, failure: Failure) -> str:
    """Say what is known of a link that is refused, beside the refusal."""
    if age is not None and age >= LINK_LIFETIME:
        return "; links expire 24 hours after the end of their task"
    if failure.is_final:
        return ""
    if age is None:
        return "; the link may have expired, or not work yet"
    return f"; its task ended less than {math.ceil(age / 60)} min ago"
