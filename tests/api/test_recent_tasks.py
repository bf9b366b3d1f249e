"""When a task ended, as far as a session saw it."""

import pickle
from datetime import UTC, datetime, timedelta

import anyio
import attrs
import pytest

from vidgo_async import Task
from vidgo_async._api import recent_tasks
from vidgo_async._api.recent_tasks import RecentTasks

pytestmark = pytest.mark.virtual_time


def task(status: str, **more: object) -> Task:
    return Task("a", status, **more)  # type: ignore[arg-type] # names of fields


async def test_the_end_of_a_task_is_when_it_was_first_seen_ended() -> None:
    """A task that was unfinished before ended when it was first seen so; later polls count not."""
    tasks = RecentTasks()
    assert tasks.age("a") is None
    assert tasks.age(None) is None
    tasks.note(task("running"), anyio.current_time())
    await anyio.sleep(100)
    assert tasks.age("a") == pytest.approx(100, abs=1)
    tasks.note(task("finished"), anyio.current_time())
    await anyio.sleep(50)
    tasks.note(task("finished"), anyio.current_time())
    assert tasks.age("a") == pytest.approx(50, abs=1)


async def test_a_task_first_seen_ended_is_as_old_as_its_submit() -> None:
    """It ended after it was submitted, if that is known; else its age is not known."""
    tasks = RecentTasks()
    tasks.note(task("finished"), anyio.current_time())
    assert tasks.age("a") is None
    submitted_at = datetime.now(UTC) - timedelta(seconds=300)
    known = pickle.loads(pickle.dumps(task("finished", submitted_at=submitted_at)))
    tasks.note(known, anyio.current_time())
    assert tasks.age("a") == pytest.approx(300, abs=1)
    ahead = attrs.evolve(known, task_id="b", submitted_at=submitted_at + timedelta(days=1))
    tasks.note(ahead, anyio.current_time())
    assert tasks.age("b") == pytest.approx(0, abs=1)


async def test_the_memory_of_tasks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more tasks than fit those that were seen last are remembered."""
    monkeypatch.setattr(recent_tasks, "MAX_TASKS", 3)
    tasks = RecentTasks()
    for status in ("running", "finished"):
        for id_ in "abcde":
            tasks.note(Task(id_, "running"), anyio.current_time())
        tasks.note(Task("c", "running"), anyio.current_time())
        assert [id_ for id_ in "abcde" if tasks.age(id_) is not None] == list("cde")
        for id_ in "dec":
            tasks.note(Task(id_, status), anyio.current_time())
