"""Batches with more in flight than one piece: left and paused in pieces, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from tests.support.sessions import foxes, open_session
from vidgo_async import FixedPolling, Task
from vidgo_async._core.pieces import AT_ONCE
from vidgo_async._generation.runner import Runner
from vidgo_async._generation.slot import Slot
from vidgo_async.sandbox import Sandbox, slow

pytestmark = pytest.mark.virtual_time

COUNT = 2 * AT_ONCE + 100
SLOW = FixedPolling(600.0)


def ids(purchases: object) -> set[str]:
    assert isinstance(purchases, tuple)
    assert all(isinstance(each, Task) for each in purchases)
    return {each.task_id for each in purchases}


@pytest.mark.parametrize("bought", [5, COUNT - 40, COUNT])
async def test_what_a_batch_had_bought_is_unclaimed_when_it_is_left(bought: int) -> None:
    """All that was sold is in `unclaimed` after the block, and nothing more is sold."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox, polling=SLOW) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=COUNT)
        async with batch:
            while batch.submitted < bought:  # noqa: ASYNC110 - no event tells of it
                await anyio.sleep(0.01)
        sold = sandbox.sold
        await anyio.sleep(60)
        assert ids(vidgo.unclaimed) == set(sandbox.tasks)
        assert len(vidgo.unclaimed) == sandbox.sold
        assert sandbox.sold - sold <= 16  # which were on their way


async def test_what_a_dropped_batch_had_bought_is_there_at_once() -> None:
    """`unclaimed` is whole at any moment, though the batch is left in pieces."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox, polling=SLOW) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=COUNT)
        aiter(batch)
        while batch.submitted < COUNT:  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.01)
        del batch
        for _ in range(6):
            await asyncio.sleep(0)
            assert len(vidgo.unclaimed) in (0, COUNT)
        assert ids(vidgo.unclaimed) == set(sandbox.tasks)
        await anyio.sleep(1)
        assert ids(vidgo.unclaimed) == set(sandbox.tasks)
        assert len(vidgo.unclaimed) == COUNT


async def test_a_consumer_that_is_cancelled_again_and_again() -> None:
    """Polls and deadlines of thousands pause and go on with it: each has its outcome."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=COUNT, timeout=300.0)
        outcomes = dict[int, bool]()
        timeouts = 0
        while len(outcomes) < COUNT:
            try:
                async with asyncio.timeout(0.05 * (timeouts % 4)):
                    outcome = await anext(batch)
                    outcomes[outcome.index] = outcome.ok
            except TimeoutError:
                timeouts += 1
        assert timeouts > 10
        assert all(outcomes.values())
        assert sandbox.sold == COUNT


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few tasks be many."""
    monkeypatch.setattr("vidgo_async._core.pieces.AT_ONCE", 8)


async def in_a_hurry(stream: AsyncIterator[object]) -> bool:
    """Wait for the next item for some iterations of the loop; tell whether there was one."""
    consumer = asyncio.ensure_future(anext(stream))
    for _ in range(20):
        await asyncio.sleep(0)
    consumer.cancel()
    await asyncio.wait({consumer})
    return not consumer.cancelled()


@pytest.mark.usefixtures("small_pieces")
async def test_all_tasks_of_a_stream_are_polled_for_a_consumer_in_a_hurry() -> None:
    """A consumer who leaves and comes back before all are begun does not begin them anew."""
    async with Sandbox(credits=1e9, seconds=(1e6, 1e6)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(500))
        async with open_session(sandbox, polling=SLOW) as later:
            stream = later.as_completed([task.task_id for task in tasks])
            with anyio.fail_after(10):
                while sandbox.received["status"] < len(tasks):
                    assert not await in_a_hurry(stream)
            assert {call.task_id for call in sandbox.calls if call.name == "status"} == set(
                sandbox.tasks
            )


@pytest.mark.usefixtures("small_pieces")
async def test_all_tasks_of_a_batch_are_polled_for_a_consumer_in_a_hurry() -> None:
    """A consumer who leaves and comes back before all are resumed does not pause them anew."""
    count = 500
    async with (
        Sandbox(credits=1e9, seconds=(1e6, 1e6)) as sandbox,
        open_session(sandbox, polling=SLOW) as vidgo,
    ):
        batch = vidgo.generate_many(foxes(count), max_in_flight=count)
        with anyio.move_on_after(20):
            await anext(batch)
        assert batch.submitted == count
        await anyio.sleep(1000)
        assert sandbox.received["status"] == 0
        with anyio.fail_after(10):
            while sandbox.received["status"] < count:
                assert not await in_a_hurry(batch)


async def test_a_paused_batch_polls_nothing_and_loses_no_time() -> None:
    """However long its consumer is away."""
    async with Sandbox(credits=1e9, seconds=(30, 60)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=COUNT, timeout=100.0)
        with anyio.move_on_after(10):
            await anext(batch)
        await anyio.sleep(1)
        polls = sandbox.received["status"]
        await anyio.sleep(1000)
        assert sandbox.received["status"] == polls
        assert len(vidgo.unclaimed) == sandbox.sold
        assert all([outcome.ok async for outcome in batch])
        assert batch.finished == COUNT


async def test_the_newest_of_thousands() -> None:
    """They are the last of those in flight, the newest first."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox, polling=SLOW) as vidgo:
        batch = vidgo.generate_many(foxes(40), max_in_flight=40)
        assert batch.newest(3) == ()
        async with batch:
            while batch.submitted < 40:  # noqa: ASYNC110 - no event tells of it
                await anyio.sleep(0.01)
            assert batch.newest(3) == batch.in_flight[:-4:-1]
            assert [pending.index for pending in batch.newest(99)] == list(range(39, -1, -1))


@pytest.mark.parametrize("journal", [False, True])
async def test_a_batch_that_is_left_twice(journal: bool, tmp_path: Path) -> None:
    """By its block and by the session that closes: neither waits for ever."""
    async with Sandbox(credits=1e9) as sandbox:
        vidgo = await open_session(sandbox, polling=SLOW).__aenter__()
        batch = vidgo.generate_many(
            foxes(COUNT),
            max_in_flight=COUNT,
            journal=tmp_path / "foxes.vidgo" if journal else None,
        )
        await batch.__aenter__()
        while batch.submitted < COUNT:  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.05)
        with anyio.fail_after(100):
            leaving = asyncio.create_task(batch.__aexit__(None, None, None))
            await asyncio.sleep(0)
            closing = asyncio.create_task(vidgo.aclose())
            await asyncio.sleep(0)
            await batch.__aexit__(None, None, None)
            await leaving
            await closing
        assert ids(vidgo.unclaimed) == set(sandbox.tasks)
        assert len(vidgo.unclaimed) == COUNT


async def test_a_submit_many_of_thousands_is_left_in_pieces() -> None:
    """Few of its submits end in one iteration of the loop, and none is sent meanwhile."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(1), times=None)
        buying = asyncio.create_task(vidgo.submit_many(foxes(4 * AT_ONCE)))
        await anyio.sleep(3.5)
        received = sandbox.received["submit"]
        buying.cancel()
        ended, left = [], len(asyncio.all_tasks())
        while not buying.done():
            await asyncio.sleep(0)
            before, left = left, len(asyncio.all_tasks())
            ended.append(before - left)
        assert max(ended) <= AT_ONCE + 1
        await anyio.sleep(10)
        assert sandbox.received["submit"] == received
        assert ids(vidgo.unclaimed) == set(sandbox.tasks)


@pytest.mark.parametrize("word", ["cancelled", "asked again"])
async def test_a_consumer_of_a_batch_that_is_being_left(word: str) -> None:
    """It is cancelled, or asks once more, in the middle of the leaving: which ends all the same."""
    async with Sandbox(credits=1e9) as sandbox, open_session(sandbox, polling=SLOW) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=COUNT)
        await batch.__aenter__()
        while batch.submitted < COUNT:  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.05)
        consumer = asyncio.create_task(anext(batch))
        await asyncio.sleep(0)
        if word == "asked again":
            consumer.cancel()
            await asyncio.wait({consumer})
        leaving = asyncio.create_task(batch.__aexit__(None, None, None))
        await asyncio.sleep(0)
        if word == "asked again":
            consumer = asyncio.create_task(anext(batch))
        else:
            consumer.cancel()
        with anyio.fail_after(60):
            await leaving
            await asyncio.gather(consumer, return_exceptions=True)
        assert ids(vidgo.unclaimed) == set(sandbox.tasks)
        assert len(vidgo.unclaimed) == sandbox.sold == COUNT


async def test_requests_that_end_while_their_batch_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come too late to be taken, and to be stopped: nothing goes wrong."""
    gate = asyncio.Event()

    async def until_the_gate_opens(_: Runner, slot: Slot, on_sent: Callable[[], None]) -> None:
        on_sent()
        await gate.wait()
        slot.is_over = True

    monkeypatch.setattr(Runner, "run", until_the_gate_opens)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=COUNT)
        async with batch:
            while batch.read < COUNT:  # noqa: ASYNC110 - no event tells of it
                await anyio.sleep(0.01)
            gate.set()
        assert batch.finished == COUNT - AT_ONCE
        assert [outcome async for outcome in batch] == []
        assert not vidgo.unclaimed


async def test_an_end_that_waits_for_the_next_consumer_is_given_once() -> None:
    """A stream that goes on does not poll again what ended before its consumer left."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        stream = vidgo.as_completed([Task("a", "finished"), Task("b", "finished")])

        async def take_one() -> None:
            await anext(stream)
            await anyio.sleep_forever()

        consumer = asyncio.create_task(take_one())
        await anyio.sleep(1)
        consumer.cancel()
        await asyncio.wait({consumer})
        await anyio.sleep(1)
        assert [task.task_id async for task in stream] == ["b"]
        assert sandbox.received["status"] == 0
