"""Downloads: whole or not at all, cancelled, concurrent, and never with the key."""

import asyncio
import gc
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from tests.support.faults import InFlight
from tests.support.files import count_frames, names_in
from tests.support.servers import serving
from tests.support.sessions import foxes
from vidgo_async import (
    DownloadError,
    MediaFile,
    SessionClosedError,
    Task,
    TransportError,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox, hang


async def test_a_video_arrives_whole(vidgo: VidgoSession, video: MediaFile, tmp_path: Path) -> None:
    """The file is the server's, plays, and is the only one in the folder."""
    progress: list[tuple[int, int | None]] = []
    target = tmp_path / "fox.mp4"
    path = await vidgo.download(
        video, str(target), on_progress=lambda done, total: progress.append((done, total))
    )
    assert path == target
    assert names_in(tmp_path) == ["fox.mp4"]
    size = target.stat().st_size
    assert progress[-1] == (size, size)
    assert count_frames(target) == 72


async def test_an_existing_file_is_kept_by_default(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Without `overwrite` an existing file is not replaced."""
    target = tmp_path / "fox.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="overwrite=True") as caught:
        await vidgo.download(video, target)
    assert target.read_bytes() == b"mine"
    assert caught.value.file == video
    assert caught.value.task_id == video.task_id
    await vidgo.download(video, target, overwrite=True)
    assert target.read_bytes() != b"mine"


async def test_an_aborted_download_leaves_no_file(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A cancelled download leaves no file; one whose session closes says so."""
    sandbox.inject(hang, call="file", times=None)
    with anyio.move_on_after(0.2):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert names_in(tmp_path) == []
    download = asyncio.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
    await anyio.sleep(0.1)
    await vidgo.aclose()
    with pytest.raises(SessionClosedError):
        await download
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("iterations", range(0, 60, 3))
async def test_a_download_cancelled_at_any_point_leaves_no_partial_file(
    iterations: int, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Cancelled in any loop iteration, it leaves no partial file and no open handle."""
    download = asyncio.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
    for _ in range(iterations):
        await asyncio.sleep(0)
    download.cancel()
    await asyncio.wait({download})
    assert names_in(tmp_path) in ([], ["fox.mp4"])
    gc.collect()


async def test_bad_arguments_are_refused(vidgo: VidgoSession, tmp_path: Path) -> None:
    """What is no file of a task, or no http(s) address, is refused before anything is sent."""
    with pytest.raises(TypeError, match="MediaFile"):
        await vidgo.download("http://x/y", tmp_path / "x")  # type: ignore[arg-type] # on purpose
    with pytest.raises(TypeError, match="MediaFile"):
        await vidgo.download(Task("a", "finished"), tmp_path / "x")  # type: ignore[arg-type] # on purpose
    with pytest.raises(DownloadError, match="not an http"):
        await vidgo.download(MediaFile("file:///etc/passwd"), tmp_path / "x")
    for url in ("http://[bad/x.mp4", "http:///x.mp4"):
        with pytest.raises(DownloadError, match="could not fetch"):
            await vidgo.download(MediaFile(url), tmp_path / "x")
    assert names_in(tmp_path) == []


@pytest.mark.virtual_time
async def test_a_host_that_is_down_is_tried_again(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Refused connections are tries too: a host that comes back in time is no failure."""
    async with asyncio.TaskGroup() as group, sandbox.refusing():
        download = group.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
        await anyio.sleep(5)
        assert not download.done()
    assert names_in(tmp_path) == ["fox.mp4"]
    with pytest.raises(DownloadError, match=r"could not fetch .*Connect call failed"):
        await vidgo.download(MediaFile("http://127.0.0.1:1/x.mp4"), tmp_path / "x")


async def test_two_hundred_concurrent_downloads(
    sandbox: Sandbox, vidgo: VidgoSession, tmp_path: Path
) -> None:
    """200 concurrent downloads are bounded, all complete, and leave only their files."""
    tasks = await vidgo.submit_many(foxes(200))
    files = [(await vidgo.get_task(task.task_id)).files[0] for task in tasks]
    in_flight = InFlight(0.001)
    sandbox.inject(in_flight, call="file", times=None)
    paths = await asyncio.gather(*(vidgo.download(file, tmp_path) for file in files))
    assert names_in(tmp_path) == sorted(f"{task.task_id}.mp4" for task in tasks)
    assert min(path.stat().st_size for path in paths) > 1000
    assert 1 < in_flight.most <= 16


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), OSError("mine"), TransportError("mine"), TimeoutError()]
)
async def test_a_broken_progress_callback_leaves_nothing(
    error: Exception, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """An exception of `on_progress` is raised unchanged, at once, and leaves no file."""

    def fail(*_: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await vidgo.download(video, tmp_path / "x", on_progress=fail)
    assert caught.value is error
    assert sandbox.received["file"] == 1
    assert names_in(tmp_path) == []


async def test_the_key_goes_to_no_file_host(vidgo: VidgoSession, tmp_path: Path) -> None:
    """Neither the file's host nor the one it redirects to receives the key."""
    seen: list[dict[str, str]] = []

    async def redirect(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        raise web.HTTPFound("/signed%2Fname?sig=a%2Bb")

    async def serve(request: web.Request) -> web.Response:
        seen.append({**request.headers, "path": request.raw_path})
        return web.Response(body=b"video")

    app = web.Application()
    app.router.add_get("/first", redirect)
    app.router.add_get("/{name:.*}", serve)
    async with serving(web.AppRunner(app)) as address:
        base = f"http://{address}"
        await vidgo.download(MediaFile(f"{base}/first"), tmp_path / "a")
        await vidgo.download(MediaFile(f"{base}/signed%2Fname?sig=a%2Bb"), tmp_path / "b")
        await vidgo.download(MediaFile(f"{base}/ein Füchslein.mp4"), tmp_path / "c")
    assert "sandbox-key" not in str(seen)
    assert [headers["path"] for headers in seen if "path" in headers] == [
        "/signed%2Fname?sig=a%2Bb",
        "/signed%2Fname?sig=a%2Bb",
        "/ein%20F%C3%BCchslein.mp4",
    ]
