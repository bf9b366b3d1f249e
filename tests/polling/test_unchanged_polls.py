"""A status that has not changed is not read again; whatever has changed is."""

from typing import Any

import anyio
import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import FixedPolling, Task
from vidgo_async._api import responses
from vidgo_async.sandbox import Sandbox, answer

pytestmark = pytest.mark.virtual_time

RUNNING = {"status": "running", "progress": 10, "files": []}
NO_FILES = {"status": "finished", "files": []}
FINISHED = {"status": "finished", "files": [{"file_url": "https://a.example/fox.mp4"}]}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record each body that is read."""
    bodies = list[str]()
    decode = responses._decode

    def noted(text: str) -> Any:
        bodies.append(text)
        return decode(text)

    monkeypatch.setattr(responses, "_decode", noted)
    return bodies


def say(sandbox: Sandbox, task: Task, *states: dict[str, Any], status: int = 200) -> None:
    """Answer the next polls with these, one after the other."""
    for state in states:
        body = {"code": status, "data": {"task_id": task.task_id, **state}}
        sandbox.inject(answer(status, body), call="status")


async def test_an_unchanged_status_is_read_once(decoded: list[str]) -> None:
    """Then whatever changes is seen: progress, an end."""
    states = list[Task]()
    async with Sandbox() as sandbox, open_session(sandbox, polling=FixedPolling(1.0)) as vidgo:
        task = await vidgo.submit(FOX)
        say(
            sandbox, task, RUNNING, RUNNING, RUNNING, {**RUNNING, "progress": 20}, RUNNING, FINISHED
        )
        decoded.clear()
        ended = await vidgo.wait(task, on_update=states.append)
    assert sandbox.received["status"] == 6
    assert len(decoded) == 4
    assert ended.finished
    assert ended.raw is not None
    assert [state.progress for state in states] == [10, 20, 10, None]
    assert [state.raw for state in states[:-1]] == [None] * 3
    assert {state.model for state in states} == {"grok-imagine"}


async def test_a_finished_task_without_files_is_read_each_time(decoded: list[str]) -> None:
    """The same words mean more the longer they stay."""
    async with Sandbox() as sandbox, open_session(sandbox, polling=FixedPolling(1.0)) as vidgo:
        task = await vidgo.submit(FOX)
        say(sandbox, task, RUNNING, *[NO_FILES] * 30)
        decoded.clear()
        ended = await vidgo.wait(task, timeout=60)
    assert ended.finished
    assert ended.files == ()
    assert len(decoded) == sandbox.received["status"] < 12


async def test_the_same_refusal_is_a_refusal_each_time() -> None:
    """Errors in HTTP 200 too: three in a row end the watch."""
    async with Sandbox() as sandbox, open_session(sandbox, polling=FixedPolling(3.0)) as vidgo:
        task = await vidgo.submit(FOX)
        await anyio.sleep(10)
        body = {"code": 404, "message": "no such task"}
        say(sandbox, task, RUNNING)
        sandbox.inject(answer(200, body), call="status", times=None)
        with pytest.raises(Exception, match="no such task"):
            await vidgo.wait(task)
        assert sandbox.received["status"] == 4


async def test_what_a_second_waiter_knows_is_kept(decoded: list[str]) -> None:
    """A task known by its id alone gets its model from who has it, though its status stays."""
    async with (
        Sandbox(seconds=(30, 30)) as sandbox,
        open_session(sandbox, polling=FixedPolling(1.0)) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        sandbox.inject(
            answer(200, {"code": 200, "data": {"task_id": task.task_id, **RUNNING}}),
            call="status",
            times=12,
        )
        decoded.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.wait, task.task_id)
            await anyio.sleep(5)
            states = list[Task]()
            await vidgo.wait(task, on_update=states.append)
        assert states[-1].finished
        assert states[-1].model == "grok-imagine"
        assert states[-1].submitted_at == task.submitted_at
