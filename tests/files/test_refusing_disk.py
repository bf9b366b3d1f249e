"""A download that is cancelled or closed while the disk refuses: nothing is logged, nothing left."""

import asyncio
import errno
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from tests.support.program import until
from vidgo_async import DownloadError, GrokImagine, MediaFile, SessionClosedError, VidgoSession
from vidgo_async._files.part_file import PartFile
from vidgo_async.sandbox import Sandbox, hang

Download = asyncio.Task[Path]
SIZE = 40_000_000
STEPS = ["open", "write", "digest", "publish", "discard"]


class RefusingDisk:
    """One step of a download that blocks until it is released, and then fails."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._released = threading.Event()

    def fail(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        self._released.wait()
        raise OSError(errno.ENOSPC, "No space left on device")

    def release(self) -> None:
        self._released.set()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a quick sandbox with files larger than what may wait for the disk."""
    async with Sandbox(seconds=(0, 0), file_size=SIZE) as sandbox:
        yield sandbox


@pytest.fixture
async def vidgo(sandbox: Sandbox) -> AsyncIterator[VidgoSession]:
    """Open a session on it."""
    async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
        yield vidgo


@pytest.fixture
async def video(vidgo: VidgoSession) -> MediaFile:
    """Buy a video."""
    task = await vidgo.submit(GrokImagine(prompt="a fox"))
    return (await vidgo.get_task(task.task_id)).files[0]


@pytest.fixture
async def complaints() -> list[Any]:
    """Collect what asyncio reports of tasks whose exception no code asked for."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    return reported


@pytest.fixture
async def disk(
    step: str, sandbox: Sandbox, complaints: list[Any], monkeypatch: pytest.MonkeyPatch
) -> RefusingDisk:
    """Make one step of a download fail."""
    disk = RefusingDisk()
    discard = PartFile.discard

    def discard_and_fail(part: PartFile) -> None:
        discard(part)
        disk.fail()

    if step == "discard":  # a step of downloads that failed before
        monkeypatch.setattr(PartFile, "discard", discard_and_fail)
        sandbox.inject(hang, call="file", times=None)
    else:
        monkeypatch.setattr(PartFile, step, disk.fail)
    return disk


Start = Callable[[], Awaitable[Download]]


@pytest.fixture
def start(
    step: str,
    disk: RefusingDisk,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
) -> Start:
    """Start a download, up to the step that fails, or until there is something to discard."""

    async def start() -> Download:
        download = asyncio.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
        if step == "discard":
            await until(lambda: sandbox.received["file"])
        else:
            await asyncio.wait_for(disk.reached.wait(), 10)
        return download

    return start


async def garbage_is_silent(complaints: list[Any], caplog: pytest.LogCaptureFixture) -> bool:
    """Collect garbage, and tell whether nothing was reported."""
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    return not complaints and not errors


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_download_on_a_refusing_disk_reports_nothing(
    start: Start,
    disk: RefusingDisk,
    complaints: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller gets its cancellation once the thread ended; no exception stays unretrieved."""
    download = await start()
    download.cancel()
    await asyncio.wait_for(disk.reached.wait(), 10)
    assert not download.done()
    disk.release()
    await asyncio.wait({download})
    assert download.cancelled()
    del download
    assert await garbage_is_silent(complaints, caplog)


@pytest.mark.parametrize("step", STEPS)
async def test_closing_on_a_refusing_disk_reports_nothing(
    start: Start,
    disk: RefusingDisk,
    vidgo: VidgoSession,
    complaints: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A download that closing ends is an error to its caller, and no exception stays unretrieved."""
    download = await start()
    closing = asyncio.create_task(vidgo.aclose())
    await asyncio.wait_for(disk.reached.wait(), 10)
    assert not closing.done()
    disk.release()
    await closing
    with pytest.raises((SessionClosedError, DownloadError)):
        await download
    del download
    assert await garbage_is_silent(complaints, caplog)


async def test_refusing_disk_ends_a_download_at_once(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails ends the download before the rest of the file is received."""
    received: list[int] = []

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartFile, "write", fail)
    with pytest.raises(DownloadError, match=r"could not write .*No space left"):
        await vidgo.download(
            video, tmp_path / "fox.mp4", on_progress=lambda done, _: received.append(done)
        )
    assert received[-1] < SIZE
    assert not list(await anyio.to_thread.run_sync(os.listdir, tmp_path))
