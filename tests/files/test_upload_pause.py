"""The pause of all uploads after a 429."""

import anyio
import pytest

from vidgo_async import VidgoSession
from vidgo_async.sandbox import Sandbox, both, refusal, slow

pytestmark = pytest.mark.virtual_time

PNG = b"\x89PNG\r\n\x1a\n a picture"


async def test_an_upload_cancelled_in_a_pause_keeps_no_permit() -> None:
    """After a pause all five permits are free, also those of uploads that were cancelled in it."""
    async with (
        Sandbox(uploads_per_minute=None) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo,
    ):
        refused = refusal(429, "B", headers={"Retry-After": "60"})
        sandbox.inject(refused, call="upload")
        for _ in range(6):
            with anyio.move_on_after(1):
                await vidgo.upload(PNG)
        assert sandbox.received["upload"] == 1
        await anyio.sleep(60)
        started_at = anyio.current_time()
        for _ in range(5):
            await vidgo.upload(PNG)
        assert anyio.current_time() - started_at < 5


async def test_a_pause_that_grows_is_kept() -> None:
    """A second 429 that asks for more time makes the pause longer for all that wait."""
    async with (
        Sandbox(uploads_per_minute=None) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo,
    ):
        first = refusal(429, "B", headers={"Retry-After": "10"})
        second = both(slow(5), refusal(429, "B", headers={"Retry-After": "40"}))
        sandbox.inject(first, call="upload")
        sandbox.inject(second, call="upload")
        started_at = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.upload, PNG)
            group.start_soon(vidgo.upload, PNG)
            await anyio.sleep(44)
            assert sandbox.received["upload"] == 2
        assert 45 <= anyio.current_time() - started_at < 50
