"""Closing a session while calls wait: what was paid for is named wherever its caller may look."""

import asyncio
import logging

import anyio
import pytest

from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import SessionClosedError, Task
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


async def test_generate_names_what_it_bought(caplog: pytest.LogCaptureFixture) -> None:
    """The id is in the error's text, in `unclaimed` and in the log."""
    caplog.set_level(logging.WARNING, "vidgo_async")
    async with Sandbox(seconds=(60, 60)) as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        waiting = asyncio.create_task(vidgo.generate(FOX))
        await anyio.sleep(5)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError) as caught:
            await waiting
    (task_id,) = sandbox.tasks
    assert caught.value.task_id == task_id
    assert task_id in str(caught.value)
    assert ids(vidgo.unclaimed) == [task_id]
    assert any(task_id in message for message in caplog.messages)


async def test_wait_names_its_task() -> None:
    """The error of a wait names the task, which is nobody's but its caller's."""
    async with Sandbox(seconds=(60, 60)) as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        task = await vidgo.submit(FOX)
        waiting = asyncio.create_task(vidgo.wait(task))
        await anyio.sleep(5)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError, match=task.task_id):
            await waiting
    assert vidgo.unclaimed == ()


async def test_the_union_of_all_places_is_what_was_sold() -> None:
    """Given, in errors and unclaimed together are what was sold, whatever was going on."""
    async with Sandbox(seconds=(3, 60)) as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        given = set[str | None]()

        async def batch() -> None:
            async for outcome in vidgo.generate_many(foxes(10), max_in_flight=4):
                given.add(outcome.task.task_id if outcome.task else None)

        jobs = [
            asyncio.create_task(batch()),
            *(asyncio.create_task(vidgo.generate(FOX)) for _ in "123"),
        ]
        await anyio.sleep(20)
        await vidgo.aclose()
        for result in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(result, Task | SessionClosedError):
                given.add(result.task_id)
    assert (given | set(ids(vidgo.unclaimed))) - {None} == set(sandbox.tasks)
