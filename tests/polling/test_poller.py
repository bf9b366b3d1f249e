"""Watching: when it looks, what it survives, and when it ends."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, after, foxes, ids, open_session
from vidgo_async import (
    APIError,
    AuthenticationError,
    FixedPolling,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseError,
    SessionClosedError,
    Task,
    TaskTimeoutError,
    VidgoError,
    VidgoSession,
)
from vidgo_async.sandbox import Fault, Sandbox, answer, cut_body, hang, reset_after, reset_before

pytestmark = pytest.mark.virtual_time


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class Clock:
    """A fault that only notes when a request came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.times.append(now())
        return await handler(request)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]


# --- When it looks --------------------------------------------------------------------------


async def test_a_fresh_task_is_first_looked_at_when_the_policy_says() -> None:
    """A task of known age waits for its first look; then comes one each interval."""
    clock = Clock()
    async with (
        Sandbox(seconds=(20, 20)) as sandbox,
        open_session(sandbox, polling=FixedPolling(3.0)) as vidgo,
    ):
        sandbox.inject(clock, call="status", times=None)
        task = await vidgo.submit(FOX)
        start = now()
        assert (await vidgo.wait(task)).finished
        assert 3.0 <= clock.times[0] - start <= 3.7
        assert all(3.0 <= gap <= 3.7 for gap in clock.gaps)


async def test_a_bare_id_is_looked_at_at_once() -> None:
    """Of a bare id nothing is known, so it is looked at without waiting."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(30)
        start = now()
        assert (await vidgo.wait(task.task_id)).finished
        assert now() - start < 0.1


async def test_an_old_task_is_looked_at_at_once() -> None:
    """A task whose first look is overdue is not made to wait again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(30)
        old = Task(task.task_id, "running", submitted_at=datetime.now(UTC) - timedelta(minutes=5))
        start = now()
        assert (await vidgo.wait(old)).submitted_at == old.submitted_at
        assert now() - start < 0.1


@pytest.mark.parametrize("interval", [0.5, 1.0, 3.0])
async def test_tasks_are_not_looked_at_in_lockstep(interval: float) -> None:
    """Looks at tasks that were submitted together spread out, ever more."""
    clock = Clock()
    async with (
        Sandbox(seconds=(20, 20)) as sandbox,
        open_session(sandbox, max_concurrent_requests=100, polling=FixedPolling(interval)) as vidgo,
    ):
        sandbox.inject(clock, call="status", times=None)
        tasks = await vidgo.submit_many(foxes(30))
        async for _ in vidgo.as_completed(tasks):
            pass
        first, later = clock.times[:30], clock.times[150:180]
        assert first[-1] - first[0] > 0.07 * interval
        assert later[-1] - later[0] > 0.2 * interval


async def test_a_done_task_costs_no_look() -> None:
    """Tasks that ended already come at once, unpolled."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        done = Task("a", "finished")
        assert await vidgo.wait(done) is done
        assert [task async for task in vidgo.as_completed([done, Task("b", "failed")])] == [
            done,
            Task("b", "failed"),
        ]
        assert sandbox.received["status"] == 0


async def test_waiters_of_one_id_share_its_looks() -> None:
    """Several waiters cost no more looks than one, and each gets the end."""
    async with Sandbox(seconds=(20, 20)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        ends = await asyncio.gather(*(vidgo.wait(task) for _ in range(50)))
        assert {end.status for end in ends} == {"finished"}
        assert sandbox.received["status"] <= 11


async def test_polls_take_three_quarters_and_submits_go_first() -> None:
    """Hung polls leave room: a submit is sent at once."""
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
            start = now()
            await vidgo.submit(FOX)
            assert now() - start < 0.1


async def test_a_look_that_outlives_its_reader_harms_no_other() -> None:
    """Who waits again while the old look is under way shares it, and is looked for."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(5)
        sandbox.inject(after(3), call="status", times=2)
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait(task.task_id, timeout=1)
        assert (await vidgo.wait(task.task_id, timeout=20)).finished
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait(task.task_id, timeout=1)
        await anyio.sleep(10)
        looks = sandbox.received["status"]
        await anyio.sleep(60)
        assert sandbox.received["status"] == looks
        assert (await vidgo.wait(task)).finished


async def test_a_later_waiter_learns_what_is_known() -> None:
    """Who joins gets the known state, and neither side loses model and time of submit."""
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


async def test_two_readers_of_one_stream_both_end() -> None:
    """Several tasks may read one stream; when all is given each of them ends."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(5))
        stream = vidgo.as_completed(tasks)

        async def read() -> list[Task]:
            return [task async for task in stream]

        first, second = await asyncio.gather(read(), read())
        assert len(first) + len(second) == 5
        stream = vidgo.as_completed(["nobody"])
        reader = asyncio.create_task(read())
        await anyio.sleep(0.1)
        async with stream:
            pass
        assert await reader == []


class MoodyPolicy:
    """A policy that fails the first time."""

    asked = 0

    def next_delay(self, task: Task, age: float | None) -> float:
        """Fail once."""
        self.asked += 1
        if self.asked == 1:
            raise ZeroDivisionError
        return 1.0


async def test_a_policy_that_fails_leaves_no_dead_entry() -> None:
    """An error of the policy reaches its caller, and the next wait works."""
    async with Sandbox() as sandbox, open_session(sandbox, polling=MoodyPolicy()) as vidgo:
        task = await vidgo.submit(FOX)
        with pytest.raises(ZeroDivisionError):
            await vidgo.wait(task)
        assert (await vidgo.wait(task)).finished


async def test_updates_are_told_once_each() -> None:
    """`on_update` gets each new state, and the last one."""
    seen: list[tuple[str, int | None]] = []
    async with Sandbox(seconds=(30, 30)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await vidgo.wait(task, on_update=lambda task: seen.append((task.status, task.progress)))
    assert len(seen) == len(set(seen))
    assert seen[-1] == ("finished", 100)


# --- What it survives -----------------------------------------------------------------------

RUNNING: dict[str, Any] = {"task_id": "x", "status": "running"}


@pytest.mark.parametrize(
    "fault",
    [
        reset_before,
        reset_after,
        hang,
        cut_body,
        answer(429),
        answer(408),
        answer(500, {"detail": "oops"}),
        answer(503, "<html>", {"Retry-After": "5"}),
        answer(401, "<html>"),
        answer(403, "<html>"),
        answer(404, "<html>"),
        answer(400, {"detail": "no"}),
        answer(302, headers={"Location": "http://127.0.0.1:1/"}),
        answer(200),
        answer(200, "<html>"),
        answer(200, {"code": 200, "data": {"status": 5}}),
        answer(200, {"code": 200, "data": {}}),
        answer(200, {"code": 200, "data": {"status": "finished", "files": [{}]}}),
        answer(200, {"code": 200, "data": {**RUNNING, "status": "dreaming"}}),
        answer(200, {"code": 200, "data": {**RUNNING, "progress": "x", "files": 5}}),
        answer(200, {"code": 500, "message": "m"}),
    ],
)
async def test_failed_looks_do_not_end_a_watch(fault: Fault) -> None:
    """Whatever a poll gets, the task still ends as it truly ended."""
    async with Sandbox(seconds=(15, 15)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        sandbox.inject(fault, call="status", times=4)
        ended = await vidgo.wait(task)
        assert ended.finished
        assert len(ended.files) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError)],
)
async def test_a_refusal_in_the_apis_own_words_ends_a_watch_the_third_time(
    status: int, kind: type[APIError]
) -> None:
    """401, 403 and 404 end a watch three times in a row, and then carry the task."""
    refusal = answer(status, {"detail": "no"})
    async with Sandbox(seconds=(30, 30)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        sandbox.inject(refusal, call="status", times=2)
        sandbox.inject(answer(502), call="status")
        sandbox.inject(refusal, call="status", times=3)
        with pytest.raises(kind) as caught:
            await vidgo.wait(task)
        assert sandbox.received["status"] == 6
        assert caught.value.task_id == task.task_id
        assert caught.value.task == task


async def test_waits_grow_after_failures() -> None:
    """While looks fail they come ever more slowly."""
    clock = Clock()

    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        clock.times.append(now())
        return web.Response(status=500)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        sandbox.inject(fail, call="status", times=None)
        with pytest.raises(TaskTimeoutError) as caught:
            await vidgo.wait(task, timeout=100)
        assert 5 <= len(clock.times) <= 9
        assert clock.gaps[3] > clock.gaps[0]
        assert isinstance(caught.value.__cause__, APIError)


async def test_one_429_slows_everybody() -> None:
    """After a 429 with `Retry-After` nothing at all is sent until the time has come."""
    clock = Clock()
    async with Sandbox(seconds=(90, 90)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(10))
        sandbox.inject(answer(429, headers={"Retry-After": "40"}), call="status")
        sandbox.inject(clock, call=None, times=None)
        async with vidgo.as_completed(tasks):
            await anyio.sleep(3)
            start = now()
            await vidgo.balance()
            assert now() - start > 36
            assert [time for time in clock.times if start < time < start + 36] == []


async def test_who_leaves_during_a_pause_is_not_looked_for() -> None:
    """A look that waited for its turn is not made when nobody waits for it any more."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(429, headers={"Retry-After": "30"}), call="balance")
        with pytest.raises(RateLimitError):
            await vidgo.balance()
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait("x", timeout=5)
        await anyio.sleep(60)
        assert sandbox.received["status"] == 0


async def test_hung_looks_do_not_delay_the_others() -> None:
    """A look that hangs gives its place to those who wait, and comes ever more rarely."""
    async with (
        Sandbox(seconds=(10, 10)) as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        hung = await vidgo.submit_many(foxes(20))
        for task in hung:
            sandbox.inject(hang, call="status", times=None, task_id=task.task_id)
        well = await vidgo.submit_many(foxes(10))
        start = now()
        async with vidgo.as_completed([*hung, *well]) as stream:
            came = [await anext(stream) for _ in well]
        assert {task.task_id for task in came} == set(ids(well))
        assert now() - start < 25  # 20 hung looks by 3 of 10 s each would take 66 s


async def test_a_slow_server_is_not_cut_short() -> None:
    """Where every answer takes long, the looks learn to wait for it."""
    async with (
        Sandbox(seconds=(1, 1)) as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(30))
        sandbox.inject(after(4), call="status", times=None)
        async for task in vidgo.as_completed(tasks, timeout=300):
            assert task.finished


async def test_hung_looks_are_given_up_after_ten_seconds() -> None:
    """A poll is given at most 10 seconds, and then tried again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        sandbox.inject(hang, call="status")
        start = now()
        assert (await vidgo.wait(task)).finished
        assert 10 < now() - start < 20


# --- When it ends ---------------------------------------------------------------------------


async def drip(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with one byte a second, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await anyio.sleep(1)


@pytest.mark.parametrize("timeout", [0.1, 5.0, 900.0])
@pytest.mark.parametrize("trouble", ["none", "hung", "dripping", "full queue", "refused"])
async def test_a_deadline_holds(timeout: float, trouble: str) -> None:
    """`wait` ends within a second of its deadline, and the error carries the task."""
    async with (
        Sandbox(seconds=(9999, 9999)) as sandbox,
        open_session(sandbox, max_concurrent_requests=2, request_timeout=9999) as vidgo,
        contextlib.AsyncExitStack() as stack,
    ):
        task = await vidgo.submit(FOX)
        if trouble in {"hung", "full queue"}:
            sandbox.inject(hang, call="status", times=None)
        if trouble == "dripping":
            sandbox.inject(drip, call="status", times=None)
        if trouble == "full queue":
            sandbox.inject(hang, call="balance", times=None)
            jobs = [asyncio.create_task(vidgo.balance()) for _ in range(4)]
            stack.callback(lambda: [job.cancel() for job in jobs])
        if trouble == "refused":
            await stack.enter_async_context(sandbox.refusing())
        start = now()
        with pytest.raises(TaskTimeoutError, match="wait for it again") as caught:
            await vidgo.wait(task, timeout=timeout)
        assert timeout <= now() - start < timeout + 1
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.task_id == task.task_id
        assert caught.value.pending == (task.task_id,)


async def test_a_last_look_is_made_just_before_the_deadline() -> None:
    """A task that ended since the last regular look is still noticed in time."""
    async with (
        Sandbox(seconds=(8, 8)) as sandbox,
        open_session(sandbox, polling=FixedPolling(60)) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        assert (await vidgo.wait(task, timeout=10)).finished
        late = await vidgo.submit(FOX)
        patient = asyncio.create_task(vidgo.wait(late))
        await anyio.sleep(1)
        assert (await vidgo.wait(late, timeout=9)).finished
        assert (await patient).finished


async def test_without_a_timeout_it_waits_for_ever() -> None:
    """`timeout=None` sets no limit."""
    slow = FixedPolling(30.0)
    async with (
        Sandbox(seconds=(5000, 5000)) as sandbox,
        open_session(sandbox, polling=slow) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        assert (await vidgo.wait(task, timeout=None)).finished


async def test_each_waiter_has_its_own_deadline_and_error() -> None:
    """Waiters of one id leave at their own time, each with an error object of its own."""
    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        results = await asyncio.gather(
            vidgo.wait(task, timeout=10),
            vidgo.wait(task, timeout=10),
            vidgo.wait(task, timeout=200),
            return_exceptions=True,
        )
        one, two, three = results
        assert isinstance(one, TaskTimeoutError)
        assert isinstance(two, TaskTimeoutError)
        assert one is not two
        assert isinstance(three, Task)


async def test_closing_ends_the_waiting() -> None:
    """Waiters of a closed session get an error each, with the task."""
    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        waiters = [asyncio.create_task(vidgo.wait(task)) for _ in range(3)]
        stream = vidgo.as_completed([task, "other"])
        reader = asyncio.create_task(anext(aiter(stream)))
        await anyio.sleep(1)
        await vidgo.aclose()
        errors: list[BaseException | Task] = await asyncio.gather(
            *waiters, reader, return_exceptions=True
        )
        assert [type(error) for error in errors] == [SessionClosedError] * 4
        assert len({id(error) for error in errors}) == 4
        assert isinstance(errors[0], VidgoError)
        assert errors[0].task == task
        assert stream.pending == (task.task_id, "other")


class BrokenPolicy:
    """A policy with a bug that shows late."""

    def next_delay(self, task: Task, age: float | None) -> float:
        """Answer twice, and then not."""
        return 1.0 if age is not None and age < 2 else -1.0


async def test_a_bug_in_the_scheduler_reaches_every_waiter() -> None:
    """If looking dies of a bug, nobody waits for ever: each gets an error caused by it."""
    async with (
        Sandbox(seconds=(99, 99)) as sandbox,
        open_session(sandbox, polling=BrokenPolicy()) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(3))
        results = await asyncio.gather(
            *(vidgo.wait(task) for task in tasks), return_exceptions=True
        )
        for error in results:
            assert isinstance(error, VidgoError)
            assert isinstance(error.__cause__, ValueError)
        with pytest.raises(VidgoError, match="bug"):
            await vidgo.wait(tasks[0])


# --- get_task and balance -------------------------------------------------------------------


async def test_get_task_is_one_look() -> None:
    """`get_task` asks once; the answer keeps the object as received."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        found = await vidgo.get_task(task.task_id)
        assert found.raw is not None
        assert found.raw["task_id"] == task.task_id
        sandbox.inject(answer(500), call="status")
        with pytest.raises(APIError) as caught:
            await vidgo.get_task(task.task_id)
        assert caught.value.task_id == task.task_id
        assert sandbox.received["status"] == 2


async def test_an_unknown_task_is_an_error_with_its_id() -> None:
    """A 404 names the task that was asked for; ids are percent-encoded."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(NotFoundError) as caught:
            await vidgo.get_task("a/b?c#d%2F")
        assert caught.value.task_id == "a/b?c#d%2F"
        assert sandbox.received["status"] == 1


async def test_balance_is_fractional() -> None:
    """Credits are what the server says, fractions included."""
    async with Sandbox(credits=10, price=1.25) as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(FOX)
        assert (await vidgo.balance()).credits == 8.75
        sandbox.inject(answer(200, {"code": 200, "data": {}}), call="balance")
        with pytest.raises(ResponseError, match="credits_amount"):
            await vidgo.balance()


async def test_closing_ends_plain_calls() -> None:
    """A hung call ends with the session, in its caller's hands."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang, call="balance")
        call = asyncio.create_task(vidgo.balance())
        await anyio.sleep(1)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await call


async def test_a_cancelled_plain_call_is_gone() -> None:
    """A cancelled call leaves at once and frees its slot."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        sandbox.inject(hang, call="balance")
        with anyio.move_on_after(1):
            await vidgo.balance()
        assert (await vidgo.balance()).credits == 1000


# --- as_completed ---------------------------------------------------------------------------


async def test_tasks_come_in_order_of_completion() -> None:
    """Each distinct id comes once, when it ended; `pending` holds the rest."""
    async with Sandbox(seconds=(5, 60), seed=3) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(10))
        stream = vidgo.as_completed([*tasks, *tasks[:5], tasks[0].task_id])
        assert set(stream.pending) == set(ids(tasks))
        came: list[str] = []
        ends: list[float] = []
        async for task in stream:
            assert task.finished
            came.append(task.task_id)
            ends.append(now())
            assert set(stream.pending) == set(ids(tasks)) - set(came)
        assert sorted(came) == sorted(ids(tasks), key=str)
        assert ends[-1] - ends[0] > 20


async def test_a_second_loop_goes_on_with_the_rest() -> None:
    """What one loop left, the next gets."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(5))
        stream = vidgo.as_completed(tasks)
        first = await anext(stream)
        rest = [task async for task in stream]
        assert {first.task_id, *ids(rest)} == set(ids(tasks))
        assert len(rest) == 4
        assert [task async for task in stream] == []


async def test_one_deadline_for_all() -> None:
    """When the time is up there is one error with all that is pending, and then the end."""
    async with Sandbox(seconds=(5, 60), seed=1) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(10))
        start = now()
        came: list[str] = []
        stream = vidgo.as_completed(tasks, timeout=30)
        with pytest.raises(TaskTimeoutError) as caught:
            async for task in stream:
                came.append(task.task_id)
        assert 30 <= now() - start < 31
        assert came
        assert set(caught.value.pending) == set(ids(tasks)) - set(came) == set(stream.pending)
        assert [task async for task in stream] == []


async def test_an_error_about_one_task_leaves_the_others() -> None:
    """A task that the server denies is one error; the next loop goes on."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        async with vidgo.as_completed(["nobody", task]) as stream:
            came: list[str] = []
            errors: list[str | None] = []
            while stream.pending:
                try:
                    async for one in stream:
                        came.append(one.task_id)
                except NotFoundError as error:
                    errors.append(error.task_id)
        assert came == [task.task_id]
        assert errors == ["nobody"]


@pytest.mark.parametrize("how", ["block", "break", "error", "drop"])
async def test_leaving_stops_the_looking(how: str) -> None:
    """After a block, a `break`, an error or a drop nothing is looked at any more."""
    async with Sandbox(seconds=(50, 50)) as sandbox, open_session(sandbox) as vidgo:
        fast = Task("done", "finished")
        tasks = [fast, *await vidgo.submit_many(foxes(5))]
        if how == "block":
            async with vidgo.as_completed(tasks) as stream:
                async for _ in stream:
                    break
            assert [task async for task in stream] == []
        elif how == "break":
            async for _ in vidgo.as_completed(tasks):
                break
        elif how == "error":
            with pytest.raises(ZeroDivisionError):
                async for _ in vidgo.as_completed(tasks):
                    raise ZeroDivisionError
        else:
            aiter(vidgo.as_completed(tasks))
        await anyio.sleep(0.1)
        looks = sandbox.received["status"]
        await anyio.sleep(60)
        assert sandbox.received["status"] == looks


async def test_a_dropped_reader_of_a_closed_loop_is_silent() -> None:
    """A reader that outlives its loop may be dropped without a word."""
    kept: list[Any] = []

    async def main(url: str, key: str) -> None:
        async with VidgoSession(key, base_url=url) as vidgo:
            stream = vidgo.as_completed(["x"])
            aiter(stream)
            kept.append(stream)

    async with Sandbox() as sandbox:
        url = sandbox.url
        await anyio.to_thread.run_sync(lambda: asyncio.run(main(url, "sandbox-key")))
    kept.clear()
