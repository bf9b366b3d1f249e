"""The same on uvloop, whose handles and transports are not asyncio's own."""

import asyncio
from pathlib import Path

import pytest

from tests.support.sessions import foxes, open_session
from vidgo_async import AdaptivePolling, FixedPolling, PollingPolicy
from vidgo_async.sandbox import Sandbox

uvloop = pytest.importorskip("uvloop")


@pytest.mark.parametrize("polling", [FixedPolling(0.05), AdaptivePolling(0.05, 0.5)])
def test_a_batch_on_uvloop(polling: PollingPolicy, tmp_path: Path) -> None:
    """A batch is submitted, polled, downloaded and closed as on asyncio's loop."""

    async def generate() -> list[bool]:
        async with Sandbox() as sandbox, open_session(sandbox, polling=polling) as vidgo:
            batch = vidgo.generate_many(foxes(40), max_in_flight=40, download_to=tmp_path)
            return [outcome.ok async for outcome in batch]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(generate()) == [True] * 40
    assert len(list(tmp_path.glob("*.mp4"))) == 40
