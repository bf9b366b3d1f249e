"""Downloads: whole or not at all, and never with the key."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import av
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from support import FOX, open_session
from vidgo_async import DownloadError, MediaFile, SessionClosedError, Task, VidgoSession
from vidgo_async.sandbox import Sandbox, answer, cut_body, hang, reset_before


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a quick sandbox."""
    async with Sandbox(seconds=(0, 0)) as sandbox:
        yield sandbox


@pytest.fixture
async def vidgo(sandbox: Sandbox) -> AsyncIterator[VidgoSession]:
    """Open a session on it."""
    async with open_session(sandbox) as vidgo:
        yield vidgo


@pytest.fixture
async def video(vidgo: VidgoSession) -> MediaFile:
    """Buy a video."""
    task = await vidgo.submit(FOX)
    return (await vidgo.get_task(task.task_id)).files[0]


def left_in(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_a_video_arrives_whole(vidgo: VidgoSession, video: MediaFile, tmp_path: Path) -> None:
    """The file is the server's, plays, and is the only one in the folder."""
    progress: list[tuple[int, int | None]] = []
    target = tmp_path / "fox.mp4"
    path = await vidgo.download(
        video, str(target), on_progress=lambda done, total: progress.append((done, total))
    )
    assert path == target
    assert left_in(tmp_path) == ["fox.mp4"]
    size = target.stat().st_size
    assert progress[-1] == (size, size)
    with av.open(str(target)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 72


async def test_an_existing_file_is_kept_unless_asked(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Nothing is overwritten by accident."""
    target = tmp_path / "fox.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="overwrite=True") as caught:
        await vidgo.download(video, target)
    assert target.read_bytes() == b"mine"
    assert caught.value.file == video
    assert caught.value.task_id == video.task_id
    await vidgo.download(video, target, overwrite=True)
    assert target.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (cut_body, "cut"),
        (reset_before, "could not fetch"),
        (answer(404), "404; links die 24 hours"),
        (answer(500), "500"),
        (answer(206, b"part"), "206"),
    ],
)
async def test_a_failed_download_leaves_nothing(
    fault: object,
    problem: str,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
) -> None:
    """A download that fails is one error and no file, half or whole."""
    sandbox.inject(fault, call="file", times=2)  # type: ignore[arg-type] # parametrised
    with pytest.raises(DownloadError, match=problem) as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.file == video
    assert left_in(tmp_path) == []


async def test_a_download_that_is_left_leaves_nothing(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A cancelled download leaves no file; one that is closed says so."""
    sandbox.inject(hang, call="file", times=None)
    with anyio.move_on_after(0.2):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert left_in(tmp_path) == []
    download = asyncio.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
    await anyio.sleep(0.1)
    await vidgo.aclose()
    with pytest.raises(SessionClosedError):
        await download
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_download_cancelled_at_any_point_leaves_nothing(
    turns: int, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """In whatever turn of the loop it is cancelled, no file and no open handle is left."""
    download = asyncio.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
    for _ in range(turns):
        await asyncio.sleep(0)
    download.cancel()
    await asyncio.wait({download})
    assert left_in(tmp_path) in ([], ["fox.mp4"])
    gc.collect()


async def test_a_file_that_appears_meanwhile_is_kept(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Also a file that appears during the transfer is not overwritten."""
    target = tmp_path / "fox.mp4"

    async def meanwhile(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.Path(target).write_bytes(b"mine")
        return await handler(request)

    sandbox.inject(meanwhile, call="file")
    with pytest.raises(DownloadError, match="appeared meanwhile"):
        await vidgo.download(video, target)
    assert target.read_bytes() == b"mine"
    assert left_in(tmp_path) == ["fox.mp4"]


@pytest.mark.virtual_time
async def test_a_download_without_a_byte_for_a_minute_is_given_up(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A transfer that stalls ends, however long it may be."""

    async def stall(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        return await hang(request, handler)

    sandbox.inject(stall, call="file")
    with pytest.raises(DownloadError, match="nothing came for 60 s"):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert left_in(tmp_path) == []


async def test_places_that_cannot_be_written(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A folder, and a file in a folder that is not there, are refused by name."""
    with pytest.raises(DownloadError, match="is a folder"):
        await vidgo.download(video, tmp_path)
    with pytest.raises(DownloadError, match="No such file") as caught:
        await vidgo.download(video, tmp_path / "nowhere" / "fox.mp4")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


async def test_bad_arguments_are_refused(vidgo: VidgoSession, tmp_path: Path) -> None:
    """What is no file of a task, or no http(s) address, is refused before anything is sent."""
    with pytest.raises(TypeError, match="MediaFile"):
        await vidgo.download("http://x/y", tmp_path / "x")  # type: ignore[arg-type] # on purpose
    with pytest.raises(TypeError, match="MediaFile"):
        await vidgo.download(Task("a", "finished"), tmp_path / "x")  # type: ignore[arg-type] # on purpose
    with pytest.raises(DownloadError, match="not an http"):
        await vidgo.download(MediaFile("file:///etc/passwd"), tmp_path / "x")
    for url in ("http://127.0.0.1:1/x.mp4", "http://[bad/x.mp4", "http:///x.mp4"):
        with pytest.raises(DownloadError, match="could not fetch"):
            await vidgo.download(MediaFile(url), tmp_path / "x")
    assert left_in(tmp_path) == []


async def test_a_broken_progress_callback_leaves_nothing(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """An exception of `on_progress` comes out unchanged."""
    with pytest.raises(ZeroDivisionError):
        await vidgo.download(video, tmp_path / "x", on_progress=lambda *_: 1 / 0)
    assert left_in(tmp_path) == []


async def test_the_key_goes_to_no_file_host(vidgo: VidgoSession, tmp_path: Path) -> None:
    """Neither the file's host nor the one it redirects to gets to see the key."""
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
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{site.port}"
    await vidgo.download(MediaFile(f"{base}/first"), tmp_path / "a")
    await vidgo.download(MediaFile(f"{base}/signed%2Fname?sig=a%2Bb"), tmp_path / "b")
    await vidgo.download(MediaFile(f"{base}/ein Füchslein.mp4"), tmp_path / "c")
    await runner.cleanup()
    assert "sandbox-key" not in str(seen)
    assert [headers["path"] for headers in seen if "path" in headers] == [
        "/signed%2Fname?sig=a%2Bb",
        "/signed%2Fname?sig=a%2Bb",
        "/ein%20F%C3%BCchslein.mp4",
    ]
