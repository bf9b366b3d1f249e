"""The database: wrong, away, too old, without rights, newer, of another server; and stopped."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import psycopg
import psycopg_pool
import pytest

from tests.support.postgres import Postgres, execute, private_postgres
from tests.support.queues import PATIENCE, followed, ran, run_all, states, worker_session, working
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import JournalError
from vidgo_async.queue import BatchQueue, database
from vidgo_async.queue.database import Database, Pool
from vidgo_async.queue.worker import Worker
from vidgo_async.sandbox import Sandbox, slow


async def test_one_worker_rescues_at_a_time() -> None:
    """Where another holds the lock, nothing is done."""

    class Busy:
        """As much of a connection as is asked: the lock is held."""

        def transaction(self) -> contextlib.nullcontext[None]:
            return contextlib.nullcontext()

        async def execute(self, *_: object) -> "Busy":
            return self

        async def fetchone(self) -> tuple[bool]:
            return (False,)

    worker = Worker.__new__(Worker)  # without jobs, which it must not ask
    connection: Any = Busy()
    await worker._rescue_alone(connection, 1.0)


# --- What is wrong from the beginning ---------------------------------------------------------


@pytest.mark.parametrize("url", ["postgresql://[", "nothing", "mysql://host/name"])
def test_no_address(url: str) -> None:
    """It is refused where it is given."""
    with pytest.raises(ValueError, match="postgresql://host/name"):
        BatchQueue(url)


@pytest.mark.parametrize("seconds", [0, 1e-6, 1e12, float("inf"), float("nan")])
def test_dead_after_is_a_time(seconds: float) -> None:
    """Zero would take every worker for dead."""
    with pytest.raises(ValueError, match=r"dead_after must be|timeout must be"):
        BatchQueue("postgresql://host/name", dead_after=seconds)


async def test_a_database_that_is_away() -> None:
    """It says where, and not the password."""
    with pytest.raises(JournalError, match=r"127\.0\.0\.1/videos cannot be used now") as caught:
        async with BatchQueue("postgresql://me:secret@127.0.0.1:9/videos"):
            pass
    assert "secret" not in str(caught.value)
    assert "refused" in str(caught.value)


async def test_a_database_that_is_not_there(postgres: Postgres) -> None:
    """The server is; the message is its own."""
    with pytest.raises(JournalError, match='database "nowhere" does not exist'):
        async with BatchQueue(postgres.url("nowhere")):
            pass


async def test_a_server_that_is_too_old(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version, and the least."""
    monkeypatch.setattr(database, "MIN_VERSION", 99)
    with pytest.raises(JournalError, match="is too old: 99 is the least"):
        async with BatchQueue(url):
            pass


async def test_without_tables(empty_url: str, sandbox: Sandbox) -> None:
    """Each call names `install`, which may be called any number of times, and by several at once."""
    async with BatchQueue(empty_url) as queue, BatchQueue(empty_url) as other:
        with pytest.raises(JournalError, match=r"queue\.install"):
            await queue.add("foxes", foxes(1))
        async with open_session(sandbox) as vidgo:
            with pytest.raises(JournalError, match=r"queue\.install"):
                await queue.work(vidgo, until_empty=True)
        await asyncio.gather(queue.install(), other.install())
        await queue.install()
        assert await queue.add("foxes", foxes(1)) == 1


async def test_newer_tables(url: str) -> None:
    """An older version leaves them alone."""
    execute(url, "UPDATE vidgo.format SET version = 2")
    async with BatchQueue(url) as queue:
        for call in (queue.install, queue.counts):
            with pytest.raises(JournalError, match="newer format 2: update vidgo_async"):
                await call()


async def test_without_rights(empty_url: str) -> None:
    """What the user may not is said, at once."""
    execute(empty_url, "DROP ROLE IF EXISTS nobody")
    execute(empty_url, "CREATE ROLE nobody LOGIN")
    as_nobody = empty_url.replace("vidgo@", "nobody@")
    async with BatchQueue(as_nobody) as queue:
        with pytest.raises(JournalError, match="permission denied for database"):
            await queue.install()
    async with BatchQueue(empty_url) as owner:
        await owner.install()
    async with BatchQueue(as_nobody) as queue:
        with pytest.raises(JournalError, match=r"refuses: .*permission denied"):
            await queue.add("foxes", foxes(1))


@pytest.mark.parametrize(
    "grant",
    [
        "SELECT ON ALL TABLES",
        "ALL ON ALL TABLES",
        "ALL ON vidgo.format, vidgo.request, vidgo.batch, vidgo.origin, vidgo.sender",
    ],
)
async def test_with_some_rights(url: str, sandbox: Sandbox, grant: str) -> None:
    """A worker that could not work says so, and does not wait for ever."""
    execute(url, "DROP ROLE IF EXISTS somebody")
    execute(url, "CREATE ROLE somebody LOGIN")
    execute(url, "GRANT USAGE ON SCHEMA vidgo TO somebody")
    of_all = " IN SCHEMA vidgo" if "ALL TABLES" in grant else ""
    execute(url, f"GRANT {grant}{of_all} TO somebody")
    async with BatchQueue(url) as owner:
        await owner.add("foxes", foxes(1))
    async with BatchQueue(url.replace("vidgo@", "somebody@")) as queue:
        with pytest.raises(JournalError, match=r"refuses: .*permission denied"):
            await run_all(queue, sandbox)
        with pytest.raises(JournalError, match=r"refuses: .*permission denied"):
            await queue.add("foxes", foxes(2))
    execute(url, "DROP OWNED BY somebody")
    assert sandbox.sold == 0


async def test_beside_another_procrastinate(empty_url: str) -> None:
    """A procrastinate of the user's own, in the same database, is left alone."""
    execute(empty_url, "CREATE TABLE public.procrastinate_jobs (id int)")
    async with BatchQueue(empty_url) as queue:
        await queue.install()
        await queue.add("foxes", foxes(1))
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT * FROM public.procrastinate_jobs").fetchall() == []
        jobs = connection.execute("SELECT task_name FROM vidgo.procrastinate_jobs").fetchall()
    assert jobs == [("vidgo.generate",)]


# --- For one server and account ---------------------------------------------------------------


async def test_another_server_or_account(queue: BatchQueue, url: str, sandbox: Sandbox) -> None:
    """The first worker decides; others are refused before anything is sent."""
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    await queue.add("foxes", foxes(2))
    async with BatchQueue(url) as fresh, Sandbox() as other, open_session(other) as vidgo:
        with pytest.raises(JournalError, match="was made for the server"):
            await fresh.work(vidgo, until_empty=True)
        assert other.received["submit"] == 0
    async with Sandbox(api_key="another-key") as twin:
        execute(url, "UPDATE vidgo.origin SET base_url = %s", twin.url)
        async with BatchQueue(url) as fresh:
            with pytest.raises(JournalError, match="new_key=True"):
                await run_all(fresh, twin)
        async with BatchQueue(url, new_key=True) as fresh:
            assert len(await ran(fresh, twin)) == 2


# --- Without a PostgreSQL of the machine's ----------------------------------------------------


async def test_the_wheel(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """The one of the test extra does, of a newer version."""
    monkeypatch.setattr("tests.support.postgres._of_machine", lambda: None)
    server = contextlib.ExitStack()
    postgres = await asyncio.to_thread(server.enter_context, private_postgres())
    try:
        async with BatchQueue(postgres.url()) as queue:
            await queue.install()
            await queue.add("foxes", foxes(2))
            assert all(outcome.ok for outcome in await ran(queue, sandbox))
    finally:
        await asyncio.to_thread(server.close)


# --- Wrong arguments --------------------------------------------------------------------------


async def test_wrong_arguments(queue: BatchQueue, sandbox: Sandbox) -> None:
    """They are refused by name, before anything is written."""
    for name in ("", " ", "x" * 201, "a\0b", "\ud800"):
        with pytest.raises(ValueError, match="1 to 200 characters"):
            await queue.add(name, foxes(1))
    with pytest.raises(TypeError, match="a batch has a name, not int"):
        await queue.add(7, foxes(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="requests"):
        await queue.add("foxes", FOX)  # type: ignore[arg-type]
    for call in (queue.entries, queue.retry, queue.counts):
        with pytest.raises(JournalError, match="there is no batch 'foxes'"):
            await call("foxes")
    with pytest.raises(JournalError, match="there is no batch 'foxes'"):
        await followed(queue)
    with pytest.raises(ValueError, match="nonsense"):
        await queue.entries("foxes", "nonsense")
    async with open_session(sandbox) as vidgo:
        with pytest.raises(ValueError, match="max_in_flight"):
            await queue.work(vidgo, max_in_flight=0)
        with pytest.raises(ValueError, match="timeout"):
            await queue.work(vidgo, timeout=-1)


async def test_not_open(url: str) -> None:
    """Before and after, and twice."""
    queue = BatchQueue(url)
    with pytest.raises(JournalError, match="async with BatchQueue"):
        await queue.counts()
    async with queue:
        with pytest.raises(JournalError, match="open already"):
            await queue.__aenter__()
    both = await asyncio.gather(queue.__aenter__(), queue.__aenter__(), return_exceptions=True)
    assert [type(each) for each in both] == [BatchQueue, JournalError]
    assert "test" in repr(queue)
    for _ in range(2):
        await queue.aclose()
    with pytest.raises(JournalError, match="async with BatchQueue"):
        await queue.install()


async def test_odd_texts(queue: BatchQueue, sandbox: Sandbox) -> None:
    """What JSON can carry, and PostgreSQL's `jsonb` cannot."""
    prompt = "a fox \0 \ud800 in snow"
    await queue.add("füchse 'x' %s", [FOX.__class__(prompt=prompt)])
    (outcome,) = await ran(queue, sandbox, "füchse 'x' %s")
    assert outcome.request.input["prompt"] == prompt
    assert outcome.ok


# --- A database that stops --------------------------------------------------------------------


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that may be stopped."""
    with private_postgres() as server:
        yield server


@pytest.fixture
async def own_queue(
    own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BatchQueue]:
    """A queue on it, which soon notices that it is away."""
    monkeypatch.setattr(database, "POOL_TIMEOUT", 0.5)
    monkeypatch.setattr(database, "PATIENCE", 2.0)
    async with BatchQueue(own_postgres.url(), dead_after=1.0) as queue:
        await queue.install()
        yield queue


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_database_that_stops(
    how: signal.Signals,
    own_postgres: Postgres,
    own_queue: BatchQueue,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the middle, for longer than workers count as alive: all end, and each was bought once."""
    async with Sandbox(seconds=(0.3, 1.0)) as sandbox:
        sandbox.inject(slow(0.1), times=None)
        await own_queue.add("foxes", foxes(30))
        following = asyncio.create_task(followed(own_queue))
        async with worker_session(sandbox) as vidgo:
            work = own_queue.work(vidgo, until_empty=True, download_to=tmp_path, max_in_flight=10)
            working = asyncio.create_task(work)
            while sandbox.sold < 8:  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.01)
            await asyncio.to_thread(own_postgres.stop, how)
            stopped_at = sandbox.sold
            await anyio.sleep(2.5)
            assert sandbox.sold <= stopped_at + 10  # what was claimed before
            await asyncio.to_thread(own_postgres.start)
            async with asyncio.timeout(PATIENCE):
                await working
        outcomes = await following
        assert [outcome.error for outcome in outcomes] == [None] * 30
        assert sandbox.sold == sandbox.received["submit"] == 30
        assert vidgo.unclaimed == ()
    messages = [record.getMessage() for record in caplog.records if record.name == "vidgo_async"]
    assert any("nothing is sent until it is back" in message for message in messages)
    assert any("is back" in message for message in messages)


async def test_a_worker_stays_alive(own_postgres: Postgres, own_queue: BatchQueue) -> None:
    """After its database was away its jobs are not given to others, who would poll them too."""
    async with (
        # Much longer than a full machine makes a living worker silent.
        BatchQueue(own_postgres.url(), dead_after=4.0) as queue,
        Sandbox(seconds=(60, 60)) as sandbox,
        worker_session(sandbox) as vidgo,
    ):
        await queue.add("foxes", foxes(4))
        async with working(queue, vidgo, max_in_flight=4):
            while sandbox.sold < 4:  # noqa: ASYNC110 - it tells nobody
                await anyio.sleep(0.01)
            await asyncio.to_thread(own_postgres.stop)
            await anyio.sleep(5.0)
            await asyncio.to_thread(own_postgres.start)
            await anyio.sleep(10.0)  # more than twice as long as it takes to count as dead
            jobs = "SELECT attempts, status FROM vidgo.procrastinate_jobs"
            assert execute(own_postgres.url(), jobs) == [(0, "doing")] * 4


async def test_an_idle_worker_begins_anew(own_postgres: Postgres, own_queue: BatchQueue) -> None:
    """What it asked the database for when that went away, it asks again."""
    async with (
        Sandbox(seconds=(0.1, 0.2)) as sandbox,
        worker_session(sandbox) as vidgo,
        working(own_queue, vidgo),
    ):
        await anyio.sleep(1.0)
        await asyncio.to_thread(own_postgres.stop)
        await anyio.sleep(2.5)
        await asyncio.to_thread(own_postgres.start)
        await own_queue.add("foxes", foxes(3))
        assert all(outcome.ok for outcome in await followed(own_queue))
        assert sandbox.sold == 3


async def test_leaving_while_the_database_is_away(
    own_postgres: Postgres, own_queue: BatchQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not wait for ever, and what it could not write down is named."""
    async with Sandbox(seconds=(5, 6)) as sandbox:
        sandbox.inject(slow(1.0), times=None)
        await own_queue.add("foxes", foxes(2))
        async with worker_session(sandbox) as vidgo:
            async with working(own_queue, vidgo):
                while sandbox.received["submit"] < 2:  # noqa: ASYNC110 - it tells nobody
                    await anyio.sleep(0.01)
                await asyncio.to_thread(own_postgres.stop)
                while sandbox.sold < 2:  # noqa: ASYNC110 - it tells nobody
                    await anyio.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        bought = set(sandbox.tasks)
    known = {task.task_id for task in vidgo.unclaimed if not isinstance(task, Exception)}
    assert known == bought
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    for task_id in bought:
        assert any(task_id in message for message in errors)
    await asyncio.to_thread(own_postgres.start)
    async with Sandbox() as sandbox:
        assert await states(own_queue) == ["sending"] * 2


async def test_a_queue_that_is_closed_under_its_worker(url: str, sandbox: Sandbox) -> None:
    """The worker says so, and ends."""
    async with worker_session(sandbox) as vidgo:
        queue = BatchQueue(url)
        await queue.__aenter__()
        async with working(queue, vidgo) as work:
            await anyio.sleep(0.3)
            await queue.aclose()
            with pytest.raises(JournalError, match="closed under its worker"):
                await work


def test_an_idle_transaction_is_away(url: str) -> None:
    """A rescue that took too long lost its connection: another comes."""
    db = Database(url)
    with pytest.raises(database.AwayError), db.translated():
        raise psycopg.errors.IdleInTransactionSessionTimeout("too long")


async def test_a_connection_that_breaks_while_jobs_are_made(
    queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests and their jobs are one transaction, which is made again."""
    real = queue._jobs.app.configure_task
    broken = list[bool]()

    def breaking(*arguments: Any, connection: database.Connection, **named: Any) -> Any:
        if not broken:
            broken.append(True)
            connection.pgconn.finish()
        return real(*arguments, connection=connection, **named)

    monkeypatch.setattr(queue._jobs.app, "configure_task", breaking)
    assert await queue.add("foxes", foxes(3)) == 3
    assert len(await queue.entries("foxes")) == 3


async def test_a_connection_that_fails_late(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is set up: it is closed, and the error said."""

    async def failing(connection: database.Connection) -> None:
        await connection.execute("SELECT nonsense")

    monkeypatch.setattr(database, "configure", failing)
    with pytest.raises(JournalError, match='"nonsense" does not exist'):
        async with BatchQueue(url):
            pass


async def test_a_folder_that_is_gone(url: str, tmp_path: Path) -> None:
    """The working folder may be: nothing is left open where opening fails."""
    here = tmp_path / "here"
    here.mkdir()
    with contextlib.chdir(here):
        here.rmdir()
        async with BatchQueue(url) as queue:
            assert await queue.add("foxes", foxes(1)) == 1


async def test_opening_that_is_cancelled(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left open."""

    async def hanging(_: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("vidgo_async.queue.ledger.Ledger.open", hanging)
    with anyio.move_on_after(0.3) as scope:
        async with BatchQueue(url):
            pass
    assert scope.cancelled_caught


async def test_a_cancelled_scope_closes(url: str) -> None:
    """Within a scope of anyio's, which cancels each further wait, nothing is left behind."""
    async with Sandbox(seconds=(60, 60)) as sandbox:
        with anyio.CancelScope() as scope:
            async with BatchQueue(url) as queue, worker_session(sandbox) as vidgo:
                await queue.add("foxes", foxes(3))
                async with anyio.create_task_group() as group:
                    group.start_soon(queue.work, vidgo)
                    group.start_soon(followed, queue)
                    while sandbox.sold < 3:  # noqa: ASYNC110 - it tells nobody
                        await anyio.sleep(0.01)
                    scope.cancel()
        assert scope.cancelled_caught
        async with BatchQueue(url) as queue:
            assert await states(queue) == ["bought"] * 3


async def test_a_cancellation_is_not_forgotten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes together with a connection, as `asyncio.wait_for` of Python 3.11 loses it."""
    real = psycopg_pool.AsyncConnectionPool.getconn

    async def forgetting(pool: Pool, timeout: float | None = None) -> object:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        return await real(pool, timeout)

    db = Database(url)
    await db.open()
    monkeypatch.setattr(psycopg_pool.AsyncConnectionPool, "getconn", forgetting)
    task = asyncio.create_task(db.run("SELECT 1"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await db.close()
