"""`generate`: submit and wait, under one deadline."""

import asyncio

import anyio
import pytest

from tests.support.callbacks import hidden_async
from tests.support.faults import SAFE_503
from tests.support.sessions import FOX, ids, open_session
from vidgo_async import TaskFailedError, TaskTimeoutError
from vidgo_async.sandbox import Sandbox, answer, slow

pytestmark = pytest.mark.virtual_time


async def test_generate_submits_and_waits() -> None:
    """`generate` returns the finished task, and reports each state on the way."""
    seen: list[str] = []
    async with Sandbox(seconds=(30, 30)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX, on_update=lambda task: seen.append(task.status))
    assert task.finished
    assert task.model == "grok-imagine"
    assert task.submitted_at is not None
    assert task.files[0].task_id == task.task_id
    assert seen[0] == "not_started"
    assert seen[-1] == "finished"
    assert "running" in seen


async def test_generate_raises_for_a_failed_task() -> None:
    """A failed task is an error that carries it."""
    async with Sandbox(failure_rate=1) as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TaskFailedError) as caught:
            await vidgo.generate(FOX)
        assert caught.value.task is not None
        assert caught.value.task.failed


async def test_the_deadline_of_generate_covers_the_submit() -> None:
    """A hung POST ends with the deadline; what it may buy is accounted for."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(8))
        start = asyncio.get_running_loop().time()
        with pytest.raises(TaskTimeoutError, match="unclaimed"):
            await vidgo.generate(FOX, timeout=3)
        assert 3 <= asyncio.get_running_loop().time() - start < 4
        await anyio.sleep(10)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)


async def test_the_deadline_of_generate_covers_the_waits_between_tries() -> None:
    """No `Retry-After` and no server that is down holds a caller beyond the deadline."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(503, SAFE_503, {"Retry-After": "15"}))
        start = asyncio.get_running_loop().time()
        with pytest.raises(TaskTimeoutError, match="nothing was bought"):
            await vidgo.generate(FOX, timeout=1)
        assert asyncio.get_running_loop().time() - start < 1.5
        async with sandbox.refusing():
            start = asyncio.get_running_loop().time()
            with pytest.raises(TaskTimeoutError, match="nothing was bought"):
                await vidgo.generate(FOX, timeout=4)
            assert asyncio.get_running_loop().time() - start < 4.5
        await anyio.sleep(60)
        assert sandbox.sold == 0


async def test_the_deadline_of_generate_may_pass_before_the_post() -> None:
    """A deadline that passes in the queue has bought nothing, and the error says so."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
        anyio.create_task_group() as group,
    ):
        sandbox.inject(slow(8))
        group.start_soon(vidgo.submit, FOX)
        await anyio.sleep(1)
        with pytest.raises(TaskTimeoutError, match="nothing was bought"):
            await vidgo.generate(FOX, timeout=3)
    assert sandbox.sold == 1


async def test_the_task_of_a_cancelled_generate_is_unclaimed() -> None:
    """What a cancelled `generate` had bought is in `unclaimed`."""
    async with Sandbox(seconds=(50, 50)) as sandbox, open_session(sandbox) as vidgo:
        with anyio.move_on_after(20):
            await vidgo.generate(FOX)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)


async def test_the_deadline_of_generate_carries_the_task() -> None:
    """When the time is up after the submit, the error has the task, and nothing is unclaimed."""
    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        start = asyncio.get_running_loop().time()
        with pytest.raises(TaskTimeoutError) as caught:
            await vidgo.generate(FOX, timeout=20)
        assert 20 <= asyncio.get_running_loop().time() - start < 21
        assert caught.value.task_id in sandbox.tasks
        assert not vidgo.unclaimed


async def test_the_task_of_a_broken_callback_is_unclaimed() -> None:
    """An exception of `on_update` is raised unchanged, and the task is not lost."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(ZeroDivisionError):
            await vidgo.generate(FOX, on_update=lambda _: 1 / 0)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)


async def test_the_callback_url_is_sent() -> None:
    """The session's callback URL goes with each submit, unless the call names another."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, callback_url="https://a.example/1") as vidgo,
    ):
        await vidgo.submit(FOX)
        await vidgo.submit(FOX, callback_url="https://a.example/2")
        assert [task.callback_url for task in sandbox.tasks.values()] == [
            "https://a.example/1",
            "https://a.example/2",
        ]


async def test_an_async_on_update_is_an_error_of_generate() -> None:
    """`on_update` that returns a coroutine is a TypeError, and the task is in `unclaimed`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TypeError, match=r"on_update .* returned a coroutine"):
            await vidgo.generate(FOX, on_update=hidden_async)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)
        assert sandbox.sold == 1


async def test_an_async_on_update_is_an_error_of_wait() -> None:
    """So it is in `wait`, whose caller knows the task."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        with pytest.raises(TypeError, match=r"on_update .* returned a coroutine"):
            await vidgo.wait(task, on_update=hidden_async)
        assert vidgo.unclaimed == ()
        assert (await vidgo.wait(task)).finished
