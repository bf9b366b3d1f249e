"""The caller of a submit: it may leave in any way, and is kept by nothing afterwards."""

import asyncio
import gc
import logging
import sys
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from tests.support.faults import SAFE_503
from tests.support.sessions import FOX, ids, open_session
from vidgo_async import RetryPolicy, SubmissionUnknownError, Task, VidgoError, VidgoSession
from vidgo_async._generation.pending_submit import PendingSubmit
from vidgo_async.sandbox import Fault, Sandbox, answer, reset_after, slow

pytestmark = pytest.mark.virtual_time

Call = Callable[[VidgoSession], Coroutine[Any, Any, object]]


class _Local:
    """Something in the frame of a caller."""


async def _caller(call: Coroutine[Any, Any, object]) -> "weakref.ref[_Local]":
    """Handle the error of a call, and return a reference to what its frame held meanwhile."""
    local = _Local()
    reference = weakref.ref(local)
    with pytest.raises(VidgoError):
        await call
    return reference


@pytest.mark.parametrize(
    ("fault", "call"),
    [
        (answer(402), lambda vidgo: vidgo.submit(FOX)),
        (answer(429), lambda vidgo: vidgo.submit(FOX)),
        (answer(503, SAFE_503), lambda vidgo: vidgo.submit(FOX)),
        (answer(503, SAFE_503), lambda vidgo: vidgo.generate(FOX, timeout=4)),
        (slow(20), lambda vidgo: vidgo.generate(FOX, timeout=1)),
        (answer(402), lambda vidgo: vidgo.submit_many([FOX])),
        (answer(402), lambda vidgo: vidgo.wait("unknown")),
        (answer(402), lambda vidgo: anext(vidgo.as_completed(["unknown"]))),
    ],
    ids=[
        "refused",
        "given up, 429",
        "given up, 503",
        "late between two",
        "late in flight",
        "one of many",
        "not found",
        "not found, of many",
    ],
)
async def test_an_error_keeps_no_frame(fault: Fault, call: Call) -> None:
    """When the caller has dropped an error, its frame goes without the garbage collector."""
    retry = RetryPolicy(timeout=10)
    async with Sandbox() as sandbox, open_session(sandbox, retry=retry) as vidgo:
        sandbox.inject(fault, times=None)
        gc.disable()
        try:
            reference = await _caller(call(vidgo))
            await asyncio.sleep(0)
            assert reference() is None
        finally:
            gc.enable()


@pytest.mark.parametrize("fault", [slow(2), reset_after])
async def test_any_error_thrown_into_a_caller_loses_nothing(fault: Fault) -> None:
    """As by a signal handler: what is no answer of the server is no end of the purchase."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(fault)
        submit = vidgo.submit(FOX)
        submit.send(None)
        while not sandbox.received["submit"]:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            submit.throw(ZeroDivisionError())
        await anyio.sleep(10)
        assert sandbox.sold == 1
        (what,) = vidgo.unclaimed
        if isinstance(what, Task):
            assert ids((what,)) == list(sandbox.tasks)
        else:
            assert isinstance(what, SubmissionUnknownError)


async def test_a_bug_behind_a_caller_who_left_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody else would hear of it."""

    async def fail(submit: PendingSubmit, _: object) -> None:
        submit.state.started = True  # so that it goes on without its caller
        await anyio.sleep(1)
        raise ZeroDivisionError

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        runtime = vidgo._runtime
        assert runtime is not None
        monkeypatch.setattr(runtime.submitter, "_send", fail)
        with anyio.move_on_after(0.5):
            await vidgo.submit(FOX)
        await anyio.sleep(5)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks")
async def test_eager_tasks_send_nothing_for_a_cancelled_caller() -> None:
    """A loop whose tasks take their first step at once changes nothing."""
    loop: Any = asyncio.get_running_loop()

    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await vidgo.submit(FOX)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.balance()  # leaves a connection to keep
        loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - not in 3.11
        try:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(cancelled())
            await anyio.sleep(10)
            assert sandbox.received["submit"] == 0
            await vidgo.submit(FOX)
        finally:
            loop.set_task_factory(None)


async def test_an_answer_in_the_moment_of_leaving_is_unclaimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A caller who is cancelled when the answer is there, and before it was taken, loses nothing."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        runtime = vidgo._runtime
        assert runtime is not None
        submit = runtime.api.submit

        async def submit_and_cancel(*arguments: Any) -> Task:
            task = await submit(*arguments)
            asyncio.get_running_loop().call_soon(caller.cancel)
            return task

        monkeypatch.setattr(runtime.api, "submit", submit_and_cancel)
        caller = asyncio.create_task(vidgo.submit(FOX))
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)
        assert sandbox.sold == 1
