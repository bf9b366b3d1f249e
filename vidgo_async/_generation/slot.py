"""One request of a batch, from being read until its outcome is yielded."""

import asyncio
from typing import TYPE_CHECKING, cast

from vidgo_async._core.models import Request, Task
from vidgo_async._generation.outcome import Failure, Outcome, Success

if TYPE_CHECKING:
    from pathlib import Path

    from vidgo_async._core.errors import VidgoError
    from vidgo_async.requests import PreparedRequest


class Slot:
    """One request, from being read until its outcome is yielded."""

    # There are as many as requests in flight: without a dict each takes less memory.
    __slots__ = (
        "entry",
        "error",
        "index",
        "is_over",
        "is_recalled",
        "job",
        "paths",
        "prepared",
        "seconds",
        "stage",
        "task",
    )

    def __init__(self, index: int, prepared: "PreparedRequest", stage: asyncio.Semaphore) -> None:
        self.index: int = index
        self.prepared: PreparedRequest = prepared
        self.task: Task | None = None
        self.error: VidgoError | None = None
        self.paths: tuple[Path, ...] = ()
        self.seconds: float | None = None
        """How long its task took, from its submit until it was seen to end; None if not seen."""
        self.is_over: bool = False
        """Whether what became of it is known: it may still be written down."""
        self.is_recalled: bool = False
        """Whether an earlier run saw its task end."""
        self.entry: int | None = None
        """Its number in the journal, if there is one."""
        self.job: asyncio.Task[None]
        """What runs it, as soon as it is among the slots."""
        self.stage: asyncio.Semaphore = stage
        """The semaphore this slot holds: uploading, in flight or done."""

    @property
    def request(self) -> Request:
        """What to generate."""
        return self.prepared.request

    def outcome(self, task: Task | None) -> Outcome:
        """Return its outcome, with the last known state of its task."""
        if self.error is None:  # so it has a task, which finished
            return Success(self.index, self.request, cast("Task", task), paths=self.paths)
        return Failure(self.index, self.request, task, self.error, paths=self.paths)

    async def enter(self, stage: asyncio.Semaphore) -> None:
        """Move on to another stage; the one before is held until there is room."""
        await stage.acquire()
        self.stage.release()
        self.stage = stage
