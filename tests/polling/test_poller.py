"""When a task is polled, and how many polls are in flight."""

import asyncio
import itertools
from collections.abc import AsyncIterable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from tests.support.faults import InFlight, RequestTimes
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import FixedPolling, Task, TaskTimeoutError
from vidgo_async._api.client import Api
from vidgo_async._api.limiter import Permit
from vidgo_async._core.concurrency import TaskSet
from vidgo_async.sandbox import Sandbox, hang, slow

pytestmark = pytest.mark.virtual_time


async def test_a_new_task_is_first_polled_when_the_policy_says() -> None:
    """A task of known age waits for its first poll; then one is sent each interval."""
    received = RequestTimes()
    async with (
        Sandbox(seconds=(20, 20)) as sandbox,
        open_session(sandbox, polling=FixedPolling(3.0)) as vidgo,
    ):
        sandbox.inject(received, call="status", times=None)
        task = await vidgo.submit(FOX)
        start = anyio.current_time()
        assert (await vidgo.wait(task)).finished
        longest = 3.0 * 1.25 + 0.01  # "up to a quarter is added" (README), and the exchange
        assert 3.0 <= received.times[0] - start <= longest
        assert all(3.0 <= gap <= longest for gap in received.gaps)


async def test_a_bare_id_is_polled_at_once() -> None:
    """Nothing is known of a bare id, so it is polled without a delay."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(30)
        start = anyio.current_time()
        assert (await vidgo.wait(task.task_id)).finished
        assert anyio.current_time() - start < 0.1


async def test_an_old_task_is_polled_at_once() -> None:
    """A task whose first poll is overdue is polled without a delay."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(30)
        old = Task(task.task_id, "running", submitted_at=datetime.now(UTC) - timedelta(minutes=5))
        start = anyio.current_time()
        assert (await vidgo.wait(old)).submitted_at == old.submitted_at
        assert anyio.current_time() - start < 0.1


@pytest.mark.parametrize("interval", [0.5, 1.0, 3.0])
async def test_tasks_are_not_polled_in_lockstep(interval: float) -> None:
    """Polls of tasks that were submitted together spread out, ever more."""
    received = RequestTimes()
    async with (
        Sandbox(seconds=(20, 20)) as sandbox,
        open_session(sandbox, max_concurrent_requests=100, polling=FixedPolling(interval)) as vidgo,
    ):
        sandbox.inject(received, call="status", times=None)
        tasks = await vidgo.submit_many(foxes(30))
        async for _ in vidgo.as_completed(tasks):
            pass
        first, later = received.times[:30], received.times[150:180]
        assert first[-1] - first[0] > 0.07 * interval
        assert later[-1] - later[0] > 0.2 * interval


async def test_a_done_task_costs_no_poll() -> None:
    """Tasks that ended already come at once, unpolled."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        done = Task("a", "finished")
        assert await vidgo.wait(done) is done
        assert [task async for task in vidgo.as_completed([done, Task("b", "failed")])] == [
            done,
            Task("b", "failed"),
        ]
        assert sandbox.received["status"] == 0


async def test_waiters_of_one_id_share_its_polls() -> None:
    """Several waiters cost no more polls than one, and each gets the end."""
    async with Sandbox(seconds=(20, 20)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        ends = await asyncio.gather(*(vidgo.wait(task) for _ in range(50)))
        assert {end.status for end in ends} == {"finished"}
        assert sandbox.received["status"] <= 11


async def test_polls_use_75_percent_and_submits_have_priority() -> None:
    """Hung polls leave a slot: a submit is sent at once."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(20))
        sandbox.inject(hang, call="status", times=None)
        async with vidgo.as_completed(tasks):
            while sandbox.received["status"] < 3:  # noqa: ASYNC110 - no event tells of it
                await anyio.sleep(0.05)
            await anyio.sleep(0.5)  # all are due by now; a hung poll gives its place after 1 s
            assert sandbox.received["status"] == 3
            start = anyio.current_time()
            await vidgo.submit(FOX)
            assert anyio.current_time() - start < 0.1


@pytest.mark.parametrize("call", ["submit_many", "submit", "generate_many"])
async def test_few_submits_are_in_doubt_when_a_line_breaks(call: str) -> None:
    """At most `max_concurrent_submits` are in flight, and far more polls beside them."""
    submits, polls = InFlight(), InFlight(0.5)
    async with Sandbox(seconds=(60, 60)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(100))
        sandbox.inject(submits, call="submit", times=None)
        sandbox.inject(polls, call="status", times=None)
        async with anyio.create_task_group() as group:
            group.start_soon(_all, vidgo.as_completed(tasks))
            if call == "submit_many":
                group.start_soon(vidgo.submit_many, foxes(100))
            elif call == "generate_many":
                group.start_soon(_all, vidgo.generate_many(foxes(100), max_in_flight=100))
            else:
                for fox in foxes(100):
                    group.start_soon(vidgo.submit, fox)
            await anyio.sleep(20)
            assert (submits.most, polls.most) == (16, 48)
            submits.release()


async def _all(stream: AsyncIterable[object]) -> list[object]:
    return [item async for item in stream]


async def test_submits_have_a_limit_of_their_own() -> None:
    """It may be set, and is never above that of all requests."""
    for requests, submits, most in ((64, 3, 3), (2, 16, 2)):
        held = InFlight(1.0)
        limits = {"max_concurrent_requests": requests, "max_concurrent_submits": submits}
        async with Sandbox() as sandbox, open_session(sandbox, **limits) as vidgo:
            sandbox.inject(held, call="submit", times=None)
            await vidgo.submit_many(foxes(20))
            assert held.most == most


async def test_a_poll_that_outlives_its_waiter_affects_no_other() -> None:
    """A second wait during the first one's poll shares it, and is polled for."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(5)
        sandbox.inject(slow(1.6), call="status", times=2)
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait(task.task_id, timeout=1)
        assert (await vidgo.wait(task.task_id, timeout=20)).finished
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait(task.task_id, timeout=1)
        await anyio.sleep(10)
        polls = sandbox.received["status"]
        await anyio.sleep(60)
        assert sandbox.received["status"] == polls
        assert (await vidgo.wait(task)).finished


async def test_a_later_waiter_gets_the_known_state() -> None:
    """A second waiter gets the known state, and neither loses model and time of submit."""
    seen: list[str] = []
    async with Sandbox(seconds=(60, 60)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        by_id = asyncio.create_task(vidgo.wait(task.task_id))
        await anyio.sleep(20)
        with pytest.raises(TaskTimeoutError, match="running") as caught:
            await vidgo.wait(
                task.task_id, timeout=0.5, on_update=lambda task: seen.append(task.status)
            )
        assert caught.value.task is not None
        assert seen[0] == caught.value.task.status == "running"
        ended = await vidgo.wait(task)
        assert (ended.model, ended.submitted_at) == (task.model, task.submitted_at)
        assert await by_id == ended


async def test_a_task_says_more_than_its_id() -> None:
    """Given a task and its id, in whatever order, `as_completed` keeps the task."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        done = Task("done", "finished")
        assert [one async for one in vidgo.as_completed([done, "done"])] == [done]
        assert [one async for one in vidgo.as_completed(["done", done])] == [done]
        assert sandbox.received["status"] == 0
        task = await vidgo.submit(FOX)
        both: list[list[Task | str]] = [[task, task.task_id], [task.task_id, task]]
        for given in both:
            (ended,) = [one async for one in vidgo.as_completed(given)]
            assert ended.model == "grok-imagine"


async def test_updates_are_reported_once_each() -> None:
    """`on_update` gets each new state, and the last one."""
    seen: list[tuple[str, float | None]] = []
    async with Sandbox(seconds=(30, 30)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await vidgo.wait(task, on_update=lambda task: seen.append((task.status, task.progress)))
    assert len(seen) == len(set(seen))
    assert seen[-1] == ("finished", 100)


async def test_work_before_a_poll_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """An `await` before a poll is sent, such as a hook of a tracer, stops no other poll."""
    status = Api.status

    async def with_a_hook(
        self: Api, known: Task, permit: Permit, **options: Any
    ) -> tuple[Task, int]:
        await anyio.sleep(0.05)
        return await status(self, known, permit, **options)

    monkeypatch.setattr(Api, "status", with_a_hook)
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, polling=FixedPolling(0.05), max_concurrent_requests=2) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(8))
        ended = [task async for task in vidgo.as_completed(tasks, timeout=30)]
        assert len(ended) == 8


async def test_a_timer_that_rings_as_a_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """On uvloop timers may ring before it is seen that a worker has ended: polls go on."""
    ended = TaskSet._ended

    def late(self: TaskSet, task: "asyncio.Task[Any]") -> None:
        asyncio.get_running_loop().call_later(2.0, ended, self, task)

    async with (
        Sandbox(seconds=(30, 30)) as sandbox,
        open_session(sandbox, polling=FixedPolling(1.0), max_concurrent_requests=1) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(5))
        monkeypatch.setattr(TaskSet, "_ended", late)
        assert len([task async for task in vidgo.as_completed(tasks, timeout=60)]) == 5


async def test_too_few_permits_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Where polls wait for permits for longer than half of their interval, one line says so."""
    caplog.set_level("INFO", logger="vidgo_async")
    for limit, lines in ((2, 1), (64, 0)):
        caplog.clear()
        async with (
            Sandbox(seconds=(60, 60)) as sandbox,
            open_session(sandbox, max_concurrent_requests=limit) as vidgo,
        ):
            sandbox.inject(slow(0.2), call="status", times=None)
            tasks = await vidgo.submit_many(foxes(40))
            assert len([task async for task in vidgo.as_completed(tasks)]) == 40
        told = [line for line in caplog.messages if "raise max_concurrent_requests" in line]
        assert len(told) == lines


async def test_a_blocked_loop_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Polls that are late since the caller held the loop, not for want of permits, are no news."""
    caplog.set_level("INFO", logger="vidgo_async")
    async with (
        Sandbox(seconds=(60, 60)) as sandbox,
        open_session(sandbox, polling=FixedPolling(5.0)) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(10))
        loop: Any = asyncio.get_running_loop()
        loop.call_later(9.0, loop.advance, 5.0)
        assert len([task async for task in vidgo.as_completed(tasks)]) == 10
    assert "raise max_concurrent_requests" not in caplog.text


async def test_the_first_polls_of_many_ids_are_not_told_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bare ids are all due at once, and have no interval of which a wait could be the half."""
    caplog.set_level("INFO", logger="vidgo_async")
    loop: Any = asyncio.get_running_loop()
    jumping, ticks = loop.time, itertools.count()
    monkeypatch.setattr(loop, "time", lambda: jumping() + next(ticks) * 1e-7)  # as a real one does
    async with Sandbox(seconds=(30, 30)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(0.1), call="status", times=None)
        ids = [task.task_id for task in await vidgo.submit_many(foxes(400))]
        async with open_session(sandbox) as later:
            assert len([task async for task in later.as_completed(ids)]) == 400
    assert "raise max_concurrent_requests" not in caplog.text


async def test_a_cap_of_the_caller_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Polls that are late since the caller, or the server, wants them to be are no news."""
    caplog.set_level("INFO", logger="vidgo_async")
    async with (
        Sandbox(seconds=(60, 60)) as sandbox,
        open_session(sandbox, max_requests_per_second=1.0) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(10))
        assert len([task async for task in vidgo.as_completed(tasks)]) == 10
    assert "raise max_concurrent_requests" not in caplog.text
