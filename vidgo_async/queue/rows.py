"""One entry of a queue, as a process that runs it writes it down.

The submitter writes `sending` before the POST and one of `bought`, `not_sent` and `unknown` after it.
"""

import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import LiteralString, NamedTuple, Protocol

from vidgo_async._core.errors import (
    APIError,
    JournalError,
    RateLimitError,
    ServerError,
    SubmissionUnknownError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async.journal.entries import EntryState
from vidgo_async.journal.records import Records, dump_error, dump_task, load_error, load_task
from vidgo_async.journal.rows import shown
from vidgo_async.queue.statements import (
    BOUGHT,
    ENDED,
    ENDED_FOR_GOOD,
    FAILED,
    LOST,
    PLANNED,
    REFUSED,
    SAVED,
    SAVED_AGAIN,
    SENDING,
    UNKNOWN,
)

MAX_CLAIM_AGE = 5.0
"""Seconds after which a claim is made again before anything is sent: this process may have slept."""
LOST_MESSAGE = (
    "the process that sent this died before it was answered: a task may exist. Look for it in the "
    "console's history; then `BatchQueue.adopt` it, or `forget` it to send it again"
)


class Fields(NamedTuple):
    """A row of the table."""

    id: int
    batch: str
    place: int
    state: str
    request: str
    task: str | None
    error: str | None
    paths: str | None
    outcome: int | None
    owner: uuid.UUID | None
    claim: uuid.UUID | None
    changed: datetime


class Writer(Protocol):
    """What a row needs of its queue."""

    records: Records

    async def write(self, statement: LiteralString, **parameters: object) -> bool:
        """Run a statement that changes an entry; tell whether it did."""
        ...

    async def bought_late(self, entry_id: int, task: Task) -> None:
        """Write down a purchase for an entry that was taken for something else."""
        ...

    async def exist(self, paths: tuple[Path, ...]) -> bool:
        """Tell whether all these files are there."""
        ...

    async def bind(self, base_url: str, api_key: str) -> None:
        """Refuse another server or account than the queue is for."""
        ...


class Owner(Protocol):
    """The process that runs a row."""

    id: uuid.UUID
    claims: set[uuid.UUID | None]
    """Of its entries whose POST has not ended."""


class TakenError(JournalError):
    """Another process has the entry."""


class Row:
    """One entry, run by this process."""

    def __init__(self, writer: Writer, fields: Fields, *, owner: Owner, saves: bool) -> None:
        """Begin with what was read.

        Args:
            writer: Its queue.
            fields: As it stands there.
            owner: This process.
            saves: Whether it has its outcome only when its files are saved.
        """
        self.fields = fields
        self.request: Request = writer.records.load_request(fields.request)
        self.state: EntryState = EntryState(fields.state)
        self.task: Task | None = load_task(fields.task)
        self.paths: tuple[Path, ...] = writer.records.load_paths(fields.paths)
        self._writer = writer
        self._owner = owner
        self._claim = fields.claim
        self._saves = saves
        self._is_settled = self.has_outcome

    @property
    def id(self) -> int:
        """Its number."""
        return self.fields.id

    @property
    def has_outcome(self) -> bool:
        """Whether it had its outcome when it was read."""
        return self.fields.outcome is not None

    @property
    def error(self) -> VidgoError | None:
        """Why it was refused, is unknown, or has no files."""
        return load_error(self.fields.error, self.request, self.task)

    @property
    def hands_over(self) -> bool:
        """Whether what it bought is written down, so that another process goes on with it."""
        return self.state in {EntryState.BOUGHT, EntryState.UNKNOWN} or self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether its task was seen to end."""
        return self.state in {EntryState.ENDED, EntryState.SAVED}

    async def has_files(self) -> bool:
        """Tell whether its files were saved, and are there on this machine."""
        return self.state is EntryState.SAVED and await self._writer.exist(self.paths)

    async def record(self, request: Request, base_url: str, api_key: str) -> "Row":
        """Return itself, if the queue is for this server and account.

        Raises:
            JournalError: It is for another.
        """
        _ = request  # its own
        await self._writer.bind(base_url, api_key)
        return self

    async def recall(self, *, retry_failed: bool) -> Task | None:
        """Return what was bought for it; None where it is to be bought."""
        _ = retry_failed  # `BatchQueue.retry` plans it anew
        return self.task

    # --- Before and after the POST ----------------------------------------------------------

    async def sending(self) -> None:
        """Write down that it is about to be sent.

        Raises:
            TakenError: Another process has it: do not send it.
            JournalError: That could not be written.
        """
        self._claim = uuid.uuid4()
        self._owner.claims.add(self._claim)
        try:
            await self._take()
        except BaseException:
            self._end_claim()
            raise
        self.state = EntryState.SENDING

    async def _take(self) -> None:
        began = -MAX_CLAIM_AGE
        while time.monotonic() - began >= MAX_CLAIM_AGE:  # others may have taken it for dead
            began = time.monotonic()
            if not await self._write(SENDING, owner=self._owner.id, claim=self._claim):
                msg = f"entry {self.fields.id} is not planned any more"
                raise TakenError(msg)

    def _end_claim(self) -> None:
        self._owner.claims.discard(self._claim)

    async def bought(self, task: Task) -> None:
        """Write down what was bought, whatever was known before."""
        self.task = task
        fields = {"task_id": shown(task.task_id), "task": dump_task(task)}
        try:
            if not await self._write(BOUGHT, claim=self._claim, **fields):
                await self._writer.bought_late(self.fields.id, task)
        finally:
            self._end_claim()
        self.state = EntryState.BOUGHT

    async def not_sent(self, error: VidgoError | None) -> None:
        """Write down that nothing was bought, and why."""
        text = None if error is None else dump_error(error)
        refused = _is_refusal(error)
        try:
            await self._write(REFUSED if refused else PLANNED, claim=self._claim, error=text)
        finally:
            self._end_claim()
        self.state = EntryState.REFUSED if refused else EntryState.PLANNED

    async def unknown(self, error: SubmissionUnknownError) -> None:
        """Write down that its outcome is unknown: a task may exist."""
        try:
            await self._write(UNKNOWN, claim=self._claim, error=dump_error(error))
        finally:
            self._end_claim()
        self.state = EntryState.UNKNOWN

    async def is_lost(self, dead_after: float) -> bool:
        """Make an entry unknown whose sender died before it was answered; tell whether it did.

        This process itself is alive, and knows what it sends: another one of its own was answered,
        and that could not be written down.
        """
        text = dump_error(SubmissionUnknownError(LOST_MESSAGE, self.request))
        if self.fields.owner != self._owner.id:
            return await self._write(LOST, claim=self._claim, seconds=dead_after, error=text)
        if self._claim in self._owner.claims:
            return False
        return await self._write(UNKNOWN, claim=self._claim, error=text)

    # --- After that -------------------------------------------------------------------------

    async def ended(self, task: Task) -> None:
        """Write down how its task ended."""
        is_settled = task.failed or not self._saves
        statement = ENDED_FOR_GOOD if is_settled else ENDED
        self._is_settled = await self._write_of_task(statement, task=dump_task(task)) and is_settled
        self.state = EntryState.ENDED

    async def saved(self, paths: tuple[Path, ...]) -> None:
        """Write down where its files are."""
        text = self._writer.records.dump_paths(paths)
        if not await self._write_of_task(SAVED, paths=text):
            await self._write_of_task(SAVED_AGAIN, paths=text)
        self.paths = paths
        self.state = EntryState.SAVED
        self._is_settled = True

    async def settle(self, task: Task) -> None:
        """Give it its outcome, where an earlier run had seen its end, or the database was away."""
        if not self._is_settled:
            self._saves = False
            await self.ended(task)

    async def cannot(self, error: VidgoError) -> None:
        """Write down why it cannot be done, unless it has its outcome."""
        await self._write_of_task(FAILED, error=dump_error(error))

    async def _write_of_task(self, statement: LiteralString, **parameters: object) -> bool:
        """Write where the entry still holds the task that this process knows."""
        task_id = None if self.task is None else shown(self.task.task_id)
        return await self._write(statement, task_id=task_id, claim=self._claim, **parameters)

    async def _write(self, statement: LiteralString, **parameters: object) -> bool:
        fields = self.fields
        return await self._writer.write(statement, id=fields.id, batch=fields.batch, **parameters)


def _is_refusal(error: VidgoError | None) -> bool:
    """Tell whether the server refused this request, and not just now."""
    return isinstance(error, APIError) and not isinstance(error, RateLimitError | ServerError)
