"""A journal's file: SQLite in a thread of its own.

What comes while a commit is under way shares the next one, so that hundreds of requests at once do
not wait for as many syncs of the disk. A second connection holds an exclusive lock on a file beside
it, which the system lets go of however this process ends.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from vidgo_async._core.concurrency import TaskSet, run_shielded
from vidgo_async._core.errors import JournalError

APPLICATION_ID = 0x76696467
"""Marks a file of SQLite as a journal: "vidg"."""
FORMAT = 1
"""The format of the tables; a newer one is refused."""
LOCK_WAIT = 1.0
"""Seconds to wait for a process that is just ending."""
SCHEMA = """
CREATE TABLE request (
    id      INTEGER PRIMARY KEY,
    key     TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    state   TEXT NOT NULL
            CHECK (state IN ('planned', 'sending', 'bought', 'ended', 'saved', 'unknown')),
    request TEXT NOT NULL,
    task_id TEXT,
    task    TEXT,
    error   TEXT,
    paths   TEXT,
    changed TEXT NOT NULL,
    UNIQUE (key, ordinal)
);
CREATE INDEX unclaimed ON request (key, run, ordinal);
CREATE TABLE origin (base_url TEXT NOT NULL, salt TEXT NOT NULL, account TEXT NOT NULL);
"""

_Value = TypeVar("_Value")
Work = Callable[[sqlite3.Connection], Any]
"""Runs statements, in the thread and in a transaction."""


class Store:
    """The open file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._limiter = anyio.CapacityLimiter(1)
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._writers = TaskSet()
        self._is_writing = False
        self._database: sqlite3.Connection
        self._connections: contextlib.ExitStack
        """Closes the database, and then lets go of the lock."""

    async def open(self) -> None:
        """Open the file, or make it; nobody else may have it open.

        Raises:
            JournalError: It is in use, no journal, of a newer format, or cannot be used.
        """
        await run_shielded(anyio.to_thread.run_sync(self._open, limiter=self._limiter))

    async def close(self) -> None:
        """Write what is left, and let go of the file."""
        await self._writers.wait()
        await run_shielded(anyio.to_thread.run_sync(self._close, limiter=self._limiter))

    async def run(self, work: Callable[[sqlite3.Connection], _Value]) -> _Value:
        """Run statements in a transaction that is on disk when this returns.

        Raises:
            JournalError: They could not be written; none of them took effect.
        """
        future: asyncio.Future[_Value] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if not self._is_writing:
            self._is_writing = True
            _ = self._writers.start(self._write())
        return await future

    async def _write(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            works = [work for work, _ in taken]
            try:
                results = await anyio.to_thread.run_sync(
                    self._transact, works, limiter=self._limiter
                )
            except sqlite3.Error as error:
                results = [_failed(self.path, error) for _ in taken]
            for (_, future), result in zip(taken, results, strict=True):
                _resolve(future, result)
        self._is_writing = False

    # --- In the thread ----------------------------------------------------------------------

    def _open(self) -> None:
        with contextlib.ExitStack() as stack:
            try:
                self._connect(self.path.with_name(self.path.name + "-lock"), stack, self._acquire)
                self._database = self._connect(self.path, stack, self._prepare)
            except sqlite3.Error as error:
                raise _failed(self.path, error) from error
            except OSError as error:
                msg = f"cannot open the journal {self.path}: {error.strerror}"
                raise JournalError(msg) from error
            self._connections = stack.pop_all()

    def _connect(
        self,
        path: Path,
        stack: contextlib.ExitStack,
        prepare: Callable[[sqlite3.Connection], None],
    ) -> sqlite3.Connection:
        _make_private(path)
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        stack.callback(database.close)
        prepare(database)
        return database

    def _acquire(self, lock: sqlite3.Connection) -> None:
        lock.execute(f"PRAGMA busy_timeout = {LOCK_WAIT * 1000:.0f}")
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                msg = f"the journal {self.path} is in use by another run"
                raise JournalError(msg, "in_use") from None
            raise

    def _prepare(self, database: sqlite3.Connection) -> None:
        if not self.path.stat().st_size:
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            msg = f"{self.path} is no journal of vidgo_async"
            raise JournalError(msg)
        if version > FORMAT:
            msg = f"the journal {self.path} has the newer format {version}: update vidgo_async"
            raise JournalError(msg)
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            msg = f"the journal {self.path} must lie on a local disk: locks do not work here"
            raise JournalError(msg, "no_locks")
        database.execute("PRAGMA synchronous = FULL")
        tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == (0,):
            database.executescript(f"BEGIN; {SCHEMA} COMMIT;")

    def _close(self) -> None:
        with self._connections, contextlib.suppress(sqlite3.Error):  # all is on disk in any case
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _transact(self, works: list[Work]) -> list[Any]:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            results = [work(database) for work in works]
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.OperationalError):  # SQLite may have done so itself
                database.execute("ROLLBACK")
            raise
        return results


def _make_private(path: Path) -> None:
    """Make a file that only its owner can read, unless there is one."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


_REASONS = {
    sqlite3.SQLITE_NOTADB: "it is no journal of vidgo_async",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it, or its folder, is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
}


def _failed(path: Path, error: sqlite3.Error) -> JournalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it
    reason = _REASONS.get(code, f"{error}; it must lie on a local disk")
    kind: Any = None if code in _REASONS else "no_locks"
    failure = JournalError(f"cannot use the journal {path}: {reason}", kind)
    failure.__cause__ = error
    return failure


def _resolve(future: "asyncio.Future[Any]", result: Any) -> None:
    if future.done():  # whoever waited was cancelled
        return
    if isinstance(result, JournalError):
        future.set_exception(result)
    else:
        future.set_result(result)
