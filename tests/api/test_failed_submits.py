"""A task that failed with its submit: one poll tells why."""

import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import Task, VidgoSession
from vidgo_async._api.client import Api
from vidgo_async.sandbox import Fault, Sandbox, answer, changed, hang

pytestmark = pytest.mark.virtual_time

WHY = changed(status="failed", error_message="too dark", credits_amount=0)


def api_of(vidgo: VidgoSession) -> Api:
    assert vidgo._runtime is not None
    return vidgo._runtime.api


async def test_one_poll_tells_why() -> None:
    """A submit answered `failed` is a purchase; its reason is in the status alone."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(changed(status="failed"), call="submit")
        sandbox.inject(WHY, call="status")
        task = await vidgo.submit(FOX)
        assert (task.failed, task.error_message) == (True, None)
        told = await api_of(vidgo).with_reason(task)
        assert (told.failed, told.error_message, told.credits) == (True, "too dark", 0.0)
        assert told.model == task.model
        assert await api_of(vidgo).with_reason(told) is told
        assert sandbox.received["status"] == 1
        assert sandbox.sold == 1


async def test_a_poll_may_know_better() -> None:
    """What the status says counts, also where it says that the task goes on."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(changed(status="failed"), call="submit")
        task = await vidgo.submit(FOX)
        assert not (await api_of(vidgo).with_reason(task)).done


@pytest.mark.parametrize("fault", [answer(500), answer(404), hang])
async def test_a_failed_poll_costs_no_more_than_the_reason(fault: Fault) -> None:
    """Where the poll fails the task stays as it was, and the permit is given back."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        sandbox.inject(changed(status="failed"), call="submit")
        sandbox.inject(fault, call="status")
        task = await vidgo.submit(FOX)
        assert await api_of(vidgo).with_reason(task, 2.0) is task
        assert (await vidgo.balance()).credits > 0


async def test_other_tasks_are_not_polled() -> None:
    """A task that has not failed is returned as it is."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for status in ("running", "finished"):
            task = Task("task-1", status)
            assert await api_of(vidgo).with_reason(task) is task
        assert sandbox.received["status"] == 0
