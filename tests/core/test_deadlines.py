"""Deadlines of requests: many on one timer, and each like `asyncio.timeout`."""

import asyncio
from typing import Any

import anyio
import pytest

from vidgo_async._core.concurrency import GRACE
from vidgo_async._core.deadlines import Deadline, SharedTimer

pytestmark = pytest.mark.virtual_time


async def overslept(deadline: Deadline, seconds: float) -> float:
    """Sleep under a deadline; return when it ended the sleep."""
    with pytest.raises(TimeoutError), deadline:
        await anyio.sleep(seconds)
    return anyio.current_time()


async def test_each_rings_at_its_own_time() -> None:
    """However they are ordered, and although one timer rings for all."""
    timer, began = SharedTimer(), anyio.current_time()
    waits = [5.0, 1.0, 3.0, 3.0, 60.0, 2.0]
    rang = await asyncio.gather(*(overslept(Deadline(each, timer), 99) for each in waits))
    assert [at - began for at in rang] == pytest.approx(waits, abs=0.01)


async def test_one_that_is_met_does_not_ring() -> None:
    """The timer stays set, finds it gone, and rings for the next."""
    timer, began = SharedTimer(), anyio.current_time()
    with Deadline(5.0, timer):
        await anyio.sleep(4)
    assert await overslept(Deadline(3.0, timer), 99) - began == pytest.approx(7, abs=0.01)
    await anyio.sleep(60)


async def test_a_timer_is_set_once_for_many() -> None:
    """Deadlines that are met one after the other cost the loop one timer."""
    loop: Any = asyncio.get_running_loop()
    timer = SharedTimer()
    before = len(loop._scheduled)
    for _ in range(50):
        with Deadline(10.0, timer):
            pass
    assert len(loop._scheduled) == before + 1
    timer.close()


async def test_a_deadline_may_be_moved() -> None:
    """Later and earlier, while its block runs."""
    timer, began = SharedTimer(), anyio.current_time()
    for seconds in (9.0, 1.0):
        deadline = Deadline(5.0, timer)
        start = anyio.current_time()
        asyncio.get_running_loop().call_later(0.5, deadline.reschedule, start + seconds)
        assert await overslept(deadline, 99) - start == pytest.approx(seconds, abs=0.01)
    assert anyio.current_time() - began == pytest.approx(10, abs=0.05)


async def test_a_cancellation_from_outside_goes_through() -> None:
    """It is no timeout, even if both come at once."""
    timer = SharedTimer()
    task = asyncio.create_task(overslept(Deadline(5.0, timer), 99))
    await anyio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadline = Deadline(5.0, timer)
    both = asyncio.create_task(overslept(deadline, 99))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(deadline.due, both.cancel)
    with pytest.raises(asyncio.CancelledError):
        await both


async def test_scopes_around_it_ring_in_their_own_name() -> None:
    """A scope of anyio's, and a timeout of asyncio's, that end first."""
    timer = SharedTimer()
    with anyio.move_on_after(1) as scope, Deadline(5.0, timer):
        await anyio.sleep(99)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            with Deadline(5.0, timer):
                await anyio.sleep(99)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_another_error_goes_through() -> None:
    """An error of the block is raised as it is, also after the deadline rang."""
    timer = SharedTimer()
    with pytest.raises(ZeroDivisionError), Deadline(1.0, timer):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), Deadline(1.0, timer):
        try:
            await anyio.sleep(99)
        except asyncio.CancelledError:
            raise ZeroDivisionError from None
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


@pytest.mark.parametrize("blocked", [1.0, 30.0])
async def test_one_that_rings_late_leaves_time_to_read(blocked: float) -> None:
    """What ends within the grace after a blocked loop was in time; more is not given."""
    timer = SharedTimer()
    loop: Any = asyncio.get_running_loop()
    loop.call_later(0.9, loop.advance, blocked)
    with Deadline(1.0, timer):
        await anyio.sleep(0.9 + blocked + GRACE / 2)
    start = anyio.current_time()
    loop.call_later(0.9, loop.advance, blocked)
    late = await overslept(Deadline(1.0, timer), 99) - start - 0.9 - blocked
    assert late == pytest.approx(GRACE, abs=0.05)
