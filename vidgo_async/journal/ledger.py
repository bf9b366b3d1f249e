"""The rows of a journal: claimed by runs, and read as entries.

Each run has a number. Reading a request claims the first row of its key with an older run, or adds
one: so a hundred equal requests are a hundred purchases, and their order does not matter.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.errors import JournalError
from vidgo_async._core.models import UNSEEN, Request, Task
from vidgo_async.journal.entries import Entry, EntryState
from vidgo_async.journal.keys import key_of, request_key
from vidgo_async.journal.origin import Origin, check_origin
from vidgo_async.journal.records import (
    Records,
    absolute_path,
    dump_task,
    load_error,
    load_task,
    working_folder,
)
from vidgo_async.journal.rows import Fields, Row, now, shown, update
from vidgo_async.journal.store import Store
from vidgo_async.requests import PreparedRequest

_Value = TypeVar("_Value")

PAGE = 1000
"""Rows that are read at a time."""
_COLUMNS = "id, state, task, error, paths, changed"
_UNDECIDED = """
SELECT 1 FROM request WHERE id = ? AND request = ? AND (
    state = 'unknown' OR (state = 'bought' AND task LIKE '%"status":"unknown"%')
)
"""
"""An entry of which only the user can tell; or told, and no poll has seen its task yet."""
Stored = tuple[Any, ...]
"""What SQLite returns for a row: the columns above, perhaps with the request after them."""


class Ledger:
    """The rows of an open journal."""

    def __init__(self, path: Path, *, new_key: bool) -> None:
        self.path = path
        self.records: Records
        self._new_key = new_key
        self._store: Store
        self._threads = Threads()
        self._origin: tuple[str, str] | None = None
        """The server and the key that it was found to be for."""
        self._run = 0
        self._posts = 0
        self._no_posts = asyncio.Event()

    async def open(self) -> None:
        """Open the file, or make it.

        Raises:
            JournalError: It is in use, no journal, of a newer format, or cannot be used.
        """
        here = await self._threads.run(working_folder)
        file = absolute_path(here, self.path)
        self.records = Records(here, file.parent)
        self._store = Store(file)
        await self._store.open()
        try:
            self._run = await self.write(_begin_run)
        except BaseException:
            await self._store.close()
            raise

    async def close(self) -> None:
        """Close the file, once the POSTs in flight are written down."""
        while self._posts:
            self._no_posts.clear()
            await self._no_posts.wait()
        await self._store.close()

    # --- Entries ----------------------------------------------------------------------------

    async def entries(self, state: EntryState | None) -> list[Entry]:
        """Return all entries, or those in a state."""

        def read(database: Connection) -> list[Stored]:
            statement = (
                f"SELECT {_COLUMNS}, request FROM request WHERE ? IN (state, '') ORDER BY id"  # noqa: S608
            )
            return database.execute(statement, (state or "",)).fetchall()

        return [self._entry(*found) for found in await self.write(read)]

    async def adopt(self, entry: Entry, task_id: str) -> None:
        """Give an unknown entry its task."""
        task = dump_task(Task(task_id, UNSEEN, model=entry.request.model))
        await self._decide(entry, "bought", task_id=shown(task_id), task=task)

    async def forget(self, entry: Entry) -> None:
        """Let an unknown entry be sent."""
        await self._decide(entry, "planned", task_id=None, task=None)

    async def _decide(self, entry: Entry, state: str, **fields: str | None) -> None:
        text = self.records.dump_request(entry.request)

        def decide(database: Connection) -> bool:
            found = database.execute(_UNDECIDED, (entry.id, text)).fetchone()
            work = update(entry.id, state, {**fields, "error": None}, "id = ?")
            return found is not None and work(database)

        if not await self.write(decide):
            msg = f"entry {entry.id} is not unknown, or not in the journal {self.path}"
            raise JournalError(msg)

    def _entry(self, *found: Any) -> Entry:
        *columns, text = found
        fields = Fields(*columns)
        request = self.records.load_request(text)
        return Entry(
            id=fields.id,
            request=request,
            state=EntryState(fields.state),
            task=load_task(fields.task),
            error=load_error(fields.error, request),
            paths=self.records.load_paths(fields.paths),
            changed_at=datetime.fromisoformat(fields.changed),
        )

    # --- Runs -------------------------------------------------------------------------------

    async def bind(self, base_url: str, api_key: str) -> None:
        """Refuse another server or account than the one it was made with.

        Raises:
            JournalError: It is another.
        """
        if self._origin == (base_url, api_key):
            return

        def bind(database: Connection) -> None:
            what = f"the journal {self.path}"
            _bind(database, base_url, api_key, new_key=self._new_key, what=what)

        await self.write(bind)
        self._origin = (base_url, api_key)

    async def claim(self, request: Request) -> Row:
        """Take the next row of a request that this run has not taken, or add one.

        Raises:
            OSError: A picture of it cannot be read.
            JournalError: The file cannot be written.
        """
        prepared = PreparedRequest(request)
        if prepared.sources:
            self.records = self.records.at(await self._threads.run(working_folder))
        if prepared.is_heavy:
            key, text = await self._threads.run(self._key_and_text, request)
        else:  # in the order of reading, which threads would not keep
            key, text = self._key_and_text(request)

        def take(database: Connection) -> Stored:
            return _claim(database, key, self._run, text)

        return Row(self, request, Fields(*await self.write(take)))

    async def count_new(self, requests: Iterable[Request]) -> int:
        """Count the requests that a run would buy: each takes the next row of its key."""
        run = self._run
        rows = await self.write(lambda database: _bought_by_key(database, run))
        new = 0
        for request in requests:
            of_key = rows.get(await key_of(request, self._threads))
            new += not (of_key and of_key.popleft())
        return new

    def _key_and_text(self, request: Request) -> tuple[str, str]:
        return request_key(request), self.records.dump_request(request)

    async def rows(self) -> AsyncGenerator[Row]:
        """Give the rows that this run has not taken, in their order, and take them."""
        last = 0
        while page := await self._claim_page(last):
            for *fields, text in page:
                last = fields[0]
                yield Row(self, self.records.load_request(text), Fields(*fields))

    async def _claim_page(self, last: int) -> list[Stored]:
        def take(database: Connection) -> list[Stored]:
            return _claim_page(database, last, self._run)

        return await self.write(take)

    # --- For rows ---------------------------------------------------------------------------

    async def write(self, work: Callable[[Connection], _Value]) -> _Value:
        """Run statements in a transaction that is on disk when this returns.

        Raises:
            JournalError: They could not be written.
        """
        return await self._store.run(work)

    async def exist(self, paths: tuple[Path, ...]) -> bool:
        """Tell whether all these files are there."""
        return await self._threads.run(lambda: all(path.is_file() for path in paths))

    def post_began(self) -> None:
        """Note that a POST may be sent, whose end is to be written down."""
        self._posts += 1

    def post_ended(self) -> None:
        """Note that it was."""
        self._posts -= 1
        if self._posts == 0:
            self._no_posts.set()


# --- Statements -----------------------------------------------------------------------------


def _begin_run(database: Connection) -> int:
    """Number a new run. What is still `sending` was sent by one that died before the answer."""
    database.execute("UPDATE request SET state = 'unknown' WHERE state = 'sending'")
    run: int = database.execute("SELECT coalesce(max(run), 0) + 1 FROM request").fetchone()[0]
    return run


def _bought_by_key(database: Connection, run: int) -> dict[str, deque[bool]]:
    """Tell of each row that a run has not taken, by its key, whether it would not buy it."""
    found = dict[str, deque[bool]]()
    rows = database.execute(
        "SELECT key, state, task FROM request WHERE run < ? ORDER BY key, ordinal", (run,)
    )
    for key, state, text in rows:
        task = load_task(text)
        is_bought = state == "unknown" or (task is not None and not task.failed)
        found.setdefault(key, deque()).append(is_bought)
    return found


def _claim(database: Connection, key: str, run: int, text: str) -> Stored:
    found: Stored | None = database.execute(
        f"SELECT {_COLUMNS} FROM request WHERE key = ? AND run < ? ORDER BY ordinal LIMIT 1",  # noqa: S608
        (key, run),
    ).fetchone()
    if found is None:
        return _add(database, key, run, text)
    database.execute("UPDATE request SET run = ? WHERE id = ?", (run, found[0]))
    return found


def _add(database: Connection, key: str, run: int, text: str) -> Stored:
    changed = now()
    (ordinal,) = database.execute("SELECT count(*) FROM request WHERE key = ?", (key,)).fetchone()
    added = database.execute(
        "INSERT INTO request (key, ordinal, run, state, request, changed) "
        "VALUES (?, ?, ?, 'planned', ?, ?)",
        (key, ordinal, run, text, changed),
    )
    return (added.lastrowid, "planned", None, None, None, changed)


def _claim_page(database: Connection, last: int, run: int) -> list[Stored]:
    page = database.execute(
        f"SELECT {_COLUMNS}, request FROM request WHERE id > ? AND run < ? ORDER BY id LIMIT {PAGE}",  # noqa: S608
        (last, run),
    ).fetchall()
    database.executemany("UPDATE request SET run = ? WHERE id = ?", [(run, row[0]) for row in page])
    return page


def _bind(database: Connection, base_url: str, api_key: str, *, new_key: bool, what: str) -> None:
    found = database.execute("SELECT base_url, salt, account FROM origin").fetchone()
    known = None if found is None else Origin(*found)
    origin = check_origin(known, base_url, api_key, new_key=new_key, what=what)
    if origin != known:
        database.execute("DELETE FROM origin")
        database.execute("INSERT INTO origin VALUES (?, ?, ?)", origin)
