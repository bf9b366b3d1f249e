"""The timeout of a poll: a corner case that no server reaches."""

import asyncio

import anyio
import pytest

from vidgo_async._polling.poll_timeout import LEAST, Patience

pytestmark = pytest.mark.virtual_time


async def test_a_poll_is_ended_once() -> None:
    """A poll that times out for two reasons at once ends once, with a timeout."""
    patience = Patience(LEAST)

    async def poll(scope: asyncio.Timeout) -> None:
        async with scope:
            await anyio.sleep_forever()

    started = anyio.current_time()
    seeing = asyncio.create_task(patience.see(poll))
    await asyncio.sleep(0)
    patience.hurry()
    with pytest.raises(TimeoutError):
        await seeing
    assert anyio.current_time() - started == pytest.approx(LEAST, abs=0.1)
    patience.close()
