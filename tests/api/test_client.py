"""`get_task` and `balance`: one call each."""

import asyncio

import anyio
import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import APIError, NotFoundError, ResponseError, SessionClosedError
from vidgo_async.sandbox import Sandbox, answer, hang

pytestmark = pytest.mark.virtual_time


async def test_get_task_polls_once() -> None:
    """`get_task` sends one request; the task keeps the object as received."""
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


async def test_a_cancelled_call_ends_at_once() -> None:
    """A cancelled call ends at once and frees its slot."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        sandbox.inject(hang, call="balance")
        with anyio.move_on_after(1):
            await vidgo.balance()
        assert (await vidgo.balance()).credits == 1000
