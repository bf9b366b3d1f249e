"""Waiting again and again for a short time polls no oftener than the policy says."""

import asyncio
import itertools
from collections import defaultdict

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import FixedPolling, Task, TaskTimeoutError, VidgoSession
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


class PollTimes:
    """A fault that records when each task was polled."""

    def __init__(self) -> None:
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.times[request.match_info["task_id"]].append(anyio.current_time())
        return await handler(request)

    def closest(self) -> float:
        """Return the seconds between the two polls of one task that were closest."""
        return min(b - a for times in self.times.values() for a, b in itertools.pairwise(times))


async def wait_in_pieces(vidgo: VidgoSession, seconds: float, *, by_id: bool) -> None:
    task = await vidgo.submit(FOX)
    while True:
        try:
            await vidgo.wait(task.task_id if by_id else task, timeout=seconds)
        except TaskTimeoutError:
            continue
        return


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("seconds", [0.3, 2.0, 4.0])
async def test_short_waits_keep_the_interval(seconds: float, by_id: bool) -> None:
    """However short the waits are, polls of the task are as far apart as in one long wait."""
    polls = PollTimes()
    async with (
        Sandbox(seconds=(40, 40)) as sandbox,
        open_session(sandbox, polling=FixedPolling(3.0)) as vidgo,
    ):
        sandbox.inject(polls, call="status", times=None)
        await wait_in_pieces(vidgo, seconds, by_id=by_id)
        # The first poll may be the final one of the first wait, or that of a bare id.
        assert polls.closest() >= 2.0
        assert sandbox.received["status"] <= 40 / 3 + 2


async def test_each_kind_of_wait_counts() -> None:
    """`as_completed` and `wait`, one after the other and together, share the interval."""
    polls = PollTimes()
    async with (
        Sandbox(seconds=(40, 40)) as sandbox,
        open_session(sandbox, polling=FixedPolling(5.0)) as vidgo,
    ):
        sandbox.inject(polls, call="status", times=None)
        tasks = await vidgo.submit_many(foxes(3))
        ended = set[str]()
        while tasks := [task for task in tasks if task.task_id not in ended]:
            waiting = [asyncio.create_task(vidgo.wait(task, timeout=1.0)) for task in tasks]
            results = await asyncio.gather(*waiting, return_exceptions=True)
            ended |= {result.task_id for result in results if isinstance(result, Task)}
            tasks = [task for task in tasks if task.task_id not in ended]
            try:
                async for task in vidgo.as_completed(tasks, timeout=1.0):
                    ended.add(task.task_id)
            except TaskTimeoutError:
                continue
        assert polls.closest() >= 4.0


async def test_a_batch_with_a_heartbeat_keeps_the_interval() -> None:
    """A timeout round each `anext` pauses and resumes the polls, and adds none."""
    polls = PollTimes()
    async with (
        Sandbox(seconds=(40, 40)) as sandbox,
        open_session(sandbox, polling=FixedPolling(5.0)) as vidgo,
    ):
        sandbox.inject(polls, call="status", times=None)
        batch = vidgo.generate_many(foxes(5))
        outcomes = 0
        while outcomes < 5:
            with anyio.move_on_after(1.0):
                outcome = await anext(batch)
                assert outcome.error is None
                outcomes += 1
        assert polls.closest() >= 5.0


async def test_a_long_wait_has_its_final_poll() -> None:
    """A poll long before the deadline does not stand for the final one."""
    polls = PollTimes()
    async with (
        Sandbox(seconds=(99, 99)) as sandbox,
        open_session(sandbox, polling=FixedPolling(30.0)) as vidgo,
    ):
        sandbox.inject(polls, call="status", times=None)
        task = await vidgo.submit(FOX)
        start = anyio.current_time()
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait(task, timeout=50)
        (times,) = polls.times.values()
        assert len(times) == 2
        assert 48 < times[-1] - start < 50


async def test_tasks_left_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tasks without a waiter only so many are remembered, the latest."""
    monkeypatch.setattr("vidgo_async._polling.watches.MAX_LEFT", 2)
    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(4))
        for task in tasks:
            with pytest.raises(TaskTimeoutError):
                await vidgo.wait(task, timeout=1)
        assert vidgo._runtime is not None
        left = vidgo._runtime.poller._watches._left
        assert list(left) == [task.task_id for task in tasks[2:]]
