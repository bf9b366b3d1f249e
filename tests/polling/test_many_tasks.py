"""Thousands of tasks: they are begun, left and closed in pieces, and none is forgotten."""

import asyncio
import gc
from collections import Counter
from datetime import UTC, datetime

import anyio
import pytest

from tests.support.sessions import foxes, open_session
from vidgo_async import FixedPolling, SessionClosedError, Task, VidgoError, VidgoSession
from vidgo_async._core.pieces import AT_ONCE
from vidgo_async._polling.poller import Poller
from vidgo_async._polling.subscription import Subscription
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time

COUNT = 3 * AT_ONCE + 5


def bought(count: int) -> list[Task]:
    now = datetime.now(UTC)
    return [Task(f"task-{number}", "running", submitted_at=now) for number in range(count)]


def poller_of(vidgo: VidgoSession) -> Poller:
    return vidgo._open().poller


def watched(vidgo: VidgoSession) -> int:
    return len(poller_of(vidgo)._watches)


async def test_watching_begins_and_ends_in_pieces() -> None:
    """The loop runs others between them; what is pending is known at once."""
    async with Sandbox() as sandbox, open_session(sandbox, polling=FixedPolling(600)) as vidgo:
        stream = vidgo.as_completed(bought(COUNT))
        async with stream:
            assert watched(vidgo) == AT_ONCE
            assert len(stream.pending) == COUNT
            await anyio.sleep(1)
            assert watched(vidgo) == COUNT
        assert watched(vidgo) == COUNT - AT_ONCE
        await anyio.sleep(1)
        assert watched(vidgo) == 0


async def test_a_stream_that_is_left_while_it_begins_is_polled_no_more() -> None:
    """What was not begun is not begun any more."""
    async with Sandbox() as sandbox, open_session(sandbox, polling=FixedPolling(5)) as vidgo:
        async with vidgo.as_completed(bought(COUNT)):
            pass
        await anyio.sleep(60)
        assert watched(vidgo) == 0
        assert not sandbox.received["status"]


async def test_a_session_that_closes_while_a_stream_begins() -> None:
    """Its consumer is told, and no poll is sent."""
    async with Sandbox() as sandbox:
        async with open_session(sandbox, polling=FixedPolling(5)) as vidgo:
            stream = vidgo.as_completed(bought(COUNT))
            consumer = asyncio.create_task(anext(stream))
            await asyncio.sleep(0)
            assert watched(vidgo) == AT_ONCE
        with pytest.raises(SessionClosedError):
            await consumer
        assert len(stream.pending) == COUNT
        assert not sandbox.received["status"]


async def test_ids_are_tasks_once_they_are_watched() -> None:
    """Many ids, some given twice, some with a task that says more: each ends once."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(AT_ONCE + 50))
        ids = [task.task_id for task in tasks]
        stream = vidgo.as_completed([*ids, *tasks[:9], *ids[:5]])
        assert stream.pending == tuple(ids)
        ended = [task async for task in stream]
        assert sorted(task.task_id for task in ended) == sorted(ids)
        assert all(task.finished for task in ended)
        assert {task.model for task in ended} == {"grok-imagine", None}


async def test_a_consumer_that_comes_back_while_it_is_forgotten() -> None:
    """Cancelled at any moment, and back at once: each end is given once."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(COUNT))
        stream = vidgo.as_completed(tasks)
        ended = list[str]()
        for iterations in (*range(12), 0, 0, 5, 1, 0, 3):
            consumer = asyncio.create_task(anext(stream))
            for _ in range(iterations):
                await asyncio.sleep(0)
            consumer.cancel()
            await asyncio.wait({consumer})
            if not consumer.cancelled():
                ended.append(consumer.result().task_id)
        ended += [task.task_id async for task in stream]
        assert sorted(ended) == sorted(task.task_id for task in tasks)


async def test_an_abandoned_consumer_among_thousands() -> None:
    """A consumer that was cancelled is polled for no more, whatever poll finds out."""
    async with (
        Sandbox(credits=1e9, seconds=(300, 300)) as sandbox,
        open_session(sandbox, polling=FixedPolling(2.0)) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(COUNT))
        stream = vidgo.as_completed(tasks)
        consumer = asyncio.create_task(anext(stream))
        await anyio.sleep(5)
        assert sandbox.received["status"]
        consumer.cancel()
        await anyio.sleep(5)
        before = sandbox.received["status"]
        await anyio.sleep(600)
        assert sandbox.received["status"] == before
        assert watched(vidgo) == 0
        assert len([task async for task in stream]) == COUNT


async def test_a_wait_leaves_no_garbage() -> None:
    """What is begun and left holds nothing that only the collector could free."""
    async with Sandbox(seconds=(0, 0)) as sandbox, open_session(sandbox) as vidgo:
        (task,) = await vidgo.submit_many(foxes(1))
        await vidgo.wait(task)
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await vidgo.wait(task)
                async with vidgo.as_completed([task]):
                    pass
            assert gc.collect() < 50
        finally:
            gc.enable()


async def test_many_entries_that_are_out_of_date_hide_none_that_is_due() -> None:
    """A stream of thousands is left, and the one task beside it is polled as before."""
    async with (
        Sandbox(seconds=(60, 60)) as sandbox,
        open_session(sandbox, polling=FixedPolling(10.0)) as vidgo,
    ):
        (task,) = await vidgo.submit_many(foxes(1))
        waiting = asyncio.create_task(vidgo.wait(task))
        await anyio.sleep(1)
        async with vidgo.as_completed(bought(COUNT)):
            await anyio.sleep(1)
        began = anyio.current_time()
        assert (await waiting).finished
        assert anyio.current_time() - began < 75
        assert sandbox.received["status"] <= 8


async def test_a_bug_in_a_later_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a later piece is told to the consumer, who would wait for ever."""
    add = Poller._add

    def with_a_bug(self: Poller, task: Task, subscribers: object) -> None:
        if task.task_id == f"task-{COUNT - 1}":
            raise ZeroDivisionError
        add(self, task, subscribers)  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr(Poller, "_add", with_a_bug)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(Exception, match="bug in vidgo_async"):
            await anext(vidgo.as_completed(bought(COUNT)))


async def test_closing_tells_many_callers_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand in one step would hold the loop for 50 ms."""
    told = Counter[int]()
    iteration = 0
    real = Subscription.fail

    def fail(subscription: Subscription, error: VidgoError) -> None:
        told[iteration] += 1
        real(subscription, error)

    async def count() -> None:
        nonlocal iteration
        while True:
            iteration += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Subscription, "fail", fail)
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        waits = [asyncio.create_task(vidgo.wait(f"task-{number}")) for number in range(4 * AT_ONCE)]
        await asyncio.sleep(0)
        counting = asyncio.create_task(count())
        await vidgo.aclose()
        counting.cancel()
        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(end) for end in ends} == {SessionClosedError}
        assert sum(told.values()) == 4 * AT_ONCE
        assert max(told.values()) <= 2 * AT_ONCE  # one piece may come on each side of the count
