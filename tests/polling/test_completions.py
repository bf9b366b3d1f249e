"""`as_completed`: tasks in order of completion, to one consumer or two."""

import asyncio
from typing import Any

import anyio
import pytest

from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import NotFoundError, Task, TaskTimeoutError, VidgoSession
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


async def test_two_consumers_of_one_stream_both_end() -> None:
    """Several tasks may consume one stream; after the last item each of them ends."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(5))
        stream = vidgo.as_completed(tasks)

        async def read() -> list[Task]:
            return [task async for task in stream]

        first, second = await asyncio.gather(read(), read())
        assert len(first) + len(second) == 5
        stream = vidgo.as_completed(["never-sold"])
        consumer = asyncio.create_task(read())
        await anyio.sleep(0.1)
        async with stream:
            pass
        assert await consumer == []


async def test_tasks_come_in_order_of_completion() -> None:
    """Each distinct id comes once, when it ended; `pending` holds the rest."""
    async with Sandbox(seconds=(5, 60), seed=3) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(10))
        stream = vidgo.as_completed([*tasks, *tasks[:5], tasks[0].task_id])
        assert set(stream.pending) == set(ids(tasks))
        came: list[str] = []
        ends: list[float] = []
        async for task in stream:
            assert task.finished
            came.append(task.task_id)
            ends.append(anyio.current_time())
            assert set(stream.pending) == set(ids(tasks)) - set(came)
        assert sorted(came) == sorted(ids(tasks), key=str)
        assert ends[-1] - ends[0] > 20


async def test_a_second_loop_goes_on_with_the_rest() -> None:
    """A second loop gets what the first did not."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(5))
        stream = vidgo.as_completed(tasks)
        first = await anext(stream)
        rest = [task async for task in stream]
        assert {first.task_id, *ids(rest)} == set(ids(tasks))
        assert len(rest) == 4
        assert [task async for task in stream] == []


async def test_one_deadline_for_all() -> None:
    """When the time is up there is one error with all that is pending, and then the end."""
    async with Sandbox(seconds=(5, 60), seed=1) as sandbox, open_session(sandbox) as vidgo:
        tasks = await vidgo.submit_many(foxes(10))
        start = anyio.current_time()
        came: list[str] = []
        stream = vidgo.as_completed(tasks, timeout=30)
        with pytest.raises(TaskTimeoutError) as caught:
            async for task in stream:
                came.append(task.task_id)
        assert 30 <= anyio.current_time() - start < 31
        assert came
        assert set(caught.value.pending) == set(ids(tasks)) - set(came) == set(stream.pending)
        assert [task async for task in stream] == []


async def test_an_error_about_one_task_does_not_affect_the_others() -> None:
    """A task that the server does not know is one error; the next loop goes on."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        async with vidgo.as_completed(["never-sold", task]) as stream:
            came: list[str] = []
            errors: list[str | None] = []
            while stream.pending:
                try:
                    async for one in stream:
                        came.append(one.task_id)
                except NotFoundError as error:
                    errors.append(error.task_id)
        assert came == [task.task_id]
        assert errors == ["never-sold"]


@pytest.mark.parametrize("how", ["block", "break", "error", "drop"])
async def test_an_abandoned_stream_stops_its_polls(how: str) -> None:
    """After a block, a `break`, an error or a drop there are no more polls."""
    async with Sandbox(seconds=(50, 50)) as sandbox, open_session(sandbox) as vidgo:
        fast = Task("done", "finished")
        tasks = [fast, *await vidgo.submit_many(foxes(5))]
        if how == "block":
            async with vidgo.as_completed(tasks) as stream:
                async for _ in stream:
                    break
            assert [task async for task in stream] == []
        elif how == "break":
            async for _ in vidgo.as_completed(tasks):
                break
        elif how == "error":
            with pytest.raises(ZeroDivisionError):
                async for _ in vidgo.as_completed(tasks):
                    raise ZeroDivisionError
        else:
            aiter(vidgo.as_completed(tasks))
        await anyio.sleep(0.1)
        polls = sandbox.received["status"]
        await anyio.sleep(60)
        assert sandbox.received["status"] == polls


async def test_a_dropped_stream_of_a_closed_loop_is_silent() -> None:
    """A stream that outlives its loop may be dropped without a warning."""
    kept: list[Any] = []

    async def main(url: str, key: str) -> None:
        async with VidgoSession(key, base_url=url) as vidgo:
            stream = vidgo.as_completed(["x"])
            aiter(stream)
            kept.append(stream)

    async with Sandbox() as sandbox:
        url = sandbox.url
        await anyio.to_thread.run_sync(lambda: asyncio.run(main(url, "sandbox-key")))
    kept.clear()
