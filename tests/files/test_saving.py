"""`download_to`: finished tasks become files, while others are submitted and polled."""

from pathlib import Path

import anyio
import pytest

from tests.support.faults import InFlight
from tests.support.files import names_in
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import DownloadError, Task, TaskFailedError
from vidgo_async.sandbox import Sandbox, answer, hang

pytestmark = pytest.mark.virtual_time


async def test_a_batch_becomes_files(tmp_path: Path) -> None:
    """Each finished task's file is in the folder, under the task's id, and in `paths`."""
    folder = tmp_path / "made" / "for us"
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(5), download_to=folder)]
    for outcome in outcomes:
        assert outcome.ok
        assert outcome.task is not None
        assert [path.stem for path in outcome.paths] == [outcome.task.task_id]
        assert outcome.paths[0].read_bytes()[4:8] == b"ftyp"
    assert names_in(folder) == sorted(path.name for one in outcomes for path in one.paths)


async def test_a_failed_download_loses_no_task(tmp_path: Path) -> None:
    """The error is the outcome's, and the task is there, finished, to be downloaded again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(404), call="file", times=None)
        [outcome] = [one async for one in vidgo.generate_many([FOX], download_to=tmp_path)]
        assert isinstance(outcome.error, DownloadError)
        assert not outcome.ok
        assert outcome.paths == ()
        assert outcome.task is not None
        assert outcome.task.finished
        assert outcome.error.task == outcome.task
    assert names_in(tmp_path) == []


async def test_a_failed_task_is_not_downloaded(tmp_path: Path) -> None:
    """What the server could not make is a `TaskFailedError`, as without a folder."""
    async with Sandbox(failure_rate=1.0) as sandbox, open_session(sandbox) as vidgo:
        [outcome] = [one async for one in vidgo.generate_many([FOX], download_to=tmp_path)]
    assert isinstance(outcome.error, TaskFailedError)
    assert outcome.paths == ()


async def test_four_downloads_at_once(tmp_path: Path) -> None:
    """Downloads of a batch take no slot of the API, and go four at a time."""
    in_flight = InFlight()
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=5) as vidgo,
        vidgo.generate_many(foxes(12), download_to=tmp_path) as batch,
    ):
        sandbox.inject(in_flight, call="file", times=None)
        started = anyio.current_time()
        async with anyio.create_task_group() as group:

            async def open_later() -> None:
                await anyio.sleep(60)
                assert sandbox.sold == batch.submitted == 12
                assert in_flight.count == 4
                in_flight.release()

            group.start_soon(open_later)
            assert [outcome.ok async for outcome in batch] == [True] * 12
        assert anyio.current_time() - started < 70
    assert in_flight.most == 4


async def test_reading_pauses_when_downloads_are_behind(tmp_path: Path) -> None:
    """Finished tasks free their slots, but at most `max_in_flight` of them wait for a download."""
    in_flight = InFlight()
    async with (
        Sandbox() as sandbox,
        open_session(sandbox) as vidgo,
        vidgo.generate_many(foxes(20), max_in_flight=3, download_to=tmp_path) as batch,
    ):
        sandbox.inject(in_flight, call="file", times=None)
        first = anyio.Event()
        async with anyio.create_task_group() as group:

            async def read() -> None:
                assert [outcome.ok async for outcome in batch] == [True] * 20
                first.set()

            group.start_soon(read)
            await anyio.sleep(60)
            assert batch.read == 6
            in_flight.release()
        assert first.is_set()


async def test_a_batch_abandoned_during_a_download(tmp_path: Path) -> None:
    """What was bought is unclaimed, and no partial file is in the folder."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang, call="file", times=None)
        async with vidgo.generate_many(foxes(2), download_to=tmp_path) as batch:
            with anyio.move_on_after(20):
                await anext(batch)
        states = [task.status for task in vidgo.unclaimed if isinstance(task, Task)]
        assert states == ["finished", "finished"]
    assert names_in(tmp_path) == []


async def test_one_video_becomes_a_file(tmp_path: Path) -> None:
    """`generate` returns the finished task when its files are saved."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX, download_to=str(tmp_path / "new"))
        assert names_in(tmp_path / "new") == [f"{task.task_id}.mp4"]
        sandbox.inject(answer(404), call="file", times=None)
        with pytest.raises(DownloadError) as caught:
            await vidgo.generate(FOX, download_to=tmp_path)
        assert caught.value.task is not None
        assert caught.value.task.finished
        assert vidgo.unclaimed == ()


async def test_without_a_folder_nothing_is_bought(tmp_path: Path) -> None:
    """A folder that cannot be created is an error before anything is bought."""
    (tmp_path / "file").write_bytes(b"in the way")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(OSError, match="file"):
            await vidgo.generate(FOX, download_to=tmp_path / "file")
        with pytest.raises(OSError, match="file"):
            async for _ in vidgo.generate_many([FOX], download_to=tmp_path / "file"):
                pytest.fail("there is nothing to yield")
        with pytest.raises(TypeError, match="download_to"):
            await vidgo.generate(FOX, download_to=7)  # type: ignore[arg-type]  # that is the point
        with pytest.raises(TypeError, match="download_to"):
            vidgo.generate_many([FOX], download_to=7)  # type: ignore[arg-type]  # as above
        assert sandbox.received["submit"] == 0
