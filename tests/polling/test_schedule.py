"""What is due, and who waits for it: the small parts below the poller."""

import asyncio

import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import Task
from vidgo_async._core.pieces import AT_ONCE
from vidgo_async._polling.schedule import Schedule
from vidgo_async._polling.subscription import Subscription
from vidgo_async._polling.watches import Watches
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


async def test_a_due_watch_behind_many_stale_entries_comes_next_time() -> None:
    """Only so many are dropped at once; the timer rings again for what is left."""
    rang = asyncio.Event()
    schedule = Schedule(rang.set)
    watch = Watches().open(Task("a", "running"), (Subscription(),))
    now = asyncio.get_running_loop().time()
    for number in range(AT_ONCE + 10):
        schedule.push(watch, now - 1 + number / 1000)  # all but the last are stale
    assert schedule.pop_due(now) is None
    schedule.set_timer()
    await rang.wait()
    assert asyncio.get_running_loop().time() - now < 0.1
    assert schedule.pop_due(now) is watch
    assert schedule.pop_due(now) is None


async def test_to_resume_what_was_not_paused_moves_no_deadline() -> None:
    """Only a pause stops the time."""
    subscription = Subscription(timeout=10)
    deadline = subscription.deadline
    subscription.resume()
    assert subscription.deadline == deadline
    subscription.pause()
    await asyncio.sleep(5)
    subscription.resume()
    assert subscription.deadline == pytest.approx(deadline + 5, abs=0.1)


async def test_a_subscriber_is_counted_once() -> None:
    """Whoever watches a task again that it watches is told of its end once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        assert vidgo._runtime is not None
        poller, subscription = vidgo._runtime.poller, Subscription()
        for _ in range(2):
            poller.watch({task.task_id: task}, subscription)
        assert (await subscription.get()) is not None
        assert (await subscription.get()) is None
        poller.end(subscription)
