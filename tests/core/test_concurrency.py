"""Deadlines that ring late, in a loop whose clock is moved by hand."""

import asyncio
from typing import Any

import pytest

from vidgo_async._core.concurrency import GRACE, Closing, TaskSet, wait_until
from vidgo_async._core.deadlines import Deadline, SharedTimer

pytestmark = pytest.mark.virtual_time


async def test_tasks_are_cancelled_in_the_order_of_their_starts() -> None:
    """Each finds itself first among those that wait for a semaphore, however many they are."""
    ended = list[int]()

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    tasks = TaskSet()
    for number in range(100):
        _ = tasks.start(wait(number))
    await asyncio.sleep(0)
    tasks.cancel()
    await tasks.wait()
    assert ended == list(range(100))


async def test_a_deadline_that_is_over_cannot_be_moved() -> None:
    """Moving a deadline after its block has no effect."""
    deadline = Deadline(1.0, SharedTimer())
    with deadline:
        due = deadline.due
    deadline.reschedule(due + 5)
    assert deadline.due == due
    await asyncio.sleep(10)


@pytest.mark.parametrize("late", [0.0, 5.0])
async def test_waiting_until_a_deadline_that_rings_late(late: float) -> None:
    """What ends within the grace after a blocked loop was in time; on time there is no grace."""
    loop: Any = asyncio.get_running_loop()
    started = loop.time()
    task = asyncio.create_task(asyncio.sleep(max(late, 1) + GRACE / 2))
    waiting = asyncio.create_task(wait_until({task}, started + 1))
    await asyncio.sleep(0)
    loop.advance(late)
    assert await waiting is bool(late)
    await task


async def test_what_closes_is_begun_anew_when_it_is_cancelled() -> None:
    """All who ask wait for the end of it, also one who is cancelled meanwhile."""
    begun = list[asyncio.Task[Any] | None]()

    async def close() -> None:
        begun.append(asyncio.current_task())
        await asyncio.sleep(1)

    closing = Closing(close)
    left, stayed = (asyncio.create_task(closing.wait()) for _ in range(2))
    for _ in range(3):
        await asyncio.sleep(0.5)
        assert not closing.is_over
        left.cancel()
        closing.begin().cancel()
    await asyncio.sleep(0.5)
    assert not left.done()
    assert not stayed.done()
    await asyncio.wait({left, stayed})
    assert left.cancelled()
    assert stayed.result() is None
    assert len(begun) == 4
    await closing.wait()
    assert len(begun) == 4
    assert asyncio.get_running_loop().time() == pytest.approx(2.5, abs=0.1)


async def test_what_fails_to_close_says_so_each_time() -> None:
    """An error is no cancellation: it is not tried again."""

    async def close() -> None:
        raise ZeroDivisionError

    closing = Closing(close)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await closing.wait()
