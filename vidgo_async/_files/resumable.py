"""One file on its way: through as many tries as it takes, each from where the last one stopped."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from vidgo_async._api.http_headers import retry_after
from vidgo_async._core.errors import (
    DownloadError,
    RateLimitError,
    ServerError,
    SessionClosedError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import MediaFile, Task
from vidgo_async._core.retry import Backoff
from vidgo_async._files import range_headers as parts
from vidgo_async._files.http import FileHosts, Stream
from vidgo_async._files.part_file import Partial
from vidgo_async._files.writer import Pen, on_disk

OnProgress = Callable[[int, int | None], object]
"""Called with the bytes so far and the bytes in all, where the server said how many."""

TRIES = 5
"""Tries in a row that get nowhere, after which a download ends."""
LINKS_DIE = "the link is dead ({}); links die 24 hours after the task finished"
WEB = ("http://", "https://")
PASSING = frozenset({408, 416, 425, 429})
"""The refusals that say nothing against a link."""
ODD_PARTS = frozenset({206, 416})
"""Answers about parts: unless they fit, the next try starts over."""
BUSY = frozenset({429, 503})
"""Answers whose `Retry-After` is heeded."""


class _SetbackError(Exception):
    """A try came to nothing, or only so far; the next one may do better."""

    def __init__(
        self,
        reason: str,
        cause: VidgoError | None = None,
        wait: float = 0.0,
        hopeless: bool = False,
    ) -> None:
        super().__init__(reason)
        self.cause = cause
        self.wait = wait
        self.hopeless = hopeless


class _DeadLinkError(Exception):
    """The host refuses the link, whoever asks and however often."""


class Transfer:
    """Fetches one file into its temporary place."""

    def __init__(
        self,
        file: MediaFile,
        partial: Partial,
        on_progress: OnProgress | None,
        hosts: FileHosts,
        backoff: Backoff,
        look: Callable[[str], Awaitable[Task]],
    ) -> None:
        self.file = file
        self.partial = partial
        self.on_progress = on_progress
        self.hosts = hosts
        self.backoff = backoff
        self.look = look
        """Asks once how a task is; it needs a known id."""
        self._task: Task | None = None
        self._url = file.file_url
        self._validator: str | None = None
        """What tells whether the bytes held are of the file at the host; None to start over."""
        self._total: int | None = None
        self._furthest = 0
        """The most bytes that were ever held: beyond them a try has got somewhere."""
        self._failures = 0
        self._has_looked = False

    async def run(self) -> None:
        """Fetch all of it.

        Raises:
            DownloadError: Five tries in a row got nowhere, or no other one can.
        """
        while True:
            try:
                try:
                    await self._try()
                except _DeadLinkError as dead:
                    await self._follow(dead)
                else:
                    return
            except _SetbackError as setback:
                await self._recover(setback)

    async def _recover(self, setback: _SetbackError) -> None:
        """Wait for the next try, if there is to be one."""
        if self.partial.size > self._furthest:
            self._furthest = self.partial.size
            self._failures, self._has_looked = 0, False
        else:
            self._failures += 1
        if setback.hopeless or self._failures >= TRIES:
            raise self._failure(str(setback)) from setback.cause
        await asyncio.sleep(self.backoff.delay(max(1, self._failures), setback.wait))

    def _failure(self, reason: str) -> DownloadError:
        msg = f"could not fetch {self.file.file_url}: {reason}"
        return DownloadError(msg, self.file, self._task)

    # --- One try ----------------------------------------------------------------------------

    async def _try(self) -> None:
        headers = {"Accept-Encoding": "identity"}  # of another form no part could be asked for
        if self._validator is not None:
            headers |= {"Range": f"bytes={self.partial.size}-", "If-Range": self._validator}
        try:
            stream = await self.hosts.open(self._url, headers)
        except TransportError as error:
            raise _SetbackError(str(error), error, hopeless=not error.temporary) from None
        with contextlib.closing(stream):
            if not await self._has_all(stream):
                await self._receive(stream)
        await self._check()

    async def _has_all(self, stream: Stream) -> bool:
        """Tell whether nothing is missing; otherwise what is missing is in the stream.

        Raises:
            _SetbackError: What comes does not fit what is held, or is no file at all.
            _DeadLinkError: The host says no.
        """
        if stream.status == HTTPStatus.OK:
            await self._begin(stream)
            return False
        if self._validator is not None:
            if stream.status == HTTPStatus.PARTIAL_CONTENT and self._fits(stream):
                return False
            if stream.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._total = parts.size_beyond(stream.headers)
                if self._total == self.partial.size:
                    return True
        if stream.status in ODD_PARTS:
            self._validator = None
        raise _meaning_of(stream)

    async def _begin(self, stream: Stream) -> None:
        """Begin with the first byte, whatever is held."""
        if self.partial.size:
            await self.write(self.partial.restart)
        plain = not parts.is_encoded(stream.headers)
        self._total = stream.length if plain else None
        self._validator = parts.validator(stream.headers) if plain else None
        self.partial.expect(parts.checksum(stream.headers) if plain else None)

    def _fits(self, stream: Stream) -> bool:
        """Tell whether a part goes on where the bytes that are held end, in the same file."""
        part = parts.part_of(stream.headers)
        if part is None or part.start != self.partial.size or parts.is_encoded(stream.headers):
            return False
        if parts.validator(stream.headers) not in {None, self._validator}:
            return False
        if self._total is None:
            self._total = part.total
        return part.total in {None, self._total}

    async def _receive(self, stream: Stream) -> None:
        """Add what comes to what is held, as far as it comes."""
        pens, done = [Pen(self.partial.write, self.write)], self.partial.size
        if self.partial.has_checksum:  # which takes longer than to write does: beside it
            pens.append(Pen(self.partial.digest, self.write))
        cut: _SetbackError | None = None
        async with contextlib.AsyncExitStack() as stack:
            for pen in pens:
                stack.push_async_callback(pen.close)
            try:
                while chunk := await _next_of(stream):
                    done += len(chunk)
                    for pen in pens:
                        await pen.add(chunk)
                    if self.on_progress is not None:
                        self.on_progress(done, self._total)
            except _SetbackError as setback:
                cut = setback
        if cut is not None and self.partial.size != self._total:
            raise cut

    async def _check(self) -> None:
        """See that what is held is the file, and all of it."""
        held, total = self.partial.size, self._total
        if total is not None and held < total:
            msg = f"the transfer ended after {held} of {total} bytes"
            raise _SetbackError(msg)
        wrong = self.partial.wrong_checksum()
        if wrong is None and total in {None, held}:
            return
        # The bytes were all there, so that another try of the same kind gets nowhere.
        self._furthest, self._validator = max(held, self._furthest), None
        raise _SetbackError(f"its {wrong} is wrong" if wrong else f"more than {total} bytes came")

    async def write(self, work: Callable[..., None], *args: object) -> None:
        """Do work on the disk; as `on_disk`."""
        await on_disk(work, *args, file=self.file, destination=self.partial.destination)

    # --- Another link -----------------------------------------------------------------------

    async def _follow(self, dead: _DeadLinkError) -> None:
        """Ask for a fresh link in place of a dead one, once as long as it leads nowhere.

        Raises:
            DownloadError: There is none.
            _SetbackError: The API did not answer this time.
        """
        reason = LINKS_DIE.format(dead)
        if not self.file.task_id or self._has_looked:
            raise self._failure(reason)
        try:
            self._task = await self.look(self.file.task_id)
        except SessionClosedError:
            raise
        except (RateLimitError, ServerError, TransportError) as error:
            msg = f"{reason}; asked for a fresh one: {error.without_task()}"
            raise _SetbackError(msg, error) from None
        except VidgoError as error:
            msg = f"{reason}; asked for a fresh one: {error.without_task()}"
            raise self._failure(msg) from error
        self._has_looked = True
        url = fresh_link(self._url, self._task)
        if url is None:
            raise self._failure(reason)
        self._url = url


def fresh_link(dead: str, task: Task) -> str | None:
    """Return the link of the same file as a task has it now: of the same path, or the only one."""
    links = [file.file_url for file in task.files if file.file_url.startswith(WEB)]
    same = [link for link in links if _path(link) == _path(dead)]
    found = same or links
    return found[0] if len(found) == 1 else None


def _path(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].split("/", 3)[-1]


async def _next_of(stream: Stream) -> bytes:
    try:
        return await stream.read()
    except TransportError as error:
        raise _SetbackError(str(error), error) from None


def _meaning_of(stream: Stream) -> Exception:
    """Return what it means that a host answered something else than what was asked for."""
    status = stream.status
    if 400 <= status < 500 and status not in PASSING:  # noqa: PLR2004 - the refusals
        return _DeadLinkError(f"HTTP {status}")
    wait = retry_after(stream.headers) if status in BUSY else None
    return _SetbackError(f"the host answered {status}", wait=wait or 0.0)
