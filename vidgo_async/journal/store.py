"""A journal's file: SQLite in a thread of its own.

What comes while a commit is under way shares the next one, so that hundreds of requests at once do
not wait for as many syncs of the disk. A second connection holds an exclusive lock on a file beside
it, which the system lets go of however this process ends.
"""

import asyncio
import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

from vidgo_async._core.concurrency import run_shielded, wait_shielded
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
        self._loop = asyncio.get_running_loop()
        # Jobs of an executor are futures: `asyncio.run`, which cancels all tasks at its end, stops none.
        self._executor = ThreadPoolExecutor(1, "vidgo-journal")
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._is_writing = False
        self._is_closed = False
        self._idle = asyncio.Event()
        self._database: sqlite3.Connection
        self._file: tuple[int, int]
        """The device and number of the file, to notice that another took its place."""
        self._connections = contextlib.ExitStack()
        """Closes the database, and then lets go of the lock."""

    async def open(self) -> None:
        """Open the file, or make it; no other run may have it open.

        Raises:
            JournalError: It is in use, no journal, of a newer format, or cannot be used.
        """
        try:
            await self._in_thread(self._open)
        except BaseException:  # cancelled, too
            await self.close()
            raise

    async def close(self) -> None:
        """Write what is left, and let go of the file; it may be called again."""
        self._is_closed = True
        while self._is_writing:
            self._idle.clear()
            await run_shielded(self._idle.wait())
        await self._in_thread(self._close)
        self._executor.shutdown(wait=False)

    async def run(self, work: Callable[[sqlite3.Connection], _Value]) -> _Value:
        """Run statements in a transaction that is on disk when this returns.

        Raises:
            JournalError: They could not be written; none of them took effect.
        """
        if self._is_closed:
            msg = f"the journal {self.path} is closed"
            raise JournalError(msg)
        future: asyncio.Future[_Value] = self._loop.create_future()
        self._waiting.append((work, future))
        if not self._is_writing:
            self._write()
        return await future

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Run a function to its end, and only then let a cancellation through."""
        job = self._loop.run_in_executor(self._executor, work)
        await wait_shielded({job})
        job.result()

    def _write(self) -> None:
        """Write what waits, in one transaction."""
        self._is_writing = True
        taken, self._waiting = self._waiting, []
        works = [work for work, _ in taken]
        job = self._loop.run_in_executor(self._executor, self._transact, works)
        job.add_done_callback(functools.partial(self._written, [future for _, future in taken]))

    def _written(
        self, futures: "list[asyncio.Future[Any]]", job: "asyncio.Future[list[Any]]"
    ) -> None:
        error = job.exception()
        if error is None:
            results = job.result()
        else:
            failure = _failed(self.path, error) if isinstance(error, sqlite3.Error) else error
            results = [failure] * len(futures)
        for future, result in zip(futures, results, strict=True):
            _resolve(future, result)
        self._is_writing = False
        if self._waiting:
            self._write()
        else:
            self._idle.set()

    # --- In the thread ----------------------------------------------------------------------

    def _open(self) -> None:
        with contextlib.ExitStack() as stack:
            try:
                real = Path(os.path.realpath(self.path))  # one lock, whatever links lead there
                self._connect(real.with_name(real.name + "-lock"), stack, self._acquire)
                self._database = self._connect(self.path, stack, self._prepare)
                stack.callback(_checkpoint, self._database)
                self._file = _identity(self.path)
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
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        is_new = not application and not tables  # or left so by a crash
        if application != APPLICATION_ID and not is_new:
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
        if is_new:
            database.execute(f"PRAGMA user_version = {FORMAT}")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        if not tables:
            database.executescript(f"BEGIN; {SCHEMA} COMMIT;")

    def _close(self) -> None:
        self._connections.close()

    def _transact(self, works: list[Work]) -> list[Any]:
        database = self._database
        if _identity(self.path) != self._file:
            msg = f"the journal {self.path} was deleted or replaced while it was open"
            raise JournalError(msg)
        database.execute("BEGIN IMMEDIATE")
        try:
            results = [_run(database, work) for work in works]
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.OperationalError):  # SQLite may have done so itself
                database.execute("ROLLBACK")
            raise
        return results


def _run(database: sqlite3.Connection, work: Work) -> Any:
    """Run one part of a transaction; a value that cannot be written fails no other part."""
    database.execute("SAVEPOINT part")
    try:
        result = work(database)
    except sqlite3.Error:
        raise  # of the disk, which is everybody's
    except Exception as error:  # noqa: BLE001 - it is raised where it belongs
        database.execute("ROLLBACK TO part")
        result = error
    database.execute("RELEASE part")
    return result


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from another of its name; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _checkpoint(database: sqlite3.Connection) -> None:
    """Leave one file; all is on disk in any case."""
    with contextlib.suppress(sqlite3.Error):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


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


_LOCKING = frozenset(
    {
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_UNLOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
    }
)
"""The errors of drives on which locks do not work."""


def _failed(path: Path, error: sqlite3.Error) -> JournalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it
    reason = _REASONS.get(code, str(error))
    if _kind(error) == "no_locks":
        reason = f"{error}: it must lie on a local disk"
    failure = JournalError(f"cannot use the journal {path}: {reason}", _kind(error))
    failure.__cause__ = error
    return failure


def _kind(error: sqlite3.Error) -> Literal["in_use", "no_locks"] | None:
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "in_use"
    return "no_locks" if code in _LOCKING or code & 0xFF in _LOCKING else None


def _resolve(future: "asyncio.Future[Any]", result: Any) -> None:
    if future.done():  # its caller was cancelled
        return
    if isinstance(result, BaseException):
        own = result.own_copy() if isinstance(result, JournalError) else result
        future.set_exception(own)
    else:
        future.set_result(result)
