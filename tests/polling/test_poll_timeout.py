"""How long a look may take: the corner that no server reaches."""

import asyncio

import anyio
import pytest

from vidgo_async._polling.poll_timeout import LEAST, Patience

pytestmark = pytest.mark.virtual_time


async def test_a_look_is_ended_once() -> None:
    """Where a look's time is up for both reasons at once it ends once, with a timeout."""
    patience = Patience(LEAST)

    async def look(scope: asyncio.Timeout) -> None:
        async with scope:
            await anyio.sleep_forever()

    started = anyio.current_time()
    seeing = asyncio.create_task(patience.see(look))
    await asyncio.sleep(0)
    patience.hurry()
    with pytest.raises(TimeoutError):
        await seeing
    assert anyio.current_time() - started == pytest.approx(LEAST, abs=0.1)
    patience.close()
