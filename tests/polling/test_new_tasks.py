"""Tasks whose status lags behind: unknown for a moment, ended at once, finished without files."""

from datetime import UTC, datetime, timedelta

import anyio
import attrs
import pytest

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import FixedPolling, NotFoundError, Task, TaskFailedError
from vidgo_async.sandbox import Sandbox, changed, failed_at_once, refusal

pytestmark = pytest.mark.virtual_time

NO_FILES = changed(status="finished", files=[])


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_refusals_of_a_new_task_do_not_count(status: int) -> None:
    """In the first seconds the server may not know the task it just sold."""
    async with (
        Sandbox(seconds=(9, 9)) as sandbox,
        open_session(sandbox, polling=FixedPolling(0.5)) as vidgo,
    ):
        sandbox.inject(refusal(status, "A"), call="status", times=5)
        assert (await vidgo.generate(FOX)).finished


async def test_refusals_of_an_older_task_count() -> None:
    """Later three refusals in a row end the watch, and the error names the task."""
    async with (
        Sandbox(seconds=(90, 90)) as sandbox,
        open_session(sandbox, polling=FixedPolling(0.5)) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        # Its age is that of the wall clock, which stands still in virtual time.
        task = attrs.evolve(task, submitted_at=datetime.now(UTC) - timedelta(seconds=6))
        sandbox.inject(refusal(404, "A"), call="status", times=None)
        with pytest.raises(NotFoundError) as caught:
            await vidgo.wait(task)
        assert caught.value.task_id == task.task_id
        assert sandbox.received["status"] == 3


async def test_files_that_come_late_are_waited_for() -> None:
    """A task that finished without files is polled again until they are there."""
    seen: list[Task] = []
    async with Sandbox(seconds=(9, 9)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(10)
        sandbox.inject(NO_FILES, call="status", times=3)
        ended = await vidgo.wait(task, on_update=seen.append)
        assert ended.finished
        assert len(ended.files) == 1
        assert [task.status for task in seen].count("finished") == 1


async def test_files_that_never_come_are_given_up() -> None:
    """After ten seconds the task is returned as it is: finished, without files."""
    async with Sandbox(seconds=(9, 9)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(NO_FILES, call="status", times=None)
        task = await vidgo.submit(FOX)
        start = anyio.current_time()
        ended = await vidgo.wait(task)
        assert ended.finished
        assert ended.files == ()
        assert 8 < anyio.current_time() - start < 20


async def test_a_deadline_does_not_wait_for_files() -> None:
    """A finished task is returned at the deadline, with or without its files."""
    async with Sandbox(seconds=(9, 9)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(10)
        sandbox.inject(NO_FILES, call="status", times=None)
        start = anyio.current_time()
        assert (await vidgo.wait(task.task_id, timeout=5)).finished
        assert anyio.current_time() - start < 5


@pytest.mark.parametrize("batch", [False, True])
async def test_a_submit_answered_failed_has_a_reason(batch: bool) -> None:
    """Why a task failed at once is in its status, which is asked for once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(failed_at_once("no such style"), call="submit")
        if batch:
            (outcome,) = [outcome async for outcome in vidgo.generate_many(foxes(1))]
            error = outcome.error
        else:
            with pytest.raises(TaskFailedError) as caught:
                await vidgo.generate(FOX)
            error = caught.value
        assert isinstance(error, TaskFailedError)
        assert "no such style" in str(error)
        assert sandbox.received["status"] == 1
        assert sandbox.sold == 1
        assert vidgo.unclaimed == ()
