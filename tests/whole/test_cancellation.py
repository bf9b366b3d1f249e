"""Cancellation and timeouts leave a session usable."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.support.calls import CALLS, Call
from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async.sandbox import Sandbox

if TYPE_CHECKING:
    from vidgo_async import Task


@pytest.mark.virtual_time
@pytest.mark.parametrize("delay", [0.0, 0.5, 1.0, 3.0, 6.0, 11.0])
@pytest.mark.parametrize("how", ["native", "anyio", "asyncio"])
@pytest.mark.parametrize("call", ["submit", "generate", "submit_many", "wait", "as_completed"])
async def test_cancellation_at_any_point_leaves_the_session_usable(
    call: str, how: str, delay: float
) -> None:
    """A cancelled call ends at once; what was bought is accounted for; the session works."""
    async with Sandbox(seconds=(10, 10)) as sandbox, open_session(sandbox) as vidgo:
        known = await vidgo.submit(FOX)
        calls: dict[str, Call] = {
            **CALLS,
            "wait": lambda vidgo: vidgo.wait(known),
            "as_completed": lambda vidgo: anext(aiter(vidgo.as_completed([known]))),
        }

        got: list[Task] = []

        async def run() -> None:
            result = await calls[call](vidgo)
            got.extend(result if isinstance(result, list) else [result])  # type: ignore[list-item] # all give tasks

        if how == "native":
            running = asyncio.create_task(run())
            await anyio.sleep(delay)
            running.cancel()
            await asyncio.wait({running})
        elif how == "anyio":
            with anyio.move_on_after(delay):
                await run()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await run()
        await anyio.sleep(20)
        assert {known.task_id, *ids(got), *ids(vidgo.unclaimed)} == set(sandbox.tasks)
        assert (await vidgo.generate(FOX)).finished


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["anyio", "asyncio"])
async def test_a_timeout_inside_a_loop_body_leaves_the_rest(how: str) -> None:
    """A scope that ends inside the body of a loop harms neither the stream nor the session."""
    async with Sandbox(seconds=(5, 9)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(6))
        came: list[int] = []
        with contextlib.suppress(TimeoutError):
            scope = anyio.fail_after(15) if how == "anyio" else contextlib.nullcontext()
            with scope:
                async with asyncio.timeout(None if how == "anyio" else 15):
                    async for outcome in batch:
                        came.append(outcome.index)
                        await anyio.sleep(6)
        assert came
        assert sorted([*came, *[outcome.index async for outcome in batch]]) == list(range(6))
        assert not vidgo.unclaimed
