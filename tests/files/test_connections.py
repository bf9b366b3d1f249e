"""Uploads and downloads share the connections that the API's requests leave of a lent connector."""

import asyncio
from pathlib import Path

import aiohttp
import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async import GrokImagine, RetryPolicy, VidgoSession
from vidgo_async.sandbox import Sandbox

LIMIT = 20
REQUESTS = 16
FOX = GrokImagine(prompt="a fox")
PNG = b"\x89PNG\r\n\x1a\n a picture"


def names_in(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


class Held:
    """A fault that holds requests until they are released, and counts them."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.now = self.most = 0
        self.complete = asyncio.Event()
        """Set when as many as expected are held."""
        self.released = asyncio.Event()

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == self.expected:
            self.complete.set()
        await self.released.wait()
        await asyncio.sleep(0.01)
        self.now -= 1
        return await handler(request)


async def test_transfers_use_what_requests_leave_of_a_lent_connector(tmp_path: Path) -> None:
    """Of 20 connections 16 are for requests: uploads and downloads together use the other 4."""
    async with (
        Sandbox(seconds=(0, 0)) as sandbox,
        aiohttp.TCPConnector(limit=LIMIT) as connector,
        VidgoSession(
            sandbox.api_key,
            base_url=sandbox.url,
            connector=connector,
            max_concurrent_requests=REQUESTS,
        ) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        file = (await vidgo.get_task(task.task_id)).files[0]
        transfers, requests = Held(LIMIT - REQUESTS), Held(REQUESTS)
        for call in ("upload", "file"):
            sandbox.inject(transfers, call=call, times=None)
        for call in ("balance", "submit"):
            sandbox.inject(requests, call=call, times=None)
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(vidgo.upload, PNG)
                group.start_soon(vidgo.download, file, tmp_path / f"{number}.mp4")
            with anyio.fail_after(10):
                await transfers.complete.wait()
            for number in range(REQUESTS):
                if number % 4:
                    group.start_soon(vidgo.balance)
                else:
                    group.start_soon(vidgo.submit, FOX)
            with anyio.fail_after(10):  # no transfer has a connection that they need
                await requests.complete.wait()
            transfers.released.set()
            requests.released.set()
        assert transfers.most == LIMIT - REQUESTS
        assert len(sandbox.uploads) == 5
    assert len(names_in(tmp_path)) == 5


@pytest.mark.virtual_time
async def test_waiting_for_a_connection_costs_an_upload_no_time(tmp_path: Path) -> None:
    """An upload that waits for a download's connection longer than it may retry is still sent."""
    async with (
        Sandbox(seconds=(0, 0)) as sandbox,
        VidgoSession(
            sandbox.api_key,
            base_url=sandbox.url,
            max_concurrent_requests=1,
            retry=RetryPolicy(timeout=10.0),
        ) as vidgo,
    ):
        task = await vidgo.submit(FOX)
        file = (await vidgo.get_task(task.task_id)).files[0]
        download = Held(1)
        sandbox.inject(download, call="file")
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.download, file, tmp_path)
            await download.complete.wait()
            group.start_soon(vidgo.upload, PNG)
            await anyio.sleep(30)
            assert not sandbox.received["upload"]
            download.released.set()
        assert len(sandbox.uploads) == 1
