"""`download_to` with tasks of several files."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async import DownloadError, FixedPolling, GrokImagine, VidgoSession
from vidgo_async.sandbox import Fault, Sandbox, changed

pytestmark = pytest.mark.virtual_time

FOX = GrokImagine(prompt="a fox")


def names_in(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


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
