"""The tables, and how they are made: in a schema of their own, beside those of procrastinate."""

from typing import LiteralString

from procrastinate.schema import SchemaManager

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.errors import JournalError
from vidgo_async.queue.database import SCHEMA, Connection, Database

FORMAT = 1
"""The format of the tables; a newer one is refused."""
LOCK = 8346_0013
"""An advisory lock: one process installs."""

_TABLES = f"""
CREATE TABLE format (version int NOT NULL);
INSERT INTO format VALUES ({FORMAT});
CREATE TABLE origin (base_url text NOT NULL, salt text NOT NULL, account text NOT NULL);
CREATE TABLE sender (id uuid PRIMARY KEY, seen timestamptz NOT NULL);
CREATE TABLE batch (
    name     text PRIMARY KEY,
    size     bigint NOT NULL DEFAULT 0,
    outcomes bigint NOT NULL DEFAULT 0
);
CREATE TABLE request (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch   text NOT NULL REFERENCES batch,
    place   bigint NOT NULL,
    key     text NOT NULL,
    ordinal int NOT NULL,
    state   text NOT NULL DEFAULT 'planned' CHECK (state IN
            ('planned', 'sending', 'bought', 'ended', 'saved', 'refused', 'unknown')),
    owner   uuid,
    claim   uuid,
    request json NOT NULL,
    task_id text,
    task    json,
    error   json,
    paths   json,
    outcome bigint,
    changed timestamptz NOT NULL DEFAULT now(),
    UNIQUE (batch, key, ordinal)
);
CREATE INDEX request_task ON request (task_id);
CREATE INDEX request_outcome ON request (batch, outcome);
CREATE INDEX request_open ON request (batch) WHERE outcome IS NULL;
"""
# Of `json`, not `jsonb`, which refuses U+0000 and lone surrogates: an answer may hold them.
# `owner` sends the request, and `claim` is new with each try. `outcome` is its number among the
# outcomes of its batch, in the order of their commits; null while it is under way.


async def install(database: Database) -> None:
    """Make what is not there; it may be called again, and by several at once.

    Raises:
        JournalError: This user may not, or the tables are newer.
    """
    jobs = await Threads().run(SchemaManager.get_schema)  # it reads a file
    await database.transact(lambda connection: _install(connection, jobs))


async def check(database: Database) -> None:
    """Refuse tables that are not there, or are of a newer format.

    Raises:
        JournalError: So they are.
    """
    # Named in full: a schema that this user may not use is not searched, and seems to be empty.
    _check_format(database.shown, await database.run("SELECT version FROM vidgo.format"))


async def _install(connection: Connection, jobs: LiteralString) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())
    if await _is_missing(connection, "format"):
        await connection.execute(_TABLES.encode())
    else:
        cursor = await connection.execute("SELECT version FROM format")
        _check_format(connection.info.host, await cursor.fetchall())
    if await _is_missing(connection, "procrastinate_jobs"):
        await connection.execute(jobs)


async def _is_missing(connection: Connection, table: str) -> bool:
    cursor = await connection.execute("SELECT to_regclass(%s) IS NULL", (f"{SCHEMA}.{table}",))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


def _check_format(where: str, rows: list[tuple[int]]) -> None:
    version = max((version for (version,) in rows), default=0)
    if version > FORMAT:
        msg = f"the tables at {where} have the newer format {version}: update vidgo_async"
        raise JournalError(msg)
