"""The file on disk: whole under its name or not there, and never overwritten."""

import asyncio
import errno
import os
import stat
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from tests.support.sessions import open_session
from vidgo_async import DownloadError, MediaFile, VidgoSession
from vidgo_async.sandbox import Fault, Sandbox


def writing(target: Path) -> Fault:
    """Write the destination of a download before the host responds."""

    async def write(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.Path(target).write_bytes(b"mine")
        return await handler(request)

    return write


async def test_a_file_that_appears_meanwhile_is_kept(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A file that appears during the transfer is not overwritten."""
    target = tmp_path / "fox.mp4"
    sandbox.inject(writing(target), call="file")
    with pytest.raises(DownloadError, match="appeared meanwhile"):
        await vidgo.download(video, target)
    assert target.read_bytes() == b"mine"
    assert names_in(tmp_path) == ["fox.mp4"]


async def test_destinations_that_cannot_be_written(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A destination that cannot be written is one error with the reason, and leaves no file."""
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
    assert names_in(tmp_path) == ["file", f"{video.task_id}.mp4"]


async def test_a_folder_gets_the_file_by_its_task_id(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """In a folder a file is named by its task; a trailing separator makes the folder."""
    name = f"{video.task_id}.mp4"
    assert await vidgo.download(video, tmp_path) == tmp_path / name
    made = await vidgo.download(video, f"{tmp_path}/new/er/")
    assert made == tmp_path / "new" / "er" / name
    assert names_in(tmp_path) == ["new", name]
    assert names_in(made.parent) == [name]


async def test_two_downloads_to_one_destination_are_serialized(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """However it is spelled, one destination is written once; the second finds the file."""
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
    assert names_in(tmp_path) == ["fox.mp4", "link"]


async def test_two_sessions_with_one_destination(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Of two sessions one writes the destination; the other gets an error, overwriting nothing."""
    async with open_session(sandbox) as other:
        results = await asyncio.gather(
            *(one.download(video, tmp_path / "fox.mp4") for one in (vidgo, other)),
            return_exceptions=True,
        )
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["DownloadError", "PosixPath"]
    assert names_in(tmp_path) == ["fox.mp4"]


async def test_a_disk_without_hard_links(
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a file system without hard links the file is renamed, and still replaces none."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    target = await vidgo.download(video, tmp_path / "fox.mp4")
    assert names_in(tmp_path) == ["fox.mp4"]
    target.unlink()
    sandbox.inject(writing(target), call="file")
    with pytest.raises(DownloadError, match="appeared meanwhile"):
        await vidgo.download(video, target)
    assert target.read_bytes() == b"mine"
    assert names_in(tmp_path) == ["fox.mp4"]


async def test_a_full_disk_is_one_error(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written or synced is a `DownloadError` at once, and leaves no file."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DownloadError, match=r"could not write .*No space left") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.file == video
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"])
async def test_a_disk_that_cannot_sync_is_forgiven(
    name: str,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a file system without `fsync`, such as a network share, the file is saved all the same."""

    def unsupported(_: int) -> None:
        raise OSError(getattr(errno, name), "not supported")

    monkeypatch.setattr("os.fsync", unsupported)
    path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size > 1000
    assert names_in(tmp_path) == ["fox.mp4"]


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EDQUOT", "EROFS"])
async def test_a_disk_that_fails_to_sync_is_not_forgiven(
    name: str,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes that did not reach the disk are no file; the error has the disk's as its cause."""

    def broken(_: int) -> None:
        raise OSError(getattr(errno, name), "broken")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(DownloadError, match=r"could not write .*broken") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == getattr(errno, name)
    assert names_in(tmp_path) == []


async def test_the_file_is_synced_before_it_is_renamed(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power loss finds no partial file: the bytes are synced, then the name, with the folder."""
    target = tmp_path / "fox.mp4"
    synced: list[tuple[bool, int, bool]] = []
    real = os.fsync

    def record(handle: int) -> None:
        about = os.fstat(handle)
        synced.append((stat.S_ISDIR(about.st_mode), about.st_size, target.exists()))
        real(handle)

    monkeypatch.setattr("os.fsync", record)
    await vidgo.download(video, target)
    (is_folder, size, existed), (then_folder, _, then_existed) = synced
    assert (is_folder, size, existed) == (False, target.stat().st_size, False)
    assert (then_folder, then_existed) == (True, True)


async def test_a_leftover_part_file_is_ignored(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """The part file of a killed program is not touched, and does not get in the way."""
    leftover = tmp_path / ".fox.mp4.0123456789abcdef.part"
    leftover.write_bytes(b"half")
    target = await vidgo.download(video, tmp_path / "fox.mp4")
    assert leftover.read_bytes() == b"half"
    assert target.stat().st_size > 4
    assert names_in(tmp_path) == [leftover.name, "fox.mp4"]


async def test_the_longest_name_can_be_written(
    vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """255 bytes of name, many of them two-byte characters, leave room for a part file."""
    name = "\u00fc" * 125 + "x.mp4"
    await vidgo.download(video, tmp_path / name)
    assert names_in(tmp_path) == [name]
