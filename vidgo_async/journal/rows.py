"""One request of a run: what is written down of it, and what is to be.

The submitter writes `sending` before the POST and one of `bought`, `not_sent` and `unknown` after it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any, NamedTuple, Protocol, TypeVar

from vidgo_async._core.errors import (
    JournalError,
    SubmissionUnknownError,
    TaskFailedError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async.journal.entries import EntryState
from vidgo_async.journal.records import Records, dump_error, dump_task, load_error, load_task

_Value = TypeVar("_Value")

INTERRUPTED = (
    "an earlier run ended before this submit was answered: a task may exist. Look for it in the "
    "console's history; then `Journal.adopt` it, or `forget` it to send it again"
)


class Fields(NamedTuple):
    """A row of the table."""

    id: int
    state: str
    task: str | None
    error: str | None
    paths: str | None
    changed: str


class Writer(Protocol):
    """What a row needs of its journal."""

    records: Records

    async def write(self, work: Callable[[Connection], _Value]) -> _Value:
        """Run statements in a transaction that is on disk when this returns."""
        ...

    async def exist(self, paths: tuple[Path, ...]) -> bool:
        """Tell whether all these files are there."""
        ...

    def post_began(self) -> None:
        """Note that a POST may be sent, whose end is to be written down."""
        ...

    def post_ended(self) -> None:
        """Note that it was."""
        ...


class Row:
    """One request of a run."""

    __slots__ = ("_error", "_is_posting", "_writer", "id", "paths", "request", "state", "task")

    def __init__(self, writer: Writer, request: Request, fields: Fields) -> None:
        self._writer = writer
        self.request: Request = request
        self.id: int = fields.id
        self.state: EntryState = EntryState(fields.state)
        self.task: Task | None = load_task(fields.task)
        self.paths: tuple[Path, ...] = writer.records.load_paths(fields.paths)
        self._error = fields.error
        self._is_posting = False

    @property
    def has_ended(self) -> bool:
        """Whether its task was seen to end."""
        return self.state in {EntryState.ENDED, EntryState.SAVED}

    @property
    def hands_over(self) -> bool:
        """False: only this process has the file."""
        return False

    async def has_files(self) -> bool:
        """Tell whether its files were saved, and are still there."""
        return self.state is EntryState.SAVED and await self._writer.exist(self.paths)

    async def recall(self, *, retry_failed: bool) -> Task | None:
        """Return what was bought for it; None where it is to be bought.

        Raises:
            SubmissionUnknownError: Only the user can tell.
            TaskFailedError: It failed, and is not to be tried again.
        """
        if self.state is EntryState.UNKNOWN:
            raise load_error(self._error, self.request) or SubmissionUnknownError(
                INTERRUPTED, self.request
            )
        if not (self.has_ended and self.task is not None and self.task.failed):
            return self.task
        if not retry_failed:
            raise TaskFailedError(self.task)
        error = dump_error(TaskFailedError(self.task))
        await self._move("planned", "ended", task_id=None, task=None, error=error)
        self.task = None
        return None

    # --- Before and after the POST ----------------------------------------------------------

    async def sending(self) -> None:
        """Write down that it is about to be sent.

        Raises:
            JournalError: That could not be written, or another process has it: do not send it.
        """
        self._is_posting = True
        self._writer.post_began()
        try:
            await self._move("sending", "planned", error=None)
        except BaseException:
            self._end_post()
            raise

    async def bought(self, task: Task) -> None:
        """Write down what was bought, whatever was known before."""
        self.task = task
        fields = {"task_id": shown(task.task_id), "task": dump_task(task), "error": None}
        await self._after_post(self._set("bought", **fields))

    async def not_sent(self, error: VidgoError | None) -> None:
        """Write down that nothing was bought, and why."""
        text = None if error is None else dump_error(error)
        await self._after_post(self._move("planned", "sending", error=text))

    async def unknown(self, error: SubmissionUnknownError) -> None:
        """Write down that its outcome is unknown: a task may exist."""
        await self._after_post(self._move("unknown", "sending", error=dump_error(error)))

    async def _after_post(self, write: Any) -> None:
        try:
            await write
        finally:
            self._end_post()

    def _end_post(self) -> None:
        if self._is_posting:
            self._is_posting = False
            self._writer.post_ended()

    # --- After that -------------------------------------------------------------------------

    async def ended(self, task: Task) -> None:
        """Write down how its task ended."""
        self.task = task
        await self._set("ended", task_id=shown(task.task_id), task=dump_task(task))

    async def saved(self, paths: tuple[Path, ...]) -> None:
        """Write down where its files are."""
        self.paths = paths
        await self._set("saved", paths=self._writer.records.dump_paths(paths))

    # --- Statements -------------------------------------------------------------------------

    async def _move(self, state: str, before: str, **fields: str | None) -> None:
        """Change the state, if it is as expected: a compare-and-set."""
        if not await self._update(state, fields, f"id = ? AND state = '{before}'"):
            msg = f"entry {self.id} is not {before} any more: another process has changed it"
            raise JournalError(msg)

    async def _set(self, state: str, **fields: str | None) -> None:
        await self._update(state, fields, "id = ?")

    async def _update(self, state: str, fields: dict[str, str | None], where: str) -> bool:
        is_changed = await self._writer.write(update(self.id, state, fields, where))
        self.state = EntryState(state)
        return is_changed


def update(
    id_: int, state: str, fields: dict[str, str | None], where: str
) -> Callable[[Connection], bool]:
    """Return what changes a row; it tells whether it did."""
    values = {"state": state, **fields, "changed": now()}
    # The names are ours, and the values are parameters.
    assignments = ", ".join(f"{name} = ?" for name in values)
    statement = f"UPDATE request SET {assignments} WHERE {where}"  # noqa: S608

    def work(database: Connection) -> bool:
        return database.execute(statement, (*values.values(), id_)).rowcount == 1

    return work


def shown(task_id: str) -> str:
    """Return an id as databases take it; as it is, it stands in the task."""
    return task_id.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def now() -> str:
    """Return the time as it is written down."""
    return datetime.now(UTC).isoformat()
