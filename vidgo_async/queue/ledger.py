"""The entries of batches: added, read, and decided upon."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, LiteralString

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.errors import JournalError, TaskFailedError
from vidgo_async._core.models import UNSEEN, Task
from vidgo_async._generation.outcome import Failure, Outcome, Success
from vidgo_async._generation.request_source import End, Requests, RequestSource
from vidgo_async.journal.entries import Entry, EntryState
from vidgo_async.journal.keys import key_of
from vidgo_async.journal.origin import Origin, check_origin
from vidgo_async.journal.records import Records, dump_task, load_error, load_task, working_folder
from vidgo_async.journal.rows import shown
from vidgo_async.queue import statements
from vidgo_async.queue.database import Connection, Database, logger
from vidgo_async.queue.rows import Fields, Owner, Row
from vidgo_async.requests import check_request

ADD_AT_ONCE = 1000
"""Requests that are added in one transaction."""
MAX_PAGE = 16 * 1024 * 1024
"""Characters of them, or few more: pictures may stand in requests."""

Defer = Callable[[Connection, Sequence[int]], Awaitable[None]]
"""Makes a job for each of these entries, in a transaction."""
_New = tuple[str, int, str]
"""The key, ordinal and text of a request."""


class Ledger:
    """The entries in a database."""

    def __init__(self, database: Database, defer: Defer, *, new_key: bool) -> None:
        self.records: Records
        self._database = database
        self._defer = defer
        self._new_key = new_key
        self._threads = Threads()
        self._origin: tuple[str, str] | None = None
        """The server and the key that it was found to be for."""

    async def open(self) -> None:
        """Find out what relative paths begin at."""
        self.records = Records(await self._threads.run(working_folder))

    # --- Adding -----------------------------------------------------------------------------

    async def add(self, batch: str, requests: Requests) -> int:
        """Add the requests that the batch does not know; return how many.

        Raises:
            JournalError: They could not be written; those before may have been.
            OSError: A picture of one cannot be read.
        """
        ordinals = Counter[str]()
        added = await self._add_page(batch, [])  # the batch exists, whatever is in it
        page: list[_New] = []
        size = 0
        async with RequestSource(requests) as source:
            while not isinstance(request := await source.next(), End):
                check_request(request)
                key = await key_of(request, self._threads)
                text = self.records.dump_request(request)
                page.append((key, ordinals[key], text))
                ordinals[key] += 1
                size += len(text)
                if len(page) == ADD_AT_ONCE or size > MAX_PAGE:
                    added += await self._add_page(batch, page)
                    page, size = [], 0
        return added + await self._add_page(batch, page)

    async def _add_page(self, batch: str, page: Sequence[_New]) -> int:
        keys, ordinals, requests = [list(column) for column in zip(*page, strict=True)] or [[]] * 3
        parameters = {"batch": batch, "keys": keys, "ordinals": ordinals, "requests": requests}

        async def add(connection: Connection) -> int:
            await connection.execute(statements.NEW_BATCH, parameters)
            await connection.execute(statements.LOCK_BATCH, parameters)
            cursor = await connection.execute(statements.ADD, parameters)
            ids = [entry_id for (entry_id,) in await cursor.fetchall()]
            await self._defer(connection, ids)
            return len(ids)

        return await self._database.transact(add)

    # --- Reading ----------------------------------------------------------------------------

    async def row(self, entry_id: int, *, owner: Owner, saves: bool) -> Row | None:
        """Return an entry for a process that runs it; None if there is none."""
        found = await self._database.run(statements.ROW, {"id": entry_id})
        return Row(self, Fields(*found[0]), owner=owner, saves=saves) if found else None

    async def entries(self, batch: str, state: EntryState | None) -> list[Entry]:
        """Return the entries of a batch, or those in a state."""
        await self.outcomes_so_far(batch)
        parameters = {"batch": batch, "state": state}
        found = await self._database.run(statements.ENTRIES, parameters)
        return [self._entry(Fields(*columns)) for columns in found]

    async def counts(self, batch: str | None) -> dict[str, dict[EntryState, int]]:
        """Return how many entries of each batch, or of one, are in each state."""
        names = [name for (name,) in await self._database.run(statements.BATCHES)]
        if batch is not None:
            await self.outcomes_so_far(batch)
            names = [batch]
        counts: dict[str, dict[EntryState, int]] = {name: {} for name in names}
        for name, state, count in await self._database.run(statements.COUNTS, {"batch": batch}):
            counts.setdefault(name, {})[EntryState(state)] = count
        return counts

    async def outcomes_so_far(self, batch: str) -> int:
        """Return the number of the last outcome of a batch.

        Raises:
            JournalError: There is no such batch.
        """
        found = await self._database.run(statements.BATCH, {"batch": batch})
        if not found:
            msg = f"there is no batch {batch!r} in {self._database.shown}"
            raise JournalError(msg)
        last: int = found[0][0]
        return last

    async def outcomes_after(self, batch: str, number: int) -> list[tuple[int, Outcome]]:
        """Return some of the outcomes that come after a number, with theirs."""
        parameters = {"batch": batch, "after": number}
        found = await self._database.run(statements.OUTCOMES_PAGE, parameters)
        rows = [Fields(*columns) for columns in found]
        return [(row.outcome or 0, self._outcome(row)) for row in rows]

    async def outcome(self, entry_id: int) -> Outcome | None:
        """Return what became of an entry; None while it is under way."""
        found = await self._database.run(statements.ROW, {"id": entry_id})
        rows = [Fields(*columns) for columns in found]
        return self._outcome(rows[0]) if rows and rows[0].outcome is not None else None

    async def is_open(self, batch: str | None) -> bool:
        """Tell whether an entry has no outcome yet, of a batch or of any."""
        statement = statements.ANY_OPEN if batch is None else statements.IS_OPEN
        found = await self._database.run(statement, {"batch": batch})
        return bool(found[0][0])

    def _entry(self, fields: Fields) -> Entry:
        request = self.records.load_request(fields.request)
        task = load_task(fields.task)
        return Entry(
            id=fields.id,
            batch=fields.batch,
            request=request,
            state=EntryState(fields.state),
            task=task,
            error=load_error(fields.error, request, task),
            paths=self.records.load_paths(fields.paths),
            changed_at=fields.changed.astimezone(UTC),
        )

    def _outcome(self, fields: Fields) -> Outcome:
        entry = self._entry(fields)
        task, error = entry.task, entry.error
        if task is not None and error is None:
            if task.finished:
                return Success(fields.place, entry.request, task, paths=entry.paths)
            error = TaskFailedError(task)
        error = error or JournalError(f"entry {entry.id} has no outcome")
        return Failure(fields.place, entry.request, task, error, paths=entry.paths)

    # --- Decisions --------------------------------------------------------------------------

    async def adopt(self, entry: Entry, task_id: str) -> None:
        """Give an unknown entry its task."""
        task = Task(task_id, UNSEEN, model=entry.request.model)
        parameters = {"task_id": shown(task_id), "task": dump_task(task)}
        await self._decide(statements.ADOPT, entry, parameters)

    async def forget(self, entry: Entry) -> None:
        """Let an unknown entry be sent."""
        await self._decide(statements.FORGET, entry, {})

    async def retry(self, batch: str) -> int:
        """Plan anew what failed or was refused, and go on with what has an error; return how many."""
        await self.outcomes_so_far(batch)
        return len(await self._change(statements.RETRY, {"batch": batch}))

    async def hint(self, task_ids: Sequence[str]) -> None:
        """Tell all workers that these tasks are said to have ended."""
        await self._database.run(
            statements.NOTIFY, {"task_ids": [shown(task_id) for task_id in task_ids]}
        )

    async def _decide(
        self, statement: LiteralString, entry: Entry, parameters: dict[str, Any]
    ) -> None:
        request = self.records.dump_request(entry.request)
        which = {"id": entry.id, "batch": entry.batch, "request": request}
        if not await self._change(statement, {**which, **parameters}):
            msg = f"entry {entry.id} is not unknown, or not in {self._database.shown}"
            raise JournalError(msg)

    async def _change(self, statement: LiteralString, parameters: dict[str, Any]) -> list[int]:
        """Change entries, and make a job for each; return their ids."""

        async def change(connection: Connection) -> list[int]:
            cursor = await connection.execute(statement, parameters)
            ids = [entry_id for (entry_id,) in await cursor.fetchall()]
            await self._defer(connection, ids)
            return ids

        return await self._database.transact(change)

    # --- For rows ---------------------------------------------------------------------------

    async def write(self, statement: LiteralString, **parameters: object) -> bool:
        """Run a statement that changes an entry; tell whether it did."""
        return bool(await self._database.run(statement, parameters))

    async def bought_late(self, entry_id: int, task: Task) -> None:
        """Write down a purchase for an entry that was taken for something else, and go on with it."""
        parameters = {"id": entry_id, "task_id": shown(task.task_id), "task": dump_task(task)}
        before = await self._database.run(statements.ROW, parameters)
        known = load_task(Fields(*before[0]).task) if before else None
        if await self._change(statements.BOUGHT_LATE, parameters) and known is not None:
            logger.error(
                "entry %d was bought twice: %s is in its place, and not %s any more",
                entry_id,
                task.task_id,
                known.task_id,
            )

    async def exist(self, paths: tuple[Path, ...]) -> bool:
        """Tell whether all these files are there."""
        return await self._threads.run(lambda: all(path.is_file() for path in paths))

    async def bind(self, base_url: str, api_key: str) -> None:
        """Refuse another server or account than the first session that worked on the queue had.

        Raises:
            JournalError: It is another.
        """
        if self._origin == (base_url, api_key):
            return

        async def bind(connection: Connection) -> None:
            await connection.execute(statements.LOCK_ORIGIN)
            cursor = await connection.execute(statements.ORIGIN)
            found = await cursor.fetchone()
            known = None if found is None else Origin(*found)
            what = f"the queue at {self._database.shown}"
            origin = check_origin(known, base_url, api_key, new_key=self._new_key, what=what)
            if origin != known:
                await connection.execute(statements.NO_ORIGIN)
                await connection.execute(statements.NEW_ORIGIN, origin._asdict())

        await self._database.transact(bind)
        self._origin = (base_url, api_key)
