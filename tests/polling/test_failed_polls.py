"""Failed and slow polls: they delay the next poll, and do not end the wait."""

from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.faults import RequestTimes
from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import (
    APIError,
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    TaskTimeoutError,
)
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    cut_body,
    hang,
    reset_after,
    reset_before,
    slow,
)

pytestmark = pytest.mark.virtual_time


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
async def test_failed_polls_do_not_end_a_wait(fault: Fault) -> None:
    """Whatever a poll gets, the task ends as it ended on the server."""
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
async def test_the_third_error_of_the_api_ends_a_wait(status: int, kind: type[APIError]) -> None:
    """401, 403 and 404 end a wait three times in a row, and then carry the task."""
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


async def test_delays_grow_after_failures() -> None:
    """The delays between failing polls grow."""
    received = RequestTimes()

    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        received.times.append(anyio.current_time())
        return web.Response(status=500)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        sandbox.inject(fail, call="status", times=None)
        with pytest.raises(TaskTimeoutError) as caught:
            await vidgo.wait(task, timeout=100)
        assert 5 <= len(received.times) <= 9
        assert received.gaps[3] > received.gaps[0]
        assert isinstance(caught.value.__cause__, APIError)


async def test_one_429_pauses_all_polls() -> None:
    """After a 429 with `Retry-After` no poll is sent until that time has passed; others are."""
    received = RequestTimes()
    async with Sandbox(seconds=(90, 90)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(10))
        sandbox.inject(answer(429, headers={"Retry-After": "40"}), call="status")
        sandbox.inject(received, call=None, times=None)
        async with vidgo.as_completed(tasks):
            await anyio.sleep(3)
            start = anyio.current_time()
            await vidgo.balance()
            await vidgo.submit(FOX)
            assert anyio.current_time() - start < 1
            await vidgo.get_task(tasks[0].task_id)
            assert anyio.current_time() - start > 36
            assert [time for time in received.times if start + 1 < time < start + 36] == []


async def test_a_wait_that_ends_during_a_pause_is_not_polled() -> None:
    """A poll that waits for a permit is not sent once no waiter is left."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(429, headers={"Retry-After": "30"}), call="status")
        with pytest.raises(RateLimitError):
            await vidgo.get_task("x")
        with pytest.raises(TaskTimeoutError):
            await vidgo.wait("x", timeout=5)
        await anyio.sleep(60)
        assert sandbox.received["status"] == 1


async def test_hung_polls_do_not_delay_the_others() -> None:
    """A hung poll is expired when others are due, and sent ever more rarely."""
    async with (
        Sandbox(seconds=(10, 10)) as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        hung = await vidgo.submit_many(foxes(20))
        for task in hung:
            sandbox.inject(hang, call="status", times=None, task_id=task.task_id)
        well = await vidgo.submit_many(foxes(10))
        start = anyio.current_time()
        async with vidgo.as_completed([*hung, *well]) as stream:
            came = [await anext(stream) for _ in well]
        assert {task.task_id for task in came} == set(ids(well))
        assert anyio.current_time() - start < 25  # 20 hung polls by 3 of 10 s each would take 66 s


async def test_polls_adapt_to_a_slow_server() -> None:
    """Where every response is slow, the poll timeout grows."""
    async with (
        Sandbox(seconds=(1, 1)) as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(30))
        sandbox.inject(slow(4), call="status", times=None)
        async for task in vidgo.as_completed(tasks, timeout=300):
            assert task.finished


async def test_hung_polls_time_out() -> None:
    """A hung poll is given up within 10 seconds, and the task is polled again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        sandbox.inject(hang, call="status")
        start = anyio.current_time()
        assert (await vidgo.wait(task)).finished
        assert anyio.current_time() - start < 12
        assert sandbox.received["status"] == 2
