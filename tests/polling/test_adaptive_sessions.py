"""What the session's polling learns from its own polls: the default policy at work."""

from typing import Any

import anyio
import pytest

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import AdaptivePolling, GenerationRequest, VidgoSession
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


async def cost(vidgo: VidgoSession, sandbox: Sandbox, count: int) -> float:
    """Generate that many videos; return polls per video times seconds of noticing late."""
    before = sandbox.received["status"]
    late = 0.0
    async for outcome in vidgo.generate_many(foxes(count), max_in_flight=5):
        assert outcome.task is not None
        late += anyio.current_time() - sandbox.tasks[outcome.task.task_id].ends_at
    return (sandbox.received["status"] - before) / count * late / count


async def test_the_default_learns_how_long_tasks_take() -> None:
    """After some tasks polls times lateness is less than half of what it was."""
    async with (
        Sandbox(seconds=(395, 405)) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo,
    ):
        at_first = await cost(vidgo, sandbox, 5)
        await cost(vidgo, sandbox, 40)
        assert await cost(vidgo, sandbox, 10) < at_first / 2


@pytest.mark.parametrize("model", ["z-image", "some-video"])
async def test_fast_models_are_noticed_soon(model: str) -> None:
    """Of a model that takes a second, all first tasks are noticed within three."""
    requests = [GenerationRequest(model, {"prompt": f"fox {number}"}) for number in range(16)]
    async with (
        Sandbox(seconds=(0.3, 1.5)) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo,
    ):
        began = anyio.current_time()
        assert len([outcome async for outcome in vidgo.generate_many(requests)]) == 16
        assert anyio.current_time() - began < 3
        assert sandbox.received["status"] == 16


async def test_sessions_learn_apart() -> None:
    """What one session has learned another with the same settings does not know."""
    settings = AdaptivePolling()
    async with Sandbox(seconds=(395, 405)) as sandbox:
        async with open_session(sandbox, polling=settings) as vidgo:
            await cost(vidgo, sandbox, 40)
            learned = await cost(vidgo, sandbox, 10)
        async with open_session(sandbox, polling=settings) as vidgo:
            assert await cost(vidgo, sandbox, 5) > 2 * learned


@pytest.mark.parametrize(
    ("asked", "known"),
    [({"duration": 10}, 10.0), ({"duration": "5"}, 5.0), ({"duration": "long"}, None), ({}, None)],
)
async def test_the_requested_length_is_known(asked: dict[str, Any], known: float | None) -> None:
    """A task carries the seconds of video that were asked for, from its submit to its end."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(GenerationRequest("some-model", {"prompt": "a fox", **asked}))
        assert task.duration == known
        assert (await vidgo.wait(task)).duration == known


async def test_an_id_alone_teaches_nothing() -> None:
    """A task of unknown age is polled evenly until it ends."""
    async with (
        Sandbox(seconds=(60, 60)) as sandbox,
        open_session(sandbox, polling=AdaptivePolling()) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        assert (await vidgo.wait(task.task_id)).finished
        assert sandbox.received["status"] <= 1 + 60 / 2
