"""The limits of uploads: five at once, and twenty in a minute."""

import anyio
import pytest

from tests.support.faults import InFlight
from tests.support.sessions import FOX, open_session
from tests.support.uploads import PNG
from vidgo_async import TransportError
from vidgo_async.sandbox import Sandbox, refusal, slow

pytestmark = pytest.mark.virtual_time


async def test_twenty_uploads_respect_the_rate() -> None:
    """20 uploads at 5 a minute take three minutes, meet no 429, and outlive the retry policy."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(vidgo.upload, PNG)
        assert 180 <= anyio.current_time() - start < 185
        assert len(sandbox.uploads) == sandbox.received["upload"] == 20


async def test_slow_uploads_stay_within_the_limit() -> None:
    """However late the server counts an upload, it never meets more than 5 in a minute."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for skip in range(0, 10, 3):
            sandbox.inject(slow(20), call="upload", skip=skip)
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(vidgo.upload, PNG)
        assert {call.status for call in sandbox.calls} == {200}


async def test_at_most_five_at_once() -> None:
    """No more than 5 uploads are in flight."""
    in_flight = InFlight(5)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(in_flight, call="upload", times=None)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(vidgo.upload, PNG)
        assert in_flight.most == 5


async def test_fewer_at_once_where_connections_are_few() -> None:
    """On a small connector uploads leave connections for other requests."""
    in_flight = InFlight(1)
    async with Sandbox() as sandbox:
        vidgo = open_session(sandbox, max_concurrent_requests=1)
        async with vidgo:
            sandbox.inject(in_flight, call="upload", times=None)
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(vidgo.upload, PNG)
        assert in_flight.most == 1
        assert len(sandbox.uploads) == 5


async def test_a_429_slows_only_uploads() -> None:
    """After a 429 of the uploads no upload is sent for as long as asked, but submits are."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(429, "B", headers={"Retry-After": "40"}), call="upload")
        start = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.upload, PNG)
            await anyio.sleep(2)
            group.start_soon(vidgo.upload, PNG)
            await vidgo.submit(FOX)
            assert anyio.current_time() - start < 3
        assert 40 <= anyio.current_time() - start < 45


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "9999"}])
async def test_a_429_that_names_no_time_ends_with_the_minute(headers: dict[str, str]) -> None:
    """Without a sensible Retry-After uploads wait for a minute, and no longer."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(429, "B", headers=headers), call="upload")
        start = anyio.current_time()
        await vidgo.upload(PNG)
        assert 60 <= anyio.current_time() - start < 62


async def test_what_never_arrived_does_not_count() -> None:
    """Attempts without a connection use up nothing of the 5 a minute."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with sandbox.refusing():
            with pytest.raises(TransportError):
                await vidgo.upload(PNG)
        start = anyio.current_time()
        for _ in range(5):
            await vidgo.upload(PNG)
        assert anyio.current_time() - start < 5


async def test_a_cancelled_upload_is_removed_from_the_queue() -> None:
    """A cancelled upload in the queue delays no other."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for _ in range(5):
            await vidgo.upload(PNG)
        start = anyio.current_time()
        with anyio.move_on_after(10):
            await vidgo.upload(PNG)
        await vidgo.upload(PNG)
        assert anyio.current_time() - start < 62
        assert sandbox.received["upload"] == 6
