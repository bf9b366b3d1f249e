"""`submit_many`: tasks in request order, or an error that holds both halves."""

import asyncio
from typing import ClassVar

import anyio
import attrs
import pytest

from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import (
    InsufficientCreditsError,
    InvalidRequestError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Task,
    TypedRequest,
)
from vidgo_async.sandbox import Sandbox, answer, reset_after, slow

pytestmark = pytest.mark.virtual_time


async def test_submit_many_keeps_the_order_of_the_requests() -> None:
    """The tasks come back in the order of their requests, each bought once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(3))
        tasks = await vidgo.submit_many(foxes(40))
        prompts = [sandbox.tasks[task.task_id].input["prompt"] for task in tasks]
        assert prompts == [f"fox {number}" for number in range(40)]
        assert sandbox.sold == 40


async def test_submit_many_of_nothing_is_nothing() -> None:
    """An empty list buys nothing."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        assert await vidgo.submit_many([]) == []


async def test_submit_many_reports_both_halves() -> None:
    """On failures the group holds what was accepted and what failed, by index."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, {"detail": "no"}), skip=2)
        sandbox.inject(reset_after, skip=4)
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many(foxes(10))
        group = caught.value
        assert len(group.accepted) == 8
        assert {type(error) for error in group.failed.values()} == {
            InvalidRequestError,
            SubmissionUnknownError,
        }
        assert sorted([*group.accepted, *group.failed]) == list(range(10))
        assert sandbox.sold == 9
        assert not vidgo.unclaimed


async def test_a_request_that_json_cannot_carry_is_one_failure() -> None:
    """A typed request of the user's own that cannot be sent does not stop its siblings."""

    @attrs.frozen
    class Broken(TypedRequest):
        model: ClassVar[str] = "broken"
        prompt: object = attrs.field(factory=object)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many([FOX, Broken(), FOX])
        assert list(caught.value.failed) == [1]
        assert isinstance(caught.value.failed[1].__cause__, TypeError)
        assert sandbox.sold == 2


async def test_submit_many_stops_after_a_401_or_402() -> None:
    """After the first 402 nothing more is sent; each other request gets its own copy."""
    async with (
        Sandbox(credits=3) as sandbox,
        open_session(sandbox, max_concurrent_requests=2) as vidgo,
    ):
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many(foxes(100))
        assert len(caught.value.accepted) == 2
        errors = list(caught.value.failed.values())
        assert len({id(error) for error in errors}) == 98
        assert {type(error) for error in errors} == {InsufficientCreditsError}
        assert {error.__traceback__ for error in errors} == {None}  # it would hold the body
        assert sandbox.received["submit"] <= 4


async def test_what_a_cancelled_submit_many_bought_is_unclaimed() -> None:
    """What it had bought, and what its POSTs still buy, goes to `unclaimed`."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        sandbox.inject(reset_after, skip=1)
        sandbox.inject(answer(400, {"detail": "no"}), skip=1)
        sandbox.inject(slow(4), times=None, skip=8)
        with anyio.move_on_after(2):
            await vidgo.submit_many(foxes(20))
        await anyio.sleep(10)
        unknown = [what for what in vidgo.unclaimed if not isinstance(what, Task)]
        bought = [what.task_id for what in vidgo.unclaimed if isinstance(what, Task)]
        assert len(unknown) == 1
        assert len(bought) + 1 == sandbox.sold == sandbox.received["submit"] - 1


async def test_what_a_closed_submit_many_buys_is_unclaimed() -> None:
    """A coroutine that is closed while it waits loses nothing of what it sent."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(1), times=2)
        sandbox.inject(slow(10), times=2)
        buying = vidgo.submit_many(foxes(4))
        buying.send(None)
        await anyio.sleep(5)
        buying.close()
        await anyio.sleep(10)
        assert sandbox.sold == 4
        assert sorted(map(str, ids(vidgo.unclaimed))) == sorted(sandbox.tasks)


async def test_a_submit_that_others_cancel_is_one_failure() -> None:
    """What its siblings bought is in the error, beside the one that was cancelled."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_submits=1) as vidgo,
    ):
        buying = asyncio.create_task(vidgo.submit_many(foxes(3)))
        assert vidgo._runtime is not None
        pending = vidgo._runtime.submitter._pending
        unsent = list[asyncio.Task[None]]()
        while not unsent:
            await asyncio.sleep(0)
            if sandbox.sold:
                unsent = [job for job, submit in pending.items() if not submit.state.started]
        unsent[0].cancel()
        with pytest.raises(SubmitErrorGroup, match="1 of 3") as caught:
            await buying
        assert [task.task_id for task in caught.value.accepted.values()] == list(sandbox.tasks)
        assert "other code cancelled" in str(caught.value.failed[1])
        assert not vidgo.unclaimed
