"""A cancelled or closed submit: what it bought is unclaimed, and nothing is lost."""

import asyncio
from typing import Any

import aiohttp
import anyio
import pytest

from tests.support.faults import SAFE_503
from tests.support.servers import deaf_server
from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import (
    RetryPolicy,
    SessionClosedError,
    SubmissionUnknownError,
    Task,
    TaskTimeoutError,
    TransportTimeoutError,
    VidgoError,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox, answer, hang_after, slow

pytestmark = pytest.mark.virtual_time


async def test_a_caller_cancelled_during_the_post_returns_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cancelled during the POST, the caller returns at once; the task goes to `unclaimed`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(4))
        start = asyncio.get_running_loop().time()
        with anyio.move_on_after(1):
            await vidgo.submit(FOX)
        assert asyncio.get_running_loop().time() - start < 1.1
        assert not vidgo.unclaimed
        await anyio.sleep(5)
        (task,) = vidgo.unclaimed
        assert isinstance(task, Task)
        assert [task.task_id] == list(sandbox.tasks)
        assert any(
            task.task_id in record.message and record.levelname == "WARNING"
            for record in caplog.records
        )


async def test_an_unknown_outcome_of_an_abandoned_post_is_unclaimed() -> None:
    """What may have been bought behind a cancelled caller is recorded as an error."""
    async with Sandbox() as sandbox, open_session(sandbox, request_timeout=5.0) as vidgo:
        sandbox.inject(hang_after)
        with anyio.move_on_after(1):
            await vidgo.submit(FOX)
        await anyio.sleep(5)
        (error,) = vidgo.unclaimed
        assert isinstance(error, SubmissionUnknownError)
        assert error.request is FOX
        assert error.__traceback__ is None  # it would keep the body as long as the session lives
        assert sandbox.sold == 1


async def test_an_abandoned_post_that_is_refused_leaves_nothing() -> None:
    """A POST that is refused after its caller was cancelled bought nothing."""
    async with Sandbox(credits=0) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(2))
        with anyio.move_on_after(1):
            await vidgo.submit(FOX)
        await anyio.sleep(5)
        assert not vidgo.unclaimed


async def test_a_caller_cancelled_before_the_post_buys_nothing() -> None:
    """Cancelled in the queue, or between two attempts, a submit is never sent."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(429, headers={"Retry-After": "9"}))
        with anyio.move_on_after(5):
            await vidgo.submit(FOX)
        async with sandbox.refusing():
            with anyio.move_on_after(6):
                await vidgo.submit(FOX)
        await anyio.sleep(60)
        assert sandbox.sold == 0
        assert not vidgo.unclaimed


async def test_a_caller_cancelled_while_connecting_buys_nothing() -> None:
    """A POST without a connection yet is stopped with its caller."""
    with deaf_server() as url:
        async with VidgoSession("sandbox-key", base_url=url) as vidgo:
            with anyio.move_on_after(1):
                await vidgo.submit(FOX)
            with pytest.raises(TaskTimeoutError, match="nothing was bought"):
                await vidgo.generate(FOX, timeout=1)
            start = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - start < 1
        assert not vidgo.unclaimed


async def test_a_connect_timeout_is_retried() -> None:
    """A connect timeout of its own shows that nothing was sent, so the submit is sent again."""
    retry = RetryPolicy(timeout=40)
    with deaf_server() as url:
        async with VidgoSession("sandbox-key", base_url=url, retry=retry) as vidgo:
            start = asyncio.get_running_loop().time()
            with pytest.raises(TransportTimeoutError, match="nothing was bought") as caught:
                await vidgo.submit(FOX)
            assert not caught.value.sent
            assert 20 < asyncio.get_running_loop().time() - start < 51


async def test_closing_ends_a_submit_that_is_still_connecting() -> None:
    """A POST that got no connection within the grace has bought nothing."""
    with deaf_server() as url:
        async with VidgoSession("sandbox-key", base_url=url) as vidgo:
            submit = asyncio.create_task(vidgo.submit(FOX))
            await anyio.sleep(1)
        with pytest.raises(SessionClosedError, match="nothing was bought"):
            await submit


async def test_a_call_cancelled_beforehand_buys_nothing() -> None:
    """A cancellation before the call wins, on new connections and on kept ones."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for _ in range(2):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await vidgo.submit(FOX)
            with anyio.move_on_after(0):
                await vidgo.generate(FOX)
            with anyio.move_on_after(0):
                await vidgo.submit_many(foxes(2))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await vidgo.submit(FOX)
            with pytest.raises(TaskTimeoutError, match="nothing was bought"):
                await vidgo.generate(FOX, timeout=0)
            await vidgo.balance()  # leaves a connection to keep
        await anyio.sleep(20)
        assert sandbox.received["submit"] == 0


@pytest.mark.parametrize("iterations", range(8))
async def test_a_submit_cancelled_in_its_first_loop_iterations(iterations: int) -> None:
    """Cancelled in any loop iteration, what was sold is accounted for."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        submit = asyncio.create_task(vidgo.submit(FOX))
        for _ in range(iterations):
            await asyncio.sleep(0)
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
        await anyio.sleep(10)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)
        await vidgo.submit(FOX)


@pytest.mark.parametrize("caller_too", [False, True])
@pytest.mark.parametrize("iterations", [1, 2])
async def test_a_post_that_others_cancel_is_not_sent(iterations: int, *, caller_too: bool) -> None:
    """As at the end of `asyncio.run`: cancelled before it is sent, a POST is nothing, and ends the call."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        runtime = vidgo._runtime
        assert runtime is not None
        submit = asyncio.create_task(vidgo.submit(FOX))
        for _ in range(iterations):
            await asyncio.sleep(0)
        (post,) = runtime.submitter._submits
        post.cancel()
        if caller_too:
            submit.cancel()
        with pytest.raises(asyncio.CancelledError if caller_too else VidgoError) as caught:
            await submit
        assert caller_too or "other code cancelled" in str(caught.value)
        await anyio.sleep(10)
        assert sandbox.received["submit"] == 0
        assert not vidgo.unclaimed


async def test_a_bug_before_the_post_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no error of ours is raised in the caller as it is, and nothing is sent."""

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        runtime = vidgo._runtime
        assert runtime is not None
        with monkeypatch.context() as patch:
            patch.setattr(runtime.limiter, "acquire", fail)
            with pytest.raises(ZeroDivisionError):
                await vidgo.submit(FOX)
        assert sandbox.received["submit"] == 0
        assert isinstance(await vidgo.submit(FOX), Task)


class _LateConnector(aiohttp.TCPConnector):
    """Finishes each connection at a time of the loop."""

    ready_at = 0.0

    async def _create_connection(self, *args: Any) -> Any:
        connection = await super()._create_connection(*args)
        ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_at(self.ready_at, ready.set_result, None)
        await ready
        return connection


async def test_a_deadline_that_rings_with_the_connection() -> None:
    """In the iteration of the loop in which it could be sent, it is not sold and called not sent."""
    connector = _LateConnector(limit=0)
    async with (
        connector,
        Sandbox() as sandbox,
        open_session(sandbox, connector=connector) as vidgo,
    ):
        loop: Any = asyncio.get_running_loop()
        connector.ready_at = loop.time() + 0.499
        loop.call_at(loop.time() + 0.48, loop.advance, 0.05)  # both timers ring in one iteration
        with pytest.raises(TaskTimeoutError, match="nothing was bought"):
            await vidgo.generate(FOX, timeout=0.5)
        await anyio.sleep(10)
        assert sandbox.received["submit"] == 0
        assert not vidgo.unclaimed


@pytest.mark.parametrize("late", [0.0, 5.0])
async def test_an_answer_in_time_that_is_read_late(late: float) -> None:
    """A deadline that rings late, since the loop was blocked, lets a purchase be read first."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(2.5))
        loop: Any = asyncio.get_running_loop()
        generate = asyncio.create_task(vidgo.generate(FOX, timeout=2))
        await anyio.sleep(1)
        loop.advance(late)
        with pytest.raises(TaskTimeoutError) as caught:
            await generate
        await anyio.sleep(5)
        bought = caught.value.task
        assert (bought is not None) == bool(late)
        assert ids((bought,) if bought else vidgo.unclaimed) == list(sandbox.tasks)


async def test_a_slot_that_comes_with_the_end_is_not_used() -> None:
    """A submit that gets its slot in the moment of closing is not sent."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        runtime = vidgo._runtime
        assert runtime is not None
        limiter = runtime.limiter
        permit = await limiter.acquire(limiter.submits)
        submit = asyncio.create_task(vidgo.submit(FOX))
        await asyncio.sleep(0)  # it is in the queue now
        permit.release()
        runtime.submitter._closing.set()
        with pytest.raises(SessionClosedError, match="nothing was bought"):
            await submit
        assert sandbox.received["submit"] == 0


async def test_closing_waits_for_posts_in_flight() -> None:
    """A POST that is answered within the grace period is given to its caller."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        sandbox.inject(slow(3))
        async with anyio.create_task_group() as group:
            bought = asyncio.create_task(vidgo.submit(FOX))
            await anyio.sleep(1)
            group.start_soon(vidgo.aclose)
        assert [(await bought).task_id] == list(sandbox.tasks)
        assert not vidgo.unclaimed


async def test_closing_records_what_takes_too_long() -> None:
    """After 5 seconds an open POST becomes an unknown outcome, for its caller or unclaimed."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        sandbox.inject(hang_after, times=2)
        stays = asyncio.create_task(vidgo.submit(FOX))
        leaves = asyncio.create_task(vidgo.submit(FOX))
        await anyio.sleep(1)
        leaves.cancel()
        start = asyncio.get_running_loop().time()
        await vidgo.aclose()
        assert 5 <= asyncio.get_running_loop().time() - start < 6
        with pytest.raises(SubmissionUnknownError):
            await stays
        assert [type(what) for what in vidgo.unclaimed] == [SubmissionUnknownError]


async def test_closing_ends_submits_that_were_not_sent() -> None:
    """Queued submits, and those between two tries, end at once and bought nothing."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox, max_concurrent_requests=1).__aenter__()
        sandbox.inject(answer(503, SAFE_503), times=None)
        waiting = [asyncio.create_task(vidgo.submit(FOX)) for _ in range(3)]
        await anyio.sleep(0.5)
        start = asyncio.get_running_loop().time()
        await vidgo.aclose()
        assert asyncio.get_running_loop().time() - start < 1
        for submit in waiting:
            with pytest.raises(SessionClosedError):
                await submit
        assert sandbox.sold == 0


async def test_a_submit_whose_coroutine_is_closed_is_not_lost() -> None:
    """A coroutine closed while its POST is answered leaves the task in `unclaimed`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(2))
        submit = vidgo.submit(FOX)
        submit.send(None)
        await anyio.sleep(1)
        submit.close()
        await anyio.sleep(5)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)
        assert sandbox.sold == 1
