"""Downloads: whole or not at all, and never with the key."""

import asyncio
import errno
import gc
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import av
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import (
    DownloadError,
    MediaFile,
    SessionClosedError,
    Task,
    TransportError,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox, hang


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


async def test_places_that_cannot_be_written(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Where a file cannot be, there is one error that says why, and nothing is left."""
    with pytest.raises(DownloadError, match="No such file") as caught:
        await vidgo.download(video, tmp_path / "nowhere" / "fox.mp4")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.task_id == video.task_id
    (tmp_path / f"{video.task_id}.mp4").mkdir()
    with pytest.raises(DownloadError, match="is a folder"):
        await vidgo.download(video, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="could not write"):
        await vidgo.download(video, f"{tmp_path}/file/")
    with pytest.raises(ValueError, match="NUL"):
        await vidgo.download(video, tmp_path / "a\0b")
    assert left_in(tmp_path) == ["file", f"{video.task_id}.mp4"]


async def test_a_folder_gets_the_file_by_its_tasks_name(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """In a folder a file is called by its task; a separator at the end makes the folder."""
    name = f"{video.task_id}.mp4"
    assert await vidgo.download(video, tmp_path) == tmp_path / name
    made = await vidgo.download(video, f"{tmp_path}/new/er/")
    assert made == tmp_path / "new" / "er" / name
    assert left_in(tmp_path) == ["new", name]
    assert left_in(made.parent) == [name]


async def test_two_downloads_to_one_destination_take_turns(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """However it is spelled, one destination is written once; who comes second finds the file."""
    target = tmp_path / "fox.mp4"
    (tmp_path / "link").symlink_to(tmp_path)
    results = await asyncio.gather(
        vidgo.download(video, target),
        vidgo.download(video, tmp_path / "link" / ".." / tmp_path.name / "fox.mp4"),
        return_exceptions=True,
    )
    # Threads find out where each path leads, so that either may be first.
    made, refused = sorted(results, key=lambda result: isinstance(result, DownloadError))
    assert isinstance(made, Path)
    assert made.samefile(target)
    assert isinstance(refused, DownloadError)
    assert "it exists" in str(refused)
    assert sandbox.received["file"] == 1
    await asyncio.gather(*(vidgo.download(video, target, overwrite=True) for _ in range(2)))
    assert left_in(tmp_path) == ["fox.mp4", "link"]


async def test_two_sessions_do_not_harm_each_other(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Of two sessions with one destination one gets it; the other is told, and overwrites not."""
    async with open_session(sandbox) as other:
        results = await asyncio.gather(
            *(one.download(video, tmp_path / "fox.mp4") for one in (vidgo, other)),
            return_exceptions=True,
        )
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["DownloadError", "PosixPath"]
    assert left_in(tmp_path) == ["fox.mp4"]


async def test_a_disk_without_links_will_do(
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the file system knows no links the file is renamed, and still replaces none."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    target = await vidgo.download(video, tmp_path / "fox.mp4")
    assert left_in(tmp_path) == ["fox.mp4"]
    target.unlink()

    async def meanwhile(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.Path(target).write_bytes(b"mine")
        return await handler(request)

    sandbox.inject(meanwhile, call="file")
    with pytest.raises(DownloadError, match="appeared meanwhile"):
        await vidgo.download(video, target)
    assert target.read_bytes() == b"mine"
    assert left_in(tmp_path) == ["fox.mp4"]


async def test_a_full_disk_is_one_error(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written or synced is a `DownloadError` at once, and leaves nothing."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DownloadError, match=r"could not write .*No space left") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.file == video
    assert left_in(tmp_path) == []


async def test_the_file_is_on_disk_before_it_has_its_name(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power loss finds no half file: all bytes are synced, then the name is, with the folder."""
    target = tmp_path / "fox.mp4"
    synced: list[tuple[bool, int, bool]] = []
    real = os.fsync

    def watch(handle: int) -> None:
        about = os.fstat(handle)
        synced.append((stat.S_ISDIR(about.st_mode), about.st_size, target.exists()))
        real(handle)

    monkeypatch.setattr("os.fsync", watch)
    await vidgo.download(video, target)
    (is_folder, size, existed), (then_folder, _, then_existed) = synced
    assert (is_folder, size, existed) == (False, target.stat().st_size, False)
    assert (then_folder, then_existed) == (True, True)


async def test_a_leftover_never_harms(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A temporary file of a program that was killed stays as it is, and is in nobody's way."""
    leftover = tmp_path / ".fox.mp4.0123456789abcdef.part"
    leftover.write_bytes(b"half")
    target = await vidgo.download(video, tmp_path / "fox.mp4")
    assert leftover.read_bytes() == b"half"
    assert target.stat().st_size > 4
    assert left_in(tmp_path) == [leftover.name, "fox.mp4"]


async def test_a_name_of_full_length_has_room_for_a_temporary_one(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """255 bytes of name, some of them in letters of two, are no problem on the way there."""
    name = "\u00fc" * 125 + "x.mp4"
    await vidgo.download(video, tmp_path / name)
    assert left_in(tmp_path) == [name]


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
    assert left_in(tmp_path) == []


@pytest.mark.virtual_time
async def test_a_host_that_is_down_is_tried_again(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Refused connections are tries too: a host that comes back in time is no failure."""
    async with asyncio.TaskGroup() as group, sandbox.refusing():
        download = group.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
        await anyio.sleep(5)
        assert not download.done()
    assert left_in(tmp_path) == ["fox.mp4"]
    with pytest.raises(DownloadError, match=r"could not fetch .*Connect call failed"):
        await vidgo.download(MediaFile("http://127.0.0.1:1/x.mp4"), tmp_path / "x")


async def test_two_hundred_files_at_once(
    sandbox: Sandbox, vidgo: VidgoSession, tmp_path: Path
) -> None:
    """200 downloads at once are bounded, all whole, and leave nothing but the files."""
    tasks = await vidgo.submit_many(foxes(200))
    files = [(await vidgo.get_task(task.task_id)).files[0] for task in tasks]
    busy, most = 0, 0

    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        busy -= 1
        return await handler(request)

    sandbox.inject(count, call="file", times=None)
    paths = await asyncio.gather(*(vidgo.download(file, tmp_path) for file in files))
    assert left_in(tmp_path) == sorted(f"{task.task_id}.mp4" for task in tasks)
    assert min(path.stat().st_size for path in paths) > 1000
    assert 1 < most <= 16


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), OSError("mine"), TransportError("mine"), TimeoutError()]
)
async def test_a_broken_progress_callback_leaves_nothing(
    error: Exception, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """An exception of `on_progress` comes out unchanged, at once, whatever it is."""

    def fail(*_: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await vidgo.download(video, tmp_path / "x", on_progress=fail)
    assert caught.value is error
    assert sandbox.received["file"] == 1
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
