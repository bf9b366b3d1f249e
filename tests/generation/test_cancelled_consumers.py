"""A consumer that is cancelled, and kept: nothing is bought or polled for it any more."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import pytest

from tests.support.sessions import foxes, ids, open_session
from vidgo_async import Batch, GenerationRequest, Outcome, SubmissionUnknownError, VidgoSession
from vidgo_async._polling.consumers import Consumers
from vidgo_async.sandbox import Sandbox, hang_after, slow

pytestmark = pytest.mark.virtual_time

Consumer = Callable[[Batch, list[Outcome]], Coroutine[Any, Any, None]]


async def bare_loop(batch: Batch, taken: list[Outcome]) -> None:
    async for outcome in batch:
        taken.append(outcome)


async def loop_that_works(batch: Batch, taken: list[Outcome]) -> None:
    async for outcome in batch:
        taken.append(outcome)
        await anyio.sleep(1000)


async def one_by_one(batch: Batch, taken: list[Outcome]) -> None:
    while True:
        taken.append(await anext(batch))


async def two_readers(batch: Batch, taken: list[Outcome]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(bare_loop, batch, taken)
        group.start_soon(bare_loop, batch, taken)


CONSUMERS: list[Consumer] = [bare_loop, loop_that_works, one_by_one, two_readers]


@contextlib.asynccontextmanager
async def buying(**settings: Any) -> AsyncIterator[tuple[Sandbox, VidgoSession, Batch]]:
    """Open a batch of which a request is sent every two seconds."""
    async with (
        Sandbox(seconds=(3, 9)) as sandbox,
        open_session(sandbox, max_requests_per_second=1.0, **settings) as vidgo,
    ):
        yield sandbox, vidgo, vidgo.generate_many(foxes(40), max_in_flight=16)


def sold_ids(sandbox: Sandbox) -> set[str]:
    return set(sandbox.tasks)


@pytest.mark.parametrize("consume", CONSUMERS)
async def test_nothing_is_sent_for_a_cancelled_consumer(consume: Consumer) -> None:
    """A cancelled task that is kept, with its traceback, neither buys nor polls any more."""
    taken: list[Outcome] = []
    async with buying() as (sandbox, vidgo, batch):
        job = asyncio.create_task(consume(batch, taken))
        await anyio.sleep(20)
        job.cancel()
        await asyncio.wait({job})
        await anyio.sleep(1)
        sold, polls = sandbox.sold, sandbox.received["status"]
        given = {outcome.task.task_id for outcome in taken if outcome.task}
        assert 0 < sold < 40
        assert {task.task_id for task in vidgo.unclaimed} | given == sold_ids(sandbox)
        await anyio.sleep(300)
        assert sandbox.sold == sold
        assert sandbox.received["status"] <= polls + 1
        assert {task.task_id for task in vidgo.unclaimed} | given == sold_ids(sandbox)
        assert job.cancelled()


async def test_the_next_consumer_takes_it_back() -> None:
    """A timeout round each `anext` loses nothing: all outcomes come, and `unclaimed` is empty."""
    taken: list[Outcome] = []
    pauses = 0
    async with Sandbox(seconds=(3, 9)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(20), max_in_flight=6)
        while True:
            with anyio.move_on_after(1.0) as scope:
                try:
                    taken.append(await anext(batch))
                except StopAsyncIteration:
                    break
            if scope.cancelled_caught:
                pauses += 1
                held = set(ids(vidgo.unclaimed))
                assert held == sold_ids(sandbox) - {o.task.task_id for o in taken if o.task}
        assert pauses > 3
        assert sorted(outcome.index for outcome in taken) == list(range(20))
        assert all(outcome.ok for outcome in taken)
        assert vidgo.unclaimed == ()
        assert sandbox.sold == 20


async def test_a_post_in_flight_is_shown_once_it_is_answered() -> None:
    """What was being bought when the consumer left is in `unclaimed` a moment later."""
    async with Sandbox() as sandbox, open_session(sandbox, request_timeout=10.0) as vidgo:
        sandbox.inject(slow(3), times=2)
        sandbox.inject(hang_after, times=1)
        batch = vidgo.generate_many(foxes(3))
        job = asyncio.create_task(bare_loop(batch, []))
        await anyio.sleep(1)
        job.cancel()
        await asyncio.wait({job})
        assert not ids(vidgo.unclaimed)
        await anyio.sleep(20)
        assert sandbox.sold == 3
        kinds = [isinstance(item, SubmissionUnknownError) for item in vidgo.unclaimed]
        assert sorted(kinds) == [False, False, True]
    assert len({id(item) for item in vidgo.unclaimed}) == 3  # also after closing, each once


async def test_a_cancelled_reader_of_as_completed_costs_no_polls() -> None:
    """A stream whose reader was cancelled is not polled for; the next reader gets the rest."""
    async with Sandbox(seconds=(30, 60)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(5))
        stream = vidgo.as_completed(tasks)

        async def read() -> list[str]:
            return [task.task_id async for task in stream]

        job = asyncio.create_task(read())
        await anyio.sleep(10)
        job.cancel()
        await asyncio.wait({job})
        await anyio.sleep(1)
        polls = sandbox.received["status"]
        await anyio.sleep(200)
        assert sandbox.received["status"] == polls
        assert set(await read()) == set(ids(tasks))
        assert await read() == []


async def test_a_dropped_task_is_gone_too() -> None:
    """A cancelled task need not be kept: a sibling's failure in a task group, and the batch is."""
    async with buying() as (sandbox, vidgo, batch):

        async def fail() -> None:
            await anyio.sleep(14)
            raise ZeroDivisionError

        taken: list[Outcome] = []
        with pytest.RaisesGroup(ZeroDivisionError):
            async with asyncio.TaskGroup() as group:
                group.create_task(loop_that_works(batch, taken))
                group.create_task(fail())
        gc.collect()
        await anyio.sleep(1)
        sold = sandbox.sold
        given = {outcome.task.task_id for outcome in taken if outcome.task}
        assert {task.task_id for task in vidgo.unclaimed} | given == sold_ids(sandbox)
        await anyio.sleep(100)
        assert sandbox.sold == sold < 40


async def test_a_long_lived_consumer_holds_no_stream() -> None:
    """A task that takes many batches, one after the other, does not collect what they leave."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = asyncio.current_task()
        assert task is not None
        before = len(task._callbacks or ())
        for _ in range(3):
            assert [outcome async for outcome in vidgo.generate_many(foxes(1))]
            assert [done async for done in vidgo.as_completed(await vidgo.submit_many(foxes(1)))]
            async for _outcome in vidgo.generate_many(foxes(2)):
                break
            await anyio.sleep(0.1)
        assert len(task._callbacks or ()) == before


@pytest.mark.parametrize("kind", ["batch", "completions"])
async def test_a_consumer_that_cleans_up_is_gone(kind: str) -> None:
    """A cancelled consumer that takes its time to end neither buys nor polls meanwhile."""
    async with buying() as (sandbox, vidgo, batch):
        tasks = await vidgo.submit_many(foxes(3))

        async def consume() -> None:
            stream = batch if kind == "batch" else vidgo.as_completed([*tasks, "never-sold"])
            try:
                async for _ in stream:
                    await anyio.sleep(1000)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(400)

        job = asyncio.create_task(consume())
        await anyio.sleep(20)
        job.cancel()
        await anyio.sleep(5)
        sold, polls = sandbox.sold, sandbox.received["status"]
        await anyio.sleep(200)
        assert sandbox.sold == sold < 40
        assert sandbox.received["status"] <= polls + 4
        await asyncio.wait({job})


async def test_a_poll_finds_that_the_consumer_is_gone() -> None:
    """Tasks that go on are not polled for a consumer that is cancelled in its loop."""
    async with Sandbox(seconds=(3, 3000)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(8))
        taken = anyio.Event()

        async def consume() -> None:
            stream = vidgo.as_completed(tasks)  # a name holds it while the consumer cleans up
            try:
                async for _ in stream:
                    taken.set()
                    await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1000)

        job = asyncio.create_task(consume())
        await taken.wait()
        job.cancel()
        polls = sandbox.received["status"]
        await anyio.sleep(900)
        assert sandbox.received["status"] <= polls + len(tasks)
        await asyncio.wait({job})


async def test_a_consumer_may_outlive_its_stream() -> None:
    """The end of a consumer is nothing to a stream that was dropped before it."""
    paused: list[str] = []

    async def consume() -> None:
        consumers = Consumers(lambda: paused.append("dropped"), lambda: None)
        with consumers.waiting():
            pass
        del consumers
        gc.collect()
        await anyio.sleep(1000)

    job = asyncio.create_task(consume())
    await anyio.sleep(1)
    job.cancel()
    await asyncio.wait({job})
    await anyio.sleep(1)
    assert job.cancelled()
    assert paused == []


async def test_a_batch_that_feeds_a_batch() -> None:
    """When the last consumer is cancelled, the first batch buys nothing more either."""
    taken: list[Outcome] = []
    async with buying() as (sandbox, vidgo, first):

        async def again() -> AsyncIterator[GenerationRequest]:
            async for outcome in first:
                yield GenerationRequest("video-2", {"prompt": outcome.request.input["prompt"]})

        second = vidgo.generate_many(again(), max_in_flight=16)
        job = asyncio.create_task(bare_loop(second, taken))
        while len(taken) < 3:  # noqa: ASYNC110 - virtual seconds
            await anyio.sleep(1)
        job.cancel()
        await asyncio.wait({job})
        await anyio.sleep(1)
        sold = sandbox.sold
        await anyio.sleep(100)
        assert sandbox.sold == sold

        await bare_loop(second, taken)
        assert len(taken) == 40
        assert sandbox.sold == 80


async def test_a_held_stream() -> None:
    """It goes on when it is released and somebody waits, whichever comes first."""
    done = list[str]()
    consumers = Consumers(lambda: done.append("pause"), lambda: done.append("resume"))
    consumers.hold()
    with consumers.waiting():
        assert done == ["pause"]
        consumers.release()
        assert done == ["pause", "resume"]
    consumers.hold()
    consumers.release()
    assert done == ["pause", "resume", "pause"]
    with consumers.waiting():
        assert done == ["pause", "resume"] * 2
    consumers.close()
