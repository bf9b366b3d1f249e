"""What is written down of a batch, where a journal is kept; this wing knows no file format."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vidgo_async._core.concurrency import mark_retrieved
from vidgo_async._core.errors import JournalError, SubmissionUnknownError, VidgoError
from vidgo_async._core.models import Request, Task

logger: logging.Logger = logging.getLogger("vidgo_async")


class SubmitRecord(Protocol):
    """Where one request is written down; each call is on disk when it returns."""

    @property
    def hands_over(self) -> bool:
        """Whether another process goes on with what was bought, and so is given it."""
        ...

    async def sending(self) -> None:
        """It is about to be sent; raises a `JournalError` if it may not be."""
        ...

    async def bought(self, task: Task) -> None:
        """It bought a task."""
        ...

    async def not_sent(self, error: VidgoError | None) -> None:
        """It certainly bought nothing: it was refused, or not sent at all."""
        ...

    async def unknown(self, error: SubmissionUnknownError) -> None:
        """Its outcome is unknown: a task may exist."""
        ...


class RequestRecord(SubmitRecord, Protocol):
    """Where one request of a batch is written down, with what earlier runs did."""

    @property
    def id(self) -> int:
        """Its number there."""
        ...

    @property
    def task(self) -> Task | None:
        """The task that was bought, as last known."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether that task was seen to end."""
        ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where its files were saved."""
        ...

    async def has_files(self) -> bool:
        """Tell whether they are still there."""
        ...

    async def recall(self, *, retry_failed: bool) -> Task | None:
        """Return what was bought; None where it is to be bought; raise what an outcome is to say."""
        ...

    async def ended(self, task: Task) -> None:
        """Its task ended."""
        ...

    async def saved(self, paths: tuple[Path, ...]) -> None:
        """Its files were saved."""
        ...


@runtime_checkable
class RequestLog(Protocol):
    """Where single requests are written down: an open `Journal`, or an entry of a queue."""

    async def record(self, request: Request, base_url: str, api_key: str) -> RequestRecord:
        """Return the record of a request to this server, by the account of this key."""
        ...


class RunRecord(Protocol):
    """Where one batch is written down."""

    async def open(self) -> None:
        """Begin; raises a `JournalError` before anything is sent."""
        ...

    async def claim(self, request: Request) -> RequestRecord:
        """Return the record of a request of this run."""
        ...

    async def close(self) -> None:
        """End, once all POSTs are written down; may be called again."""
        ...


class Recorder:
    """Writes down each POST of one submit; a cancelled caller loses nothing."""

    def __init__(self, record: SubmitRecord | None) -> None:
        self._record = record

    @property
    def hands_over(self) -> bool:
        """Whether another process is given what was bought."""
        return self._record is not None and self._record.hands_over

    async def before(self) -> bool:
        """Write down that a POST follows; tell whether there is a journal.

        Raises:
            JournalError: It could not be written: nothing may be sent.
            asyncio.CancelledError: Nothing is to be sent any more; that is written down too.
        """
        if self._record is None:
            return False
        writing = asyncio.create_task(self._record.sending())
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await _to_its_end(writing)
            if writing.cancelled():  # by other code, perhaps once it was written
                await _to_its_end(asyncio.create_task(self._record.not_sent(None)))
            elif writing.exception() is None:
                await self.after(None)
            raise
        return True

    async def after(self, result: Task | VidgoError | None) -> None:
        """Write down what came of it: a task, an error, or None if it was not sent.

        A fault of the disk costs no purchase: it is logged, with the id.
        """
        if self._record is None:
            return
        writing = asyncio.create_task(self._written(self._record, result))
        await _to_its_end(writing)
        if writing.cancelled():  # with all tasks at once, as at the end of `asyncio.run`
            writing = asyncio.create_task(self._written(self._record, result))
            await _to_its_end(writing)
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            what = result.task_id if isinstance(result, Task) else result
            logger.error("the journal could not be written (%s): %s", what, error)

    def _written(
        self, record: SubmitRecord, result: Task | VidgoError | None
    ) -> Coroutine[Any, Any, None]:
        match result:
            case Task():
                return record.bought(result)
            case SubmissionUnknownError():
                return record.unknown(result)
            case _:
                return record.not_sent(result)


async def _to_its_end(writing: "asyncio.Task[None]") -> None:
    """Wait for a write, whatever is cancelled: the POST it is about cannot be undone."""
    while not writing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({writing})
    mark_retrieved(writing)


async def note(write: Coroutine[Any, Any, None]) -> None:
    """Write down what happened; a fault of the disk costs no video, and the next run finds out."""
    try:
        await write
    except JournalError as error:
        logger.error("%s", error)  # noqa: TRY400 - the error says it all
