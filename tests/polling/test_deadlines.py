"""How a wait ends: by its deadline, by closing, by a bug in the poller."""

import asyncio
import contextlib

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import FixedPolling, SessionClosedError, Task, TaskTimeoutError, VidgoError
from vidgo_async._polling.poller import Poller
from vidgo_async.sandbox import Sandbox, hang

pytestmark = pytest.mark.virtual_time


async def drip(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond with one byte a second, without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await anyio.sleep(1)


@pytest.mark.parametrize("timeout", [0.1, 5.0, 900.0])
@pytest.mark.parametrize("problem", ["none", "hung", "dripping", "full queue", "refused"])
async def test_a_deadline_holds(timeout: float, problem: str) -> None:
    """`wait` ends within a second of its deadline, and the error carries the task."""
    async with (
        Sandbox(seconds=(9999, 9999)) as sandbox,
        open_session(sandbox, max_concurrent_requests=2, request_timeout=9999) as vidgo,
        contextlib.AsyncExitStack() as stack,
    ):
        task = await vidgo.submit(FOX)
        if problem in {"hung", "full queue"}:
            sandbox.inject(hang, call="status", times=None)
        if problem == "dripping":
            sandbox.inject(drip, call="status", times=None)
        if problem == "full queue":
            sandbox.inject(hang, call="balance", times=None)
            jobs = [asyncio.create_task(vidgo.balance()) for _ in range(4)]
            stack.callback(lambda: [job.cancel() for job in jobs])
        if problem == "refused":
            await stack.enter_async_context(sandbox.refusing())
        start = anyio.current_time()
        with pytest.raises(TaskTimeoutError, match="wait for it again") as caught:
            await vidgo.wait(task, timeout=timeout)
        assert timeout <= anyio.current_time() - start < timeout + 1
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.task_id == task.task_id
        assert caught.value.pending == (task.task_id,)


async def test_a_final_poll_precedes_the_deadline() -> None:
    """A task that ended since the last regular poll is still noticed in time."""
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


async def test_without_a_timeout_there_is_no_limit() -> None:
    """`timeout=None` sets no limit."""
    slow = FixedPolling(30.0)
    async with (
        Sandbox(seconds=(5000, 5000)) as sandbox,
        open_session(sandbox, polling=slow) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        assert (await vidgo.wait(task, timeout=None)).finished


async def test_each_waiter_has_its_own_deadline_and_error() -> None:
    """Waiters of one id time out separately, each with an error object of its own."""
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


async def test_closing_ends_each_wait() -> None:
    """Waiters of a closed session get an error each, with the task."""
    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        waiters = [asyncio.create_task(vidgo.wait(task)) for _ in range(3)]
        stream = vidgo.as_completed([task, "other"])
        consumer = asyncio.create_task(anext(aiter(stream)))
        await anyio.sleep(1)
        await vidgo.aclose()
        errors: list[BaseException | Task] = await asyncio.gather(
            *waiters, consumer, return_exceptions=True
        )
        assert [type(error) for error in errors] == [SessionClosedError] * 4
        assert len({id(error) for error in errors}) == 4
        assert isinstance(errors[0], VidgoError)
        assert errors[0].task == task
        assert stream.pending == (task.task_id, "other")


async def test_a_bug_in_the_poller_reaches_every_waiter(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the poller fails, each waiter gets an error caused by the bug, now and later."""

    def with_a_bug(*_: object) -> None:
        raise ZeroDivisionError

    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(3))
        monkeypatch.setattr(Poller, "_succeeded", with_a_bug)
        results = await asyncio.gather(
            *(vidgo.wait(task) for task in tasks), return_exceptions=True
        )
        for error in results:
            assert isinstance(error, VidgoError)
            assert isinstance(error.__cause__, ZeroDivisionError)
        with pytest.raises(VidgoError, match="bug"):
            await vidgo.wait(tasks[0])
