"""Batches in a database: added from anywhere, run by any worker, followed by anybody."""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psycopg
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.queue.conftest import new_database
from tests.support.postgres import Postgres, execute
from tests.support.queues import (
    PATIENCE,
    followed,
    has_sold,
    ran,
    run_all,
    states,
    until,
    worker_session,
    working,
)
from tests.support.sessions import FOX, foxes
from tests.support.uploads import picture
from vidgo_async import (
    DownloadError,
    EntryState,
    FixedPolling,
    GrokImagine,
    InsufficientCreditsError,
    InvalidRequestError,
    JournalError,
    Outcome,
    RetryPolicy,
    SessionClosedError,
    SubmissionUnknownError,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    WebhookReceiver,
)
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    changed,
    failed_at_once,
    refusal,
    reset_after,
    slow,
)

# --- Adding -----------------------------------------------------------------------------------


async def test_a_batch_runs(queue: BatchQueue, sandbox: Sandbox, tmp_path: Path) -> None:
    """What is added is bought by a worker, saved, and followed to its end."""
    assert await queue.add("foxes", foxes(5)) == 5
    outcomes = await ran(queue, sandbox, download_to=tmp_path / "videos")

    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [outcome.request.input["prompt"] for outcome in outcomes] == [
        f"fox {number}" for number in range(5)
    ]
    for outcome in outcomes:
        assert outcome.error is None
        assert outcome.task.finished
        (path,) = outcome.paths
        assert path.read_bytes()[4:8] == b"ftyp"
    assert sandbox.sold == 5
    assert await states(queue) == ["saved"] * 5


async def test_what_is_known_is_not_added_again(queue: BatchQueue, sandbox: Sandbox) -> None:
    """Equal requests are counted; their order, and other requests, do not matter."""
    assert await queue.add("foxes", [FOX] * 3) == 3
    assert await queue.add("foxes", [FOX] * 3) == 0
    assert await queue.add("foxes", [*foxes(2), FOX, FOX, FOX, FOX]) == 3
    await run_all(queue, sandbox)
    assert await queue.add("foxes", [FOX] * 4) == 0
    assert await queue.add("others", [FOX]) == 1  # another batch is another matter
    await run_all(queue, sandbox)
    assert sandbox.sold == 7
    entries = await queue.entries("foxes")
    assert [entry.batch for entry in entries] == ["foxes"] * 6
    outcomes = await followed(queue)
    assert [outcome.index for outcome in outcomes] == list(range(6))


async def test_any_source_of_requests(queue: BatchQueue) -> None:
    """A generator, an async generator and an empty list."""

    async def stream() -> AsyncIterator[GrokImagine]:
        for fox in foxes(3):
            await anyio.lowlevel.checkpoint()
            yield fox

    assert await queue.add("foxes", (fox for fox in foxes(2))) == 2
    assert await queue.add("foxes", stream()) == 1
    assert await queue.add("none", []) == 0
    assert await followed(queue, "none") == []


async def test_more_than_one_page(queue: BatchQueue) -> None:
    """A long batch is added in several transactions, in its order."""
    assert await queue.add("foxes", foxes(2500)) == 2500
    assert await queue.add("foxes", foxes(2501)) == 1
    entries = await queue.entries("foxes")
    assert [entry.request.input["prompt"] for entry in entries] == [
        f"fox {number}" for number in range(2501)
    ]


async def test_a_picture_travels_as_bytes(
    queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A path leads to the same file for the worker; one that is gone is refused, and costs nothing."""
    fox = picture(tmp_path)
    lost = picture(tmp_path, "lost.png")
    lost.write_bytes(lost.read_bytes() + b"another")
    await queue.add("foxes", [GrokImagine(prompt="a fox", image_urls=[fox])])
    await queue.add("foxes", [GrokImagine(prompt="lost", image_urls=[lost])])
    lost.unlink()

    found, gone = await ran(queue, sandbox)
    assert found.ok
    assert gone.error is not None
    assert "FileNotFoundError" in str(gone.error)
    assert (sandbox.sold, await states(queue)) == (1, ["ended", "refused"])


# --- Following --------------------------------------------------------------------------------


async def test_followers(url: str, sandbox: Sandbox) -> None:
    """From another process, as often as one likes: live, again, and from now on."""
    async with BatchQueue(url) as queue, BatchQueue(url) as other:
        await queue.add("foxes", foxes(3))
        live = asyncio.create_task(followed(other))
        await run_all(queue, sandbox)
        first = await live
        assert len(first) == 3
        assert await followed(queue) == first
        assert await followed(queue, from_now=True) == []

        await queue.add("foxes", foxes(4))
        later = asyncio.create_task(followed(other, from_now=True))
        await run_all(queue, sandbox)
        assert [outcome.index for outcome in await later] == [3]


async def test_outcomes_come_as_they_complete(queue: BatchQueue, sandbox: Sandbox) -> None:
    """The first is there before the last is bought."""
    await queue.add("foxes", foxes(3))
    async with worker_session(sandbox) as vidgo, working(queue, vidgo, max_in_flight=1):
        async with asyncio.timeout(PATIENCE):
            async for outcome in queue.outcomes("foxes"):
                assert outcome.ok
                assert sandbox.sold <= outcome.index + 2


async def test_a_follower_may_leave(queue: BatchQueue, sandbox: Sandbox) -> None:
    """A `break` leaves nothing behind."""
    await queue.add("foxes", foxes(3))
    await run_all(queue, sandbox)
    async for outcome in queue.outcomes("foxes"):
        assert outcome.ok
        break


# --- What goes wrong --------------------------------------------------------------------------


async def test_a_refused_request(queue: BatchQueue, sandbox: Sandbox) -> None:
    """It costs nothing, and is sent again by `retry` only."""
    sandbox.inject(refusal(400, message="no such ratio"))
    await queue.add("foxes", foxes(1))
    (outcome,) = await ran(queue, sandbox)
    assert isinstance(outcome.error, InvalidRequestError)
    assert "no such ratio" in str(outcome.error)
    await run_all(queue, sandbox)
    assert (sandbox.sold, sandbox.received["submit"]) == (0, 1)
    (entry,) = await queue.entries("foxes", "refused")
    assert (entry.state, entry.task) == (EntryState.REFUSED, None)
    assert isinstance(entry.error, InvalidRequestError)

    assert await queue.retry("foxes") == 1
    (outcome,) = await ran(queue, sandbox)
    assert outcome.ok
    assert await queue.retry("foxes") == 0
    assert sandbox.sold == 1


async def test_a_failed_task(queue: BatchQueue, sandbox: Sandbox) -> None:
    """Its credits came back: `retry` buys another."""
    sandbox.inject(failed_at_once("rejected"))
    await queue.add("foxes", foxes(1))
    (outcome,) = await ran(queue, sandbox)
    assert isinstance(outcome.error, TaskFailedError)
    assert outcome.task is not None
    assert outcome.task.failed
    await run_all(queue, sandbox)
    assert sandbox.sold == 1
    assert await queue.retry("foxes") == 1
    (again,) = await ran(queue, sandbox)
    assert again.ok
    assert sandbox.sold == 2


async def test_an_unknown_outcome(queue: BatchQueue, sandbox: Sandbox) -> None:
    """It is never sent again by itself; the user says what is in the console."""
    sandbox.inject(reset_after, times=2)
    await queue.add("foxes", foxes(2))
    for _ in range(2):
        outcomes = await ran(queue, sandbox)
        assert all(isinstance(outcome.error, SubmissionUnknownError) for outcome in outcomes)
        assert await queue.retry("foxes") == 0
    assert sandbox.received["submit"] == sandbox.sold == 2

    first, second = await queue.entries("foxes", "unknown")
    found = {task.input["prompt"]: task.task_id for task in sandbox.tasks.values()}
    await queue.adopt(first, "no-such-task")
    await queue.adopt(first, found["fox 0"])  # a wrong id can be corrected
    await queue.forget(second)
    with pytest.raises(JournalError, match=f"entry {second.id} is not unknown"):
        await queue.forget(second)
    outcomes = await ran(queue, sandbox)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert outcomes[0].task is not None
    assert outcomes[0].task.task_id == found["fox 0"]
    assert sandbox.sold == 3
    with pytest.raises(JournalError, match=f"entry {first.id} is not unknown"):
        await queue.adopt(first, "another")
    with pytest.raises(ValueError, match="empty"):
        await queue.adopt(first, " ")


async def test_a_task_that_takes_too_long(queue: BatchQueue) -> None:
    """Its outcome says so; `retry` waits for the same task."""
    async with Sandbox(seconds=(1.0, 1.1)) as sandbox:
        await queue.add("foxes", foxes(1))
        (outcome,) = await ran(queue, sandbox, timeout=0.2)
        assert isinstance(outcome.error, TaskTimeoutError)
        assert outcome.task is not None

        assert await queue.retry("foxes") == 1
        (again,) = await ran(queue, sandbox)
        assert again.error is None
        assert again.task.task_id == outcome.task.task_id
        assert sandbox.sold == 1


async def test_a_file_that_is_no_video(queue: BatchQueue, sandbox: Sandbox, tmp_path: Path) -> None:
    """The task is known; `retry` fetches its file, and buys nothing."""
    await queue.add("foxes", foxes(1))
    sandbox.inject(answer(404), call="file", times=None)
    retry = RetryPolicy(timeout=0.3, initial_delay=0.1)
    async with worker_session(sandbox, retry=retry) as vidgo:
        await queue.work(vidgo, until_empty=True, download_to=tmp_path)
    (outcome,) = await followed(queue)
    sandbox._faults.all.clear()
    assert isinstance(outcome.error, DownloadError)
    assert outcome.task is not None
    assert outcome.error.task_id == outcome.task.task_id

    assert await queue.retry("foxes") == 1
    (again,) = await ran(queue, sandbox, download_to=tmp_path)
    assert again.error is None
    assert again.paths[0].is_file()
    assert sandbox.sold == 1


async def test_no_credits_stop_the_worker(queue: BatchQueue, sandbox: Sandbox) -> None:
    """What was not sent stays in the queue, for when there are credits."""
    sandbox.inject(refusal(402), times=1, skip=2)
    await queue.add("foxes", foxes(10))
    with pytest.raises(InsufficientCreditsError):
        await run_all(queue, sandbox, max_in_flight=1)
    assert sandbox.received["submit"] == 3
    assert (await states(queue)).count("planned") == 7
    outcomes = await ran(queue, sandbox)
    assert [outcome.ok for outcome in outcomes].count(True) == 9
    assert await queue.retry("foxes") == 1
    assert all(outcome.ok for outcome in await ran(queue, sandbox))
    assert sandbox.sold == 10


async def test_a_folder_that_takes_no_files(
    queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Nothing is bought for a worker that could not save it."""
    (tmp_path / "file").touch()
    await queue.add("foxes", foxes(2))
    with pytest.raises(OSError, match="file"):
        await run_all(queue, sandbox, download_to=tmp_path / "file")
    assert sandbox.sold == 0
    assert await states(queue) == ["planned"] * 2


async def test_a_folder_that_goes_away(queue: BatchQueue, sandbox: Sandbox, tmp_path: Path) -> None:
    """The worker stops; what it had is for one with a disk."""
    folder = tmp_path / "videos"
    sandbox.inject(_swap(folder), call="status", times=1)
    await queue.add("foxes", foxes(6))
    with pytest.raises((OSError, DownloadError)):
        await run_all(queue, sandbox, download_to=folder, max_in_flight=2)
    assert sandbox.sold < 6
    outcomes = await ran(queue, sandbox, download_to=tmp_path / "others")
    assert all(outcome.ok for outcome in outcomes)
    assert sandbox.sold == 6


async def test_a_folder_that_is_gone_before_the_purchase(
    queue: BatchQueue, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is the worker's fault, and not the request's."""
    folder = tmp_path / "videos"
    await queue.add("foxes", foxes(2))
    async with worker_session(sandbox) as vidgo:
        real = vidgo.generate

        async def swapping(*arguments: Any, **named: Any) -> Task:
            await asyncio.to_thread(_put_file, folder)
            return await real(*arguments, **named)

        monkeypatch.setattr(vidgo, "generate", swapping)
        with pytest.raises(OSError, match="videos"):
            await queue.work(vidgo, until_empty=True, download_to=folder, max_in_flight=1)
    assert (sandbox.sold, await states(queue)) == (0, ["planned"] * 2)


def _swap(folder: Path) -> Fault:
    """Put a file in the place of a folder when a request comes."""

    async def swap(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.to_thread(_put_file, folder)
        return await handler(request)

    return swap


def _put_file(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


async def test_what_passes_is_tried_again(
    queue: BatchQueue, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is away for longer than the retry policy costs no request its place."""
    monkeypatch.setattr("vidgo_async.queue.worker.TRY_AGAIN", 0)
    sandbox.inject(refusal(503), times=4)
    await queue.add("foxes", foxes(1))
    async with worker_session(sandbox, retry=RetryPolicy(initial_delay=0.05, timeout=0.1)) as vidgo:
        async with asyncio.timeout(PATIENCE):
            await queue.work(vidgo, until_empty=True)
    (outcome,) = await followed(queue)
    assert outcome.ok
    assert (sandbox.sold, sandbox.received["submit"]) == (1, 5)


# --- Workers ----------------------------------------------------------------------------------


async def test_workers_share_a_batch(url: str, sandbox: Sandbox) -> None:
    """Each request is run by one of them."""
    async with BatchQueue(url) as queue, BatchQueue(url) as other:
        await queue.add("foxes", foxes(20))
        async with anyio.create_task_group() as group:
            for each in (queue, other):
                group.start_soon(run_all, each, sandbox)
        outcomes = await followed(queue)
    assert len({outcome.task and outcome.task.task_id for outcome in outcomes}) == 20
    assert sandbox.sold == 20


async def test_a_worker_that_leaves_hands_over(
    url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """At any moment: nothing is bought twice, nothing unknown, and nothing unclaimed."""
    sandbox.inject(slow(0.2), times=None)  # some are cancelled in their POST
    async with BatchQueue(url) as queue:
        await queue.add("foxes", foxes(30))
        for _ in range(4):
            async with (
                BatchQueue(url) as leaving,
                worker_session(sandbox) as vidgo,
                working(leaving, vidgo, max_in_flight=4),
            ):
                await until(functools.partial(has_sold, sandbox, sandbox.sold + 2))
            assert vidgo.unclaimed == ()
        outcomes = await ran(queue, sandbox)
    assert all(outcome.ok for outcome in outcomes)
    assert sandbox.sold == sandbox.received["submit"] == 30
    ours = [record for record in caplog.records if record.name == "vidgo_async"]
    assert [record for record in ours if record.levelno >= logging.WARNING] == []


async def test_a_closed_session_stops_the_worker(queue: BatchQueue, sandbox: Sandbox) -> None:
    """It says why, and hands over."""
    await queue.add("foxes", foxes(2))
    async with worker_session(sandbox) as vidgo, working(queue, vidgo) as work:
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await work
    assert all(outcome.ok for outcome in await ran(queue, sandbox))


async def test_a_hint_from_anywhere(url: str, sandbox: Sandbox) -> None:
    """A callback that arrives at any host lets the worker poll that has the task."""
    async with BatchQueue(url) as queue, BatchQueue(url) as elsewhere:
        receiver = WebhookReceiver(on_unknown=elsewhere.hint)
        await queue.add("foxes", foxes(1))
        # On its own it would poll in an hour.
        session = worker_session(sandbox, polling=FixedPolling(3600.0))
        async with session as vidgo, working(queue, vidgo):
            await until(lambda: sandbox.sold)
            (task,) = sandbox.tasks.values()
            await until(lambda: time.monotonic() > task.ends_at)
            while await states(elsewhere) != ["bought"]:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.02)
            receiver.sessions.report(task.task_id, is_hint=False)
            (outcome,) = await followed(elsewhere)
    assert outcome.ok
    assert sandbox.received["status"] == 1


async def test_another_engine(queue: BatchQueue, sandbox: Sandbox, tmp_path: Path) -> None:
    """`generate` may be called any number of times, also at once, and buys once."""
    await queue.add("foxes", foxes(2))
    first, second = await queue.entries("foxes")
    async with worker_session(sandbox) as vidgo:
        for _ in range(2):
            tasks = await asyncio.gather(
                *(queue.generate(vidgo, first.id, download_to=tmp_path) for _ in range(3))
            )
            assert len({task.task_id for task in tasks}) == 1
        assert sandbox.sold == sandbox.received["file"] == 1

        sandbox.inject(refusal(422))
        for _ in range(2):
            with pytest.raises(InvalidRequestError):
                await queue.generate(vidgo, second.id)
        assert sandbox.received["submit"] == 2
        with pytest.raises(JournalError, match="no entry 12345"):
            await queue.generate(vidgo, 12345)
    assert len(await followed(queue)) == 2


async def test_a_generate_that_is_cancelled(queue: BatchQueue, sandbox: Sandbox) -> None:
    """The next call goes on with what it bought."""
    await queue.add("foxes", foxes(1))
    (entry,) = await queue.entries("foxes")
    sandbox.inject(slow(0.3), times=1)
    async with worker_session(sandbox) as vidgo:
        with anyio.move_on_after(0.15) as scope:
            await queue.generate(vidgo, entry.id)
        assert scope.cancelled_caught
        async with asyncio.timeout(PATIENCE):
            task = await queue.generate(vidgo, entry.id)
        assert vidgo.unclaimed == ()
    assert list(sandbox.tasks) == [task.task_id]


# --- What is told -----------------------------------------------------------------------------


async def test_on_outcome(
    queue: BatchQueue, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker tells of each request that it ran; what the callback raises costs nothing."""
    told = list[Outcome]()

    def on_outcome(outcome: Outcome) -> None:
        told.append(outcome)
        if len(told) == 1:
            raise ValueError("the app's own")

    sandbox.inject(refusal(400))
    await queue.add("foxes", foxes(3))
    outcomes = await ran(queue, sandbox, on_outcome=on_outcome)
    told.sort(key=lambda outcome: outcome.index)
    assert list(map(str, told)) == list(map(str, outcomes))  # errors have no equality
    ours = [record for record in caplog.records if record.name == "vidgo_async"]
    assert len([record for record in ours if record.levelno == logging.ERROR]) == 1
    assert await queue.counts() == {"foxes": {"ended": 2, "refused": 1}}
    assert await queue.counts("foxes") == {"foxes": {"ended": 2, "refused": 1}}


async def test_followers_of_other_batches(
    queue: BatchQueue, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told of its own, and looks by itself where it was not told."""
    monkeypatch.setattr("vidgo_async.queue.queue.READ_INTERVAL", 0.05)
    await queue.add("foxes", foxes(2))
    await queue.add("hares", [FOX])
    following = [asyncio.create_task(followed(queue, name)) for name in ("foxes", "hares")]
    await asyncio.sleep(0.2)
    await run_all(queue, sandbox)
    assert [len(await each) for each in following] == [2, 1]


# --- Odd states -------------------------------------------------------------------------------


async def test_a_bug_is_an_outcome(
    queue: BatchQueue,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever is raised, nobody waits for ever."""

    async def generate(*_: object, **__: object) -> None:
        raise LookupError("a bug")

    await queue.add("foxes", foxes(1))
    async with worker_session(sandbox) as vidgo:
        monkeypatch.setattr(vidgo, "generate", generate)
        await queue.work(vidgo, until_empty=True)
    (outcome,) = await followed(queue)
    assert "LookupError: a bug" in str(outcome.error)
    assert "failed" in caplog.text
    assert await queue.retry("foxes") == 1


async def test_a_text_is_no_picture(queue: BatchQueue, sandbox: Sandbox, tmp_path: Path) -> None:
    """It is refused, and costs nothing."""
    text = tmp_path / "fox.png"
    text.write_text("a fox")
    await queue.add("foxes", [GrokImagine(prompt="a fox", image_urls=[text])])
    (outcome,) = await ran(queue, sandbox)
    assert "ValueError" in str(outcome.error)
    assert (sandbox.sold, await states(queue)) == (0, ["refused"])


async def test_an_end_that_has_no_outcome(queue: BatchQueue, url: str, sandbox: Sandbox) -> None:
    """Its worker died before it saved the files, and the next one saves none."""
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    execute(url, "UPDATE vidgo.request SET outcome = NULL")
    (entry,) = await queue.entries("foxes")
    async with worker_session(sandbox) as vidgo:
        assert (await queue.generate(vidgo, entry.id)).finished
    assert [outcome.ok for outcome in await followed(queue)] == [True]


async def test_an_entry_that_is_deleted(queue: BatchQueue, url: str, sandbox: Sandbox) -> None:
    """By the owner of the database, while another process sends it; its job is dropped."""
    await queue.add("foxes", foxes(2))
    first, second = await queue.entries("foxes")
    async with worker_session(sandbox) as vidgo:
        sandbox.inject(slow(2.0))
        sending = asyncio.create_task(queue.generate(vidgo, first.id))
        while "sending" not in await states(queue):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)
        waiting = asyncio.create_task(queue.generate(vidgo, first.id))
        await anyio.sleep(0.2)
        execute(url, "DELETE FROM vidgo.request")
        with pytest.raises(JournalError, match=f"entry {first.id} was deleted"):
            await waiting
        await sending
    await run_all(queue, sandbox)
    assert sandbox.sold == 1
    with pytest.raises(JournalError, match=f"entry {second.id} is not unknown"):
        await queue.forget(second)


async def test_a_second_purchase_is_told(
    queue: BatchQueue, url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """By a sleeper whose entry was forgotten too early: both tasks are named."""
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    (entry,) = await queue.entries("foxes")
    (first,) = sandbox.tasks
    ((known,),) = execute(url, "SELECT task::text FROM vidgo.request")
    execute(url, "UPDATE vidgo.request SET state = 'planned', task = NULL, outcome = NULL")
    sandbox.inject(slow(0.3))
    async with worker_session(sandbox) as vidgo:
        sleeper = asyncio.create_task(queue.generate(vidgo, entry.id))
        while "sending" not in await states(queue):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)
        execute(url, "UPDATE vidgo.request SET state = 'bought', claim = NULL, task = %s", known)
        await sleeper
    second = [task_id for task_id in sandbox.tasks if task_id != first]
    assert f"{second[0]} is in its place, and not {first}" in caplog.text


async def test_a_job_that_outlived_its_entry(queue: BatchQueue, url: str, sandbox: Sandbox) -> None:
    """Its worker died between the outcome and the end of the job: nothing is done again."""
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    execute(url, "UPDATE vidgo.request SET outcome = NULL, state = 'unknown'")
    (entry,) = await queue.entries("foxes")
    await queue.forget(entry)
    execute(url, "UPDATE vidgo.request SET outcome = 1, state = 'ended'")
    async with worker_session(sandbox) as vidgo, working(queue, vidgo):
        while execute(url, "SELECT 1 FROM vidgo.procrastinate_jobs"):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)
    assert sandbox.sold == 1


# --- What an adversary tried ------------------------------------------------------------------


async def test_a_task_that_is_not_held_any_more(
    queue: BatchQueue, url: str, sandbox: Sandbox
) -> None:
    """The end of another task than the entry's is not written down as its end."""
    await queue.add("foxes", foxes(1))
    (entry,) = await queue.entries("foxes")
    async with worker_session(sandbox) as vidgo:
        running = asyncio.create_task(queue.generate(vidgo, entry.id))
        while await states(queue) != ["bought"]:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)
        other = '{"task_id":"other","status":"running"}'
        execute(url, "UPDATE vidgo.request SET task_id = 'other', task = %s", other)
        assert (await running).finished
    (entry,) = await queue.entries("foxes")
    assert (entry.state, entry.task and entry.task.task_id) == ("bought", "other")


async def test_a_timeout_while_it_is_sent(queue: BatchQueue, sandbox: Sandbox) -> None:
    """What the POST buys after it is waited for, with a deadline of its own."""
    sandbox.inject(slow(1.0))
    await queue.add("foxes", foxes(1))
    (outcome,) = await ran(queue, sandbox, timeout=0.6)
    assert outcome.ok
    assert sandbox.sold == 1


async def test_a_timeout_before_it_is_sent(queue: BatchQueue, url: str, sandbox: Sandbox) -> None:
    """A database that is slow to answer refuses nothing."""
    await queue.add("foxes", foxes(3))
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM vidgo.request WHERE id = 1 FOR UPDATE")
        running = asyncio.create_task(ran(queue, sandbox, timeout=0.5))
        await anyio.sleep(1.0)
    outcomes = await running
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert sandbox.sold == 3


async def test_an_end_tells_of_a_purchase(
    queue: BatchQueue, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that could not be written down when it was made."""
    monkeypatch.setattr("vidgo_async.queue.rows.BOUGHT", "SELECT nonsense")
    await queue.add("foxes", foxes(1))
    (outcome,) = await ran(queue, sandbox)
    assert outcome.ok
    assert sandbox.sold == 1


async def test_what_could_not_be_written_is_unknown(
    queue: BatchQueue,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that lives on does not wait for itself for ever; the log has the id."""
    monkeypatch.setattr("vidgo_async.queue.rows.BOUGHT", "SELECT nonsense")
    await queue.add("foxes", foxes(1))
    (entry,) = await queue.entries("foxes")
    # Nor is its end seen before it is cancelled.
    async with worker_session(sandbox, polling=FixedPolling(3600.0)) as vidgo:
        running = asyncio.create_task(queue.generate(vidgo, entry.id))
        await until(lambda: "the journal could not be written (task-" in caplog.text)
        running.cancel()
        await asyncio.wait({running})
        assert [each for each in vidgo.unclaimed if isinstance(each, Task)]
    monkeypatch.undo()
    (outcome,) = await ran(queue, sandbox)
    assert isinstance(outcome.error, SubmissionUnknownError)
    (entry,) = await queue.entries("foxes", "unknown")
    await queue.adopt(entry, next(iter(sandbox.tasks)))
    assert all(outcome.ok for outcome in await ran(queue, sandbox))
    assert sandbox.sold == 1


async def test_an_id_with_a_nul(queue: BatchQueue, sandbox: Sandbox) -> None:
    """PostgreSQL's text has none, and the purchase is written down all the same."""
    sandbox.inject(changed(task_id="task\0x"))
    await queue.add("foxes", foxes(1))
    (outcome,) = await ran(queue, sandbox, timeout=0.5)
    assert isinstance(outcome.error, TaskTimeoutError)
    assert outcome.task is not None
    assert outcome.task.task_id == "task\0x"


async def test_a_stale_decision(queue: BatchQueue, sandbox: Sandbox) -> None:
    """An entry that was adopted is not to be forgotten, while its task is polled or later."""
    sandbox.inject(reset_after)
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    (entry,) = await queue.entries("foxes", "unknown")
    (task_id,) = sandbox.tasks
    await queue.adopt(entry, task_id)
    with pytest.raises(JournalError, match="is not unknown"):
        await queue.forget(entry)
    assert all(outcome.ok for outcome in await ran(queue, sandbox))
    assert sandbox.sold == 1


async def test_a_wrong_id_can_be_forgotten(queue: BatchQueue, sandbox: Sandbox) -> None:
    """Once it is seen to lead nowhere."""
    sandbox.inject(reset_after)
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    (entry,) = await queue.entries("foxes", "unknown")
    await queue.adopt(entry, "no-such-task")
    (outcome,) = await ran(queue, sandbox, timeout=0.3)
    assert isinstance(outcome.error, TaskTimeoutError)
    await queue.forget(entry)
    assert all(outcome.ok for outcome in await ran(queue, sandbox))


async def test_an_entry_of_another_queue(
    queue: BatchQueue, postgres: Postgres, installed: str, sandbox: Sandbox
) -> None:
    """Its number is not enough."""
    sandbox.inject(reset_after, times=2)
    await queue.add("foxes", foxes(1))
    await run_all(queue, sandbox)
    async with BatchQueue(postgres.url(new_database(postgres, installed))) as other:
        await other.add("foxes", [FOX])
        await run_all(other, sandbox)
        (entry,) = await other.entries("foxes", "unknown")
        with pytest.raises(JournalError, match="is not unknown, or not in"):
            await queue.forget(entry)


async def test_no_session(queue: BatchQueue) -> None:
    """It is refused before anything is taken."""
    await queue.add("foxes", foxes(1))
    wrong: Any = None
    with pytest.raises(TypeError, match="expected a VidgoSession, not NoneType"):
        await queue.work(wrong)
    with pytest.raises(TypeError, match="expected a VidgoSession"):
        await queue.generate(wrong, 1)
    with pytest.raises(TypeError, match="task id"):
        await queue.hint(wrong)
    assert await states(queue) == ["planned"]


async def test_large_requests(queue: BatchQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are added in as many transactions as their size needs."""
    monkeypatch.setattr("vidgo_async.queue.ledger.MAX_PAGE", 100)
    requests = [GrokImagine(prompt="fox" * 100 + str(number)) for number in range(5)]
    assert await queue.add("foxes", requests) == 5
    assert await queue.add("foxes", requests) == 0


async def test_an_entry_that_cannot_be_read(
    queue: BatchQueue,
    url: str,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one of a newer version: it waits, and costs the others nothing."""
    await queue.add("foxes", foxes(2))
    execute(url, "UPDATE vidgo.request SET request = '{}' WHERE place = 0")
    async with worker_session(sandbox) as vidgo, working(queue, vidgo):
        await until(lambda: "is tried again in 60 s" in caplog.text)
        await until(lambda: sandbox.sold)
    jobs = execute(
        url, "SELECT scheduled_at > now() FROM vidgo.procrastinate_jobs WHERE attempts = 1"
    )
    assert (True,) in jobs
