"""Policies of the user's that fail: no task that was paid for is lost by one."""

import asyncio
import math
import sys
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import Task
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


ODD = {
    "negative": -1.0,
    "nan": math.nan,
    "text": "soon",
    "huge": 10**400,
    "largest": sys.float_info.max,
}


class FaultyPolicy:
    """A policy that fails for each task."""

    def __init__(self, how: str) -> None:
        self.how = how

    def next_delay(self, task: Task, age: float | None) -> float:
        """Do what no policy should."""
        if self.how == "raises":
            raise ZeroDivisionError
        if self.how == "exits":
            raise asyncio.CancelledError
        return cast("float", ODD[self.how])


class FaultyLearner:
    """A policy that polls well, and cannot learn."""

    def next_delay(self, task: Task, age: float | None) -> float:
        """Poll every second."""
        return 1.0

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Fail each time."""
        raise ZeroDivisionError


@pytest.mark.parametrize("how", [*ODD, "raises", "exits"])
async def test_a_policy_that_fails_costs_no_video(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the policy fails a fixed interval takes its place, and the log says so once."""
    policy = FaultyPolicy(how)
    async with Sandbox(seconds=(9, 9)) as sandbox, open_session(sandbox, polling=policy) as vidgo:
        tasks = await vidgo.submit_many(foxes(3))
        stream = vidgo.as_completed(tasks)
        ended = [task async for task in stream]
        assert {task.task_id for task in ended} == set(ids(tasks))
        assert [task async for task in stream] == []
        assert 3 * 3 <= sandbox.received["status"] <= 3 * 4
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "polling policy failed" in errors[0].getMessage()
    assert errors[0].exc_info


async def test_a_policy_that_cannot_learn_still_polls(caplog: pytest.LogCaptureFixture) -> None:
    """An error in `learn` is logged once, and the task is waited for all the same."""
    policy = FaultyLearner()
    async with Sandbox() as sandbox, open_session(sandbox, polling=policy) as vidgo:
        assert (await vidgo.generate(FOX)).finished
        assert (await vidgo.generate(FOX)).finished
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


@pytest.mark.parametrize("delay", [Decimal(2), 2, sys.float_info.min, 5e-324])
async def test_a_policy_may_answer_any_number(delay: Any) -> None:
    """Numbers of any kind are seconds, however small."""

    class Policy:
        def next_delay(self, task: Task, age: float | None) -> float:
            return cast("float", delay) if age else 2.0

    async with (
        Sandbox(seconds=(2, 2)) as sandbox,
        open_session(sandbox, polling=Policy()) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(2))
        assert [task.finished async for task in vidgo.as_completed(tasks)] == [True, True]


@pytest.mark.parametrize("method", ["next_delay", "learn"])
def test_an_interrupt_in_a_policy_ends_the_program(method: str) -> None:
    """Ctrl-C in a policy is no fault of the policy."""

    class Policy(FaultyLearner):
        def next_delay(self, task: Task, age: float | None) -> float:
            if method == "next_delay":
                raise KeyboardInterrupt
            return 0.1

        def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
            raise KeyboardInterrupt

    async def program() -> None:
        async with (
            Sandbox(seconds=(0.01, 0.02)) as sandbox,
            open_session(sandbox, polling=Policy()) as vidgo,
        ):
            await vidgo.generate(FOX)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(program())
