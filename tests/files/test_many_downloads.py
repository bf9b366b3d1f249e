"""Links that do not work delay no other: a download that waits for its next try holds nothing."""

import asyncio
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy
from vidgo_async.sandbox import Sandbox, answer, cut_at

pytestmark = pytest.mark.virtual_time

PNG = b"\x89PNG\r\n\x1a\n a picture"
PATIENT = RetryPolicy()


async def test_dead_links_delay_no_other_of_a_batch(tmp_path: Path) -> None:
    """While more links than may be downloaded at once do not work, the others are saved."""
    dead = set[str]()

    async def dead_at_first(request: web.Request, handler: Handler) -> web.StreamResponse:
        if len(dead) < 8:
            dead.add(request.path)
        return await (answer(404)(request, handler) if request.path in dead else handler(request))

    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, retry=PATIENT) as vidgo,
    ):
        sandbox.inject(dead_at_first, call="file", times=None)
        ended: list[tuple[bool, float]] = []
        began = anyio.current_time()
        async for one in vidgo.generate_many(foxes(40), max_in_flight=40, download_to=tmp_path):
            ended.append((one.ok, anyio.current_time() - began))
    assert len(dead) == 8
    assert [ok for ok, _ in ended] == [True] * 32 + [False] * 8
    assert ended[31][1] < 30
    assert ended[-1][1] > 300


async def test_dead_links_hold_no_connection(tmp_path: Path) -> None:
    """Downloads of links that do not work keep no upload and no other download waiting."""
    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, retry=PATIENT, max_concurrent_requests=2) as vidgo,
    ):
        task = await vidgo.generate(FOX)
        files = [MediaFile(f"{sandbox.url}/files/{n}.mp4", "video", task.task_id) for n in range(9)]
        sandbox.inject(answer(404), call="file", times=9 * 3)
        async with anyio.create_task_group() as group:
            for number, file in enumerate(files):
                group.start_soon(vidgo.download, file, tmp_path / f"{number}.mp4")
            await anyio.sleep(1.0)
            with anyio.fail_after(5):
                await vidgo.upload(PNG)


async def test_dead_links_open_no_files(tmp_path: Path) -> None:
    """A part file is created when the host sends the file, so that waiting takes no handles."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(404), call="file", times=None)
        downloads = [
            asyncio.create_task(
                vidgo.download(MediaFile(f"{sandbox.url}/files/{n}.mp4"), f"{tmp_path}/{n}")
            )
            for n in range(200)
        ]
        await anyio.sleep(10)
        assert names_in(tmp_path) == []
        results = await asyncio.gather(*downloads, return_exceptions=True)
    assert {type(result) for result in results} == {DownloadError}


@pytest.mark.parametrize("iterations", range(0, 60, 4))
async def test_a_download_cancelled_while_it_waits_gives_back_what_it_held(
    iterations: int, tmp_path: Path
) -> None:
    """Cancelled in its pause or around it, it leaves the connections as they were."""
    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        task = await vidgo.generate(FOX)
        sandbox.inject(cut_at(1000), call="file", times=2)
        downloads = [
            asyncio.create_task(vidgo.download(task.files[0], tmp_path / f"{n}.mp4"))
            for n in range(2)
        ]
        await anyio.sleep(0.9)
        for _ in range(iterations):
            await asyncio.sleep(0)
        for download in downloads:
            download.cancel()
        await asyncio.wait(downloads)
        assert vidgo._runtime is not None
        assert vidgo._runtime.downloads._connections._value == 1
        await vidgo.download(task.files[0], tmp_path / "fox.mp4")
    assert "fox.mp4" in names_in(tmp_path)
