"""One request, run to its end for a caller who waits for it."""

from pathlib import Path
from typing import cast

import attrs

from vidgo_async._core.concurrency import now
from vidgo_async._core.errors import SessionClosedError, SubmissionUnknownError, VidgoError
from vidgo_async._core.models import Request, Task, as_in_flight
from vidgo_async._files.downloads import Folder
from vidgo_async._generation.outcome import Failure, Outcome, Success
from vidgo_async._generation.outcome_record import new_run, seconds_since_submit
from vidgo_async._generation.records import RequestRecord, note
from vidgo_async._generation.runner import Written, log_outcome, save
from vidgo_async._generation.submitter import Submitter
from vidgo_async._polling.completions import OnUpdate, wait_for_end
from vidgo_async.requests import PreparedRequest


@attrs.define(kw_only=True, eq=False, repr=False)
class Single:
    """One request, run to its end; its timeout begins when its uploads are done."""

    task: Task | None = attrs.field(init=False, default=None)
    """What was bought, as last known."""

    submitter: Submitter
    request: Request
    callback_url: str | None
    timeout: float | None
    on_update: OnUpdate | None
    record: RequestRecord | None
    folder: Folder | None
    """Where its files are saved, if they are."""
    _run_id: str = attrs.field(init=False, factory=new_run)
    _paths: tuple[Path, ...] = attrs.field(init=False, default=())
    _seconds: float | None = attrs.field(init=False, default=None)
    _is_recalled: bool = attrs.field(init=False, default=False)
    _started_at: float = attrs.field(init=False, default=0.0)

    async def buy(self) -> Task:
        """Buy a task, or return the one that an earlier run bought."""
        self.task = await self._buy()
        return self.task

    async def _buy(self) -> Task:
        if self.record is not None:
            task = await self.record.recall(retry_failed=True)
            if task is not None:
                self._started_at = now()
                return task
        prepared = PreparedRequest(self.request)
        links = await self.submitter.upload_media(prepared)
        self._started_at = now()
        deadline = None if self.timeout is None else self._started_at + self.timeout
        return await self.submitter.submit(
            prepared, links, self.callback_url, deadline=deadline, record=self.record
        )

    async def wait(self, task: Task) -> Task:
        """Wait until the task has ended."""
        if self.on_update is not None:
            self.on_update(task)
        if self.record is not None and self.record.has_ended:
            self._is_recalled = True
            return task
        self.task = ended = await wait_for_end(
            self.submitter.poller,
            as_in_flight(task),
            timeout=self.timeout,
            started_at=self._started_at,
            on_update=self.on_update,
        )
        self._seconds = seconds_since_submit(ended)
        if self.record is not None:
            await note(self.record.ended(ended))
        return ended

    async def save(self, task: Task) -> None:
        """Save its files, if they are to be."""
        self._paths = await save(self.folder, task, self.record)

    def release(self, error: VidgoError | None) -> None:
        """Record what it bought and does not return to its caller."""
        is_kept = self.record is not None and self.record.hands_over
        if isinstance(error, SessionClosedError) or is_kept:  # it is recorded, or not lost
            return
        if isinstance(error, SubmissionUnknownError):
            self.submitter.add_unclaimed(error)
        elif self.task is not None and not self.task.failed:
            self.submitter.add_unclaimed(self.task)

    async def log(self, error: VidgoError | None) -> None:
        """Write down what became of it, beside its files."""
        if self.folder is None:
            return
        task = (error and error.task) or self.task
        if error is None:
            outcome: Outcome = Success(0, self.request, cast("Task", task), paths=self._paths)
        else:
            outcome = Failure(0, self.request, task, error)
        entry = None if self.record is None else self.record.id
        await log_outcome(
            self.folder,
            outcome,
            Written(self._run_id, self._seconds, entry, self._is_recalled, is_single=True),
        )
