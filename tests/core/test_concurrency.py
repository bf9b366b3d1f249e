"""Deadlines that ring late, in a loop whose clock is moved by hand."""

import asyncio
from typing import Any

import pytest

from vidgo_async._core.concurrency import GRACE, TaskSet, wait_until
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
