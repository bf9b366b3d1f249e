"""A batch that is stopped, cancelled or dropped: nothing that it bought is lost."""

import asyncio
import gc
import pickle
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.sessions import foxes, ids, open_session
from vidgo_async import Batch, Outcome, SessionClosedError, SubmissionUnknownError, Task
from vidgo_async.sandbox import Sandbox, reset_after, slow

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("how", ["block", "break", "error", "cancel", "drop"])
async def test_an_abandoned_batch_loses_nothing(how: str) -> None:
    """What an abandoned batch had bought, or still buys, is in `unclaimed`."""
    taken: list[Outcome] = []

    async def read(batch: AsyncIterator[Outcome]) -> None:
        async for outcome in batch:
            taken.append(outcome)
            if len(taken) == 5:
                break

    async def raise_inside(batch: Batch) -> None:
        async with batch:
            await read(batch)
            raise ZeroDivisionError

    async with Sandbox(seconds=(5, 50), seed=4) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_after, skip=10)
        sandbox.inject(slow(3), times=None, skip=12)
        batch = vidgo.generate_many(foxes(100), max_in_flight=12)
        if how == "block":
            async with batch:
                await read(batch)
        elif how == "break":
            await read(batch)
        elif how == "error":
            with pytest.raises(ZeroDivisionError):
                await raise_inside(batch)
        elif how == "cancel":
            with anyio.move_on_after(20):
                async with batch:
                    await read(batch)
                    await anyio.sleep(100)
        else:
            await read(aiter(batch))
        del batch
        gc.collect()
        await anyio.sleep(20)
        polls, posts = sandbox.received["status"], sandbox.received["submit"]
        await anyio.sleep(100)
        assert (sandbox.received["status"], sandbox.received["submit"]) == (polls, posts)
        unknown = [what for what in vidgo.unclaimed if isinstance(what, SubmissionUnknownError)]
        unknown += [o.error for o in taken if isinstance(o.error, SubmissionUnknownError)]
        given = [outcome.task.task_id for outcome in taken if outcome.task is not None]
        kept = [what.task_id for what in vidgo.unclaimed if isinstance(what, Task)]
        assert 1 <= len(taken) <= 5
        assert len(unknown) == 1
        assert len(given) + len(kept) + 1 == sandbox.sold
        assert len({*given, *kept}) == len(given) + len(kept)


async def test_an_unread_unknown_outcome_is_unclaimed() -> None:
    """An unread `SubmissionUnknownError` goes to `unclaimed` when the batch is abandoned."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_after)
        async with vidgo.generate_many(foxes(1)):
            await anyio.sleep(5)
        (error,) = vidgo.unclaimed
        assert isinstance(error, SubmissionUnknownError)


async def test_a_second_loop_takes_the_rest() -> None:
    """A batch that is kept goes on after a `break`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(10))
        first = await anext(batch)
        rest = [outcome.index async for outcome in batch]
        assert sorted([first.index, *rest]) == list(range(10))
        assert not vidgo.unclaimed


async def test_closing_the_session_ends_a_batch() -> None:
    """The consumer of a batch gets a `SessionClosedError`; its purchases are in `unclaimed`."""
    async with Sandbox(seconds=(50, 50)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(100), max_in_flight=6)
        consumer = asyncio.create_task(anext(aiter(batch)))
        await anyio.sleep(5)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await consumer
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)
        assert sandbox.sold == 6


async def test_closing_the_session_does_not_affect_a_finished_batch() -> None:
    """A batch whose outcomes were all yielded just ends."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(2))
        assert len([outcome async for outcome in batch]) == 2
        await vidgo.aclose()
        assert [outcome async for outcome in batch] == []


async def test_outcomes_pickle() -> None:
    """Outcomes go to other processes whole, errors included."""
    async with Sandbox(failure_rate=0.5, seed=1) as sandbox, open_session(sandbox) as vidgo:
        for outcome in [outcome async for outcome in vidgo.generate_many(foxes(6))]:
            again = pickle.loads(pickle.dumps(outcome))
            assert (again.index, again.request, again.task) == (
                outcome.index,
                outcome.request,
                outcome.task,
            )
            assert str(again.error) == str(outcome.error)
            assert again.ok == outcome.ok


async def test_unclaimed_tells_at_once_after_a_break() -> None:
    """Right after a `break`, before anything is awaited, the purchases are in `unclaimed`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async for outcome in vidgo.generate_many(foxes(5)):
            assert outcome.error is None
            break
        left = ids(vidgo.unclaimed)
        assert len(left) == sandbox.sold - 1 == 4
        await anyio.sleep(1)
        assert ids(vidgo.unclaimed) == left
