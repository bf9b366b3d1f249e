"""What a batch yields, and what it holds until then: values that type checkers tell apart."""

import copy
import pickle
from pathlib import Path

import anyio
import attrs
import pytest

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import (
    Failure,
    Outcome,
    Pending,
    RetryPolicy,
    Success,
    Task,
    VidgoError,
)
from vidgo_async.sandbox import Sandbox, answer


@pytest.mark.virtual_time
async def test_what_is_in_flight_is_no_outcome() -> None:
    """`in_flight` names each request that was read, with its task once there is one."""
    requests = foxes(3)
    async with (
        Sandbox(seconds=(20, 20)) as sandbox,
        open_session(sandbox) as vidgo,
        vidgo.generate_many(iter(requests), max_in_flight=2) as batch,
    ):
        await anyio.sleep(10)
        assert all(isinstance(each, Pending) for each in batch.in_flight)
        assert [(each.index, each.request) for each in batch.in_flight] == [
            (0, requests[0]),
            (1, requests[1]),
        ]
        tasks = {each.task.task_id for each in batch.in_flight if each.task}
        assert tasks == sandbox.tasks.keys()
        assert pickle.loads(pickle.dumps(batch.in_flight)) == batch.in_flight


@pytest.mark.virtual_time
async def test_the_two_kinds_of_outcome(tmp_path: Path) -> None:
    """A finished task is a Success; an error, also of a download, is a Failure with its task."""
    async with (
        Sandbox(failure_rate=0.5, seed=1) as sandbox,
        open_session(sandbox, retry=RetryPolicy(timeout=1.0)) as vidgo,
    ):
        sandbox.inject(answer(404), call="file", times=None, task_id=None)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(6))]
        saved = [outcome async for outcome in vidgo.generate_many(foxes(1), download_to=tmp_path)]
    assert {type(outcome) for outcome in outcomes} == {Success, Failure}
    for outcome in [*outcomes, *saved]:
        assert isinstance(outcome, Outcome)
        assert (outcome.error is None) == outcome.ok == isinstance(outcome, Success)
        assert outcome.task is not None
    assert not saved[0].ok


def test_outcomes_are_values() -> None:
    """Outcomes compare and copy by what they hold, and cannot be changed."""
    task = Task("task-1", "finished")
    success = Success(0, FOX, task)
    assert success == Success(0, FOX, task, paths=()) == copy.deepcopy(success)
    assert success != Success(1, FOX, task)
    assert pickle.loads(pickle.dumps(success)) == success
    error = VidgoError("it broke")
    assert Failure(0, FOX, None, error) == Failure(0, FOX, None, error)
    assert (success.error, success.ok, Failure(0, FOX, None, error).ok) == (None, True, False)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        success.index = 1  # type: ignore[misc]
