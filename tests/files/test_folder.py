"""`download_to`: tasks of several files and of none, and folders that take no files."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from vidgo_async import DownloadError, FixedPolling, GrokImagine, VidgoError, VidgoSession
from vidgo_async.sandbox import Fault, Sandbox, changed

pytestmark = pytest.mark.virtual_time

FOX = GrokImagine(prompt="a fox")


def finished(*names: str) -> Fault:
    """Make a fault that gives a task files of these names."""

    async def with_files(request: web.Request, handler: Handler) -> web.StreamResponse:
        files = [{"file_url": f"{request.url.origin()}/{name}"} for name in names]
        return await changed(status="finished", files=files)(request, handler)

    return with_files


@pytest.mark.parametrize("call", ["generate", "generate_many"])
async def test_one_lost_file_does_not_cost_the_others(tmp_path: Path, call: str) -> None:
    """The files after one that cannot be fetched are saved too; the error carries the task."""
    error: Any
    async with (
        Sandbox() as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url, polling=FixedPolling(2.0)) as vidgo,
    ):
        good = (await vidgo.generate(FOX)).files[0].file_url.removeprefix(sandbox.url + "/")
        sandbox.inject(finished("lost.mp4", good, "gone.mp4"), call="status", times=None)
        if call == "generate":
            with pytest.raises(DownloadError) as caught:
                await vidgo.generate(FOX, download_to=tmp_path)
            error = caught.value
        else:
            [outcome] = [one async for one in vidgo.generate_many([FOX], download_to=tmp_path)]
            error = outcome.error
    assert isinstance(error, DownloadError)
    assert error.file.file_url.endswith("/lost.mp4")
    assert error.task is not None
    assert error.task.finished
    assert names_in(tmp_path) == [f"{error.task_id}+2.mp4"]


async def caught(call: str, vidgo: VidgoSession, folder: Path | str) -> Any:
    """Return the error of a generation, raised or in its outcome."""
    try:
        if call == "generate":
            await vidgo.generate(FOX, download_to=folder)
        else:
            [outcome] = [one async for one in vidgo.generate_many([FOX], download_to=folder)]
            return outcome.error
    except (VidgoError, OSError) as error:
        return error
    return None


@pytest.mark.parametrize("call", ["generate", "generate_many"])
async def test_a_finished_task_without_a_file_is_an_error(tmp_path: Path, call: str) -> None:
    """Where files are to be saved and there is none, the error says so, and carries the task."""
    async with (
        Sandbox() as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url, polling=FixedPolling(2.0)) as vidgo,
    ):
        sandbox.inject(finished(), call="status", times=None)
        error = await caught(call, vidgo, tmp_path)
        assert isinstance(error, DownloadError)
        assert error.task is not None
        assert error.task.finished
        assert error.task_id == error.file.task_id == next(iter(sandbox.tasks))
        assert "finished without a file" in str(error)
        assert vidgo.unclaimed == ()
        assert (await vidgo.generate(FOX)).files == ()  # without a folder it is returned as it is
    assert names_in(tmp_path) == []


# --- Folders that take no files --------------------------------------------------------------------


@pytest.mark.parametrize("call", ["generate", "generate_many"])
@pytest.mark.parametrize("name", ["EACCES", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO"])
async def test_a_folder_that_takes_no_files_costs_nothing(
    name: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written is an `OSError` that names the folder, before anything is bought."""
    number = getattr(errno, name)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    folder = tmp_path / "videos"
    async with Sandbox() as sandbox, VidgoSession("sandbox-key", base_url=sandbox.url) as vidgo:
        error = await caught(call, vidgo, folder)
        assert (sandbox.sold, sandbox.received["submit"]) == (0, 0)
    assert type(error) is type(OSError(number, ""))
    assert (error.errno, error.filename) == (number, str(folder))
    assert names_in(folder) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("call", ["generate", "generate_many"])
async def test_a_full_disk_costs_nothing(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder where files can be created and not be filled is no good either."""
    real = Path.open
    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: real(Path("/dev/full"), "wb", 0))
    async with Sandbox() as sandbox, VidgoSession("sandbox-key", base_url=sandbox.url) as vidgo:
        error = await caught(call, vidgo, tmp_path)
        assert sandbox.sold == 0
    assert error.errno == errno.ENOSPC
    assert error.filename == str(tmp_path)


@pytest.mark.parametrize("call", ["generate", "generate_many"])
async def test_a_folder_is_tried_out_and_left_as_it_was(call: str, tmp_path: Path) -> None:
    """A folder is made with its parents; of the trial nothing stays but the video."""
    async with Sandbox() as sandbox, VidgoSession("sandbox-key", base_url=sandbox.url) as vidgo:
        assert await caught(call, vidgo, tmp_path / "a" / "b") is None
        [task_id] = sandbox.tasks
    assert names_in(tmp_path / "a" / "b") == [f"{task_id}.mp4"]


@pytest.mark.parametrize("call", ["generate", "generate_many"])
async def test_a_folder_that_cannot_be_made_costs_nothing(call: str, tmp_path: Path) -> None:
    """A file in its place, or in that of a parent, is an `OSError` that names the folder."""
    (tmp_path / "file").touch()
    async with Sandbox() as sandbox, VidgoSession("sandbox-key", base_url=sandbox.url) as vidgo:
        for folder in (tmp_path / "file", tmp_path / "file" / "videos"):
            error = await caught(call, vidgo, folder)
            assert isinstance(error, FileExistsError | NotADirectoryError)
            assert error.filename == str(folder)
        assert sandbox.sold == 0
