"""What is logged on `vidgo_async`, at which level, and how often."""

import logging

import pytest

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async.sandbox import Sandbox, answer, changed, reset_after

pytestmark = pytest.mark.virtual_time


def messages(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    """Return the library's own messages of a level."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "vidgo_async" and record.levelname == level
    ]


async def test_submits_are_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """Each submitted id is one line at INFO."""
    caplog.set_level(logging.DEBUG, "vidgo_async")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(3))
    assert sorted(messages(caplog, "INFO")) == sorted(
        f"submitted {task.task_id} (grok-imagine)" for task in tasks
    )


async def test_retries_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """Each delay after a failure is logged at DEBUG, with its cause."""
    caplog.set_level(logging.DEBUG, "vidgo_async")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        busy = {"code": 503, "error": {"message": "busy", "type": "service_error"}}
        sandbox.inject(answer(503, busy))
        sandbox.inject(answer(429, {"detail": "slow down"}))
        sandbox.inject(answer(502), call="status")
        sandbox.inject(answer(429, {"detail": "slow down"}), call="status")
        task = await vidgo.generate(FOX)
    logged = "\n".join(messages(caplog, "DEBUG"))
    assert "submit again in" in logged
    assert "503 service_error: busy" in logged
    assert "429: slow down" in logged
    assert f"poll {task.task_id} again in" in logged
    assert "502: Bad Gateway" in logged


async def test_unexpected_fields_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A new status and an unexpected field are warnings, once each for a session."""
    caplog.set_level(logging.DEBUG, "vidgo_async")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        unexpected = changed(status="dreaming", progress="half", files=[])
        sandbox.inject(unexpected, call="status", times=12)
        tasks = await vidgo.submit_many(foxes(3))
        async for task in vidgo.as_completed(tasks):
            assert task.finished
    assert sorted(messages(caplog, "WARNING")) == [
        "unexpected type of a task's field, taken as missing: progress (str)",
        "unknown task status 'dreaming': taken as not finished yet",
    ]


async def test_unclaimed_purchases_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Unclaimed purchases are warnings: the id, or that the outcome is unknown."""
    async with Sandbox(seconds=(60, 60)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_after)
        async with vidgo.generate_many(foxes(2)):
            while sandbox.sold < 2:
                await vidgo.balance()
    logged = messages(caplog, "WARNING")
    assert len(logged) == 2
    assert any("was bought and no caller was given it" in line for line in logged)
    assert any("a submit with unknown outcome has no caller any more" in line for line in logged)
