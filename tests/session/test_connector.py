"""A connector lent by the caller: never closed, and its limits are respected."""

import asyncio
from pathlib import Path

import aiohttp
import anyio
import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import SessionClosedError, VidgoSession
from vidgo_async.sandbox import Sandbox, hang


async def test_a_lent_connector_is_not_closed() -> None:
    """The connector stays its owner's; its limits must not be below ours."""
    async with Sandbox() as sandbox, aiohttp.TCPConnector(limit=64) as connector:
        async with open_session(sandbox, connector=connector) as vidgo:
            await vidgo.submit(FOX)
        assert not connector.closed
        with pytest.raises(ValueError, match="limit is 64, below max_concurrent_requests=65"):
            open_session(sandbox, connector=connector, max_concurrent_requests=65)
    with pytest.raises(TypeError, match="connector must be"):
        VidgoSession("a-key-for-tests", connector="pool")  # type: ignore[arg-type] # on purpose


async def test_downloads_leave_connections_of_a_lent_connector(tmp_path: Path) -> None:
    """Downloads take no connection that API requests may need, but for one."""
    async with Sandbox(seconds=(0, 0)) as sandbox, aiohttp.TCPConnector(limit=4) as connector:
        async with open_session(sandbox, connector=connector, max_concurrent_requests=3) as vidgo:
            task = await vidgo.submit(FOX)
            file = (await vidgo.get_task(task.task_id)).files[0]
            sandbox.inject(hang, call="file", times=None)
            downloads = [
                asyncio.create_task(vidgo.download(file, tmp_path / str(number)))
                for number in range(4)
            ]
            await anyio.sleep(0.1)
            assert sandbox.received["file"] == 1
            await asyncio.gather(*(vidgo.balance() for _ in range(3)))
        for download in downloads:
            with pytest.raises(SessionClosedError):
                await download


async def test_a_connector_per_host_limit_counts_too() -> None:
    """All requests go to one host, so its limit per host must not be below ours either."""
    async with aiohttp.TCPConnector(limit=0, limit_per_host=4) as connector:
        with pytest.raises(ValueError, match="limit_per_host is 4"):
            VidgoSession("a-key-for-tests", connector=connector)
