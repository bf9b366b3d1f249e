"""Connections to PostgreSQL, and what to do while there is none.

What was bought must be written down, so a statement waits for the database for as long as anybody
uses the queue, and a moment longer.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, LiteralString, TypeVar

import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from vidgo_async._core.errors import JournalError

logger: logging.Logger = logging.getLogger("vidgo_async")

_Value = TypeVar("_Value")
Connection = psycopg.AsyncConnection[TupleRow]

SCHEMA = "vidgo"
"""The schema of all tables, so that a procrastinate of the user's own is left alone."""
MIN_VERSION = 13
MAX_CONNECTIONS = 8
POOL_TIMEOUT = 5.0
"""Seconds to wait for a connection, before that counts as the database being away."""
AWAY_TIMEOUT = 1.0
"""Seconds to wait for one while it is known to be away."""
RETRY = 0.5
"""Seconds between two tries while it is away."""
PATIENCE = 5.0
"""Seconds that it may be away where no call uses the queue any more."""

AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
)
"""What passes when the database is back; also of a pool that got no connection."""


class Pool(psycopg_pool.AsyncConnectionPool[Connection]):
    """A pool whose callers can be cancelled at any time.

    Before Python 3.12 `asyncio.wait_for` forgets a cancellation that comes together with what it
    waits for, here a connection: a worker would never end.
    """

    is_away: bool = False
    """Whether the database is known to be away, so that waiting long is of no use."""

    async def getconn(self, timeout: float | None = None) -> Connection:
        """Obtain a connection."""
        task = asyncio.current_task()
        before = 0 if task is None else task.cancelling()
        connection = await super().getconn(AWAY_TIMEOUT if self.is_away else timeout)
        is_cancelled = task is not None and task.cancelling() > before
        return await self._give(connection, is_cancelled=is_cancelled)

    async def _give(self, connection: Connection, *, is_cancelled: bool) -> Connection:
        if is_cancelled:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection


class Database:
    """A pool of connections, open in one event loop."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown: str = _shown(url)
        """Where it is, without the password."""
        self.pool: Pool
        self._users = 0
        self._away_since = math.inf
        """When it was first seen to be away; infinite while it is there."""

    async def open(self) -> None:
        """Connect.

        Raises:
            JournalError: It cannot be reached, or is too old.
        """
        # Tried out on one connection first: the pool tells of a wrong password in its log only.
        with self.translated():
            async with await self.connect() as connection:
                version = connection.info.server_version // 10_000
        if version < MIN_VERSION:
            msg = f"PostgreSQL {version} at {self.shown} is too old: {MIN_VERSION} is the least"
            raise JournalError(msg)
        self.pool = Pool(
            self.url,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=POOL_TIMEOUT,
            reconnect_timeout=0.1,  # else it waits longer each time, and is late when it is back
            configure=configure,
            open=False,
        )
        await self.pool.open()

    async def close(self) -> None:
        """Close all connections."""
        await self.pool.close()

    async def connect(self) -> Connection:
        """Make a connection beside the pool, such as one that listens or holds a lock."""
        connection = await psycopg.AsyncConnection.connect(self.url, connect_timeout=10)
        try:
            await configure(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    # --- Statements -------------------------------------------------------------------------

    async def run(
        self, statement: LiteralString, parameters: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Run a statement, and return its rows; wait for the database while it is away.

        It may run twice, where the connection broke before its result came.

        Raises:
            JournalError: It cannot be run, or no call waits for it any more.
        """

        async def work(connection: Connection) -> list[Any]:
            cursor = await connection.execute(statement, parameters)
            return [] if cursor.description is None else await cursor.fetchall()

        return await self.patiently(lambda: self._with_connection(work))

    async def transact(self, work: Callable[[Connection], Awaitable[_Value]]) -> _Value:
        """Run statements in one transaction; wait for the database while it is away.

        Raises:
            JournalError: They cannot be run, or no call waits for them any more; none took effect.
        """

        async def in_transaction(connection: Connection) -> _Value:
            async with connection.transaction():
                return await work(connection)

        return await self.patiently(lambda: self._with_connection(in_transaction))

    async def _with_connection(self, work: Callable[[Connection], Awaitable[_Value]]) -> _Value:
        async with self.pool.connection() as connection:
            return await work(connection)

    async def patiently(self, call: Callable[[], Awaitable[_Value]]) -> _Value:
        """Make a call, again and again while the database is away.

        Raises:
            JournalError: It cannot be made, or no call waits for it any more.
        """
        while True:
            try:
                with self.translated():
                    result = await call()
            except AwayError as away:
                self._went_away(away)
                is_over = not self._users and time.monotonic() > self._away_since + PATIENCE
                if is_over or self.pool.closed:
                    raise JournalError(away.message) from away.__cause__
                await asyncio.sleep(RETRY)
            else:
                self._came_back()
                return result

    # --- While it is away -------------------------------------------------------------------

    @contextlib.contextmanager
    def used(self) -> Generator[None]:
        """Let all statements wait for the database for as long as it takes."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    @contextlib.contextmanager
    def translated(self) -> Generator[None]:
        """Turn errors of the database into a `JournalError` that says what to do."""
        try:
            yield
        except AWAY as error:
            msg = f"the database at {self.shown} cannot be used now: {_first_line(error)}"
            raise AwayError(msg) from error
        except (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName) as error:
            msg = (
                f"the database at {self.shown} has no tables for this yet: call "
                "`await queue.install()` once, or run `vidgo-async queue install URL`"
            )
            raise JournalError(msg) from error
        except psycopg.Error as error:
            msg = f"the database at {self.shown} refuses: {_first_line(error)}"
            raise JournalError(msg) from error

    def _went_away(self, error: JournalError) -> None:
        if self._away_since == math.inf:
            self._away_since = time.monotonic()
            self.pool.is_away = True
            logger.warning("%s; nothing is sent until it is back", error)

    def _came_back(self) -> None:
        if self._away_since < math.inf:
            self._away_since = math.inf
            self.pool.is_away = False
            logger.warning("the database at %s is back", self.shown)


class AwayError(JournalError):
    """The database is away."""


async def configure(connection: Connection) -> None:
    """Let a new connection find the tables, and commit each statement by itself."""
    await connection.set_autocommit(True)
    await connection.execute(f"SET search_path TO {SCHEMA}".encode())


def check_url(url: str) -> None:
    """Refuse what is no address of a database.

    Raises:
        ValueError: So it is.
    """
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        msg = f"a queue's address is one of PostgreSQL, as postgresql://host/name: {error}"
        raise ValueError(msg) from None


def _shown(url: str) -> str:
    parts = conninfo_to_dict(url)
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    return f"{host}/{parts.get('dbname') or parts.get('user') or ''}".rstrip("/")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
