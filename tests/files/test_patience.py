"""How long a download goes on: patience without a new byte, and `download_timeout` for an end."""

import math
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import MIDDLE, SIZE, names_in, requested_ranges
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy, VidgoSession
from vidgo_async._api.recent_tasks import RecentTasks
from vidgo_async._core.retry import Backoff
from vidgo_async._files.patience import Failure, Patience
from vidgo_async.sandbox import Sandbox, answer, cut_at, drip, hang, stall_at

pytestmark = pytest.mark.virtual_time


async def pause(patience: Patience, failure: Failure) -> bool:
    """Sleep as long as patience says; tell whether there is another try."""
    seconds = patience.pause_after(failure)
    await anyio.sleep(seconds or 0)
    return seconds is not None


@pytest.fixture
def sandbox_settings() -> dict[str, Any]:
    """Serve files of some megabytes."""
    return {"file_size": SIZE}


@pytest.mark.parametrize("down", [25.0, 120.0, 290.0])
async def test_a_network_that_comes_back_costs_nothing(
    down: float, sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """Without a network for up to 300 s a download goes on, with the bytes that it held."""
    async with (
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
        anyio.create_task_group() as group,
    ):
        sandbox.inject(cut_at(MIDDLE), call="file")
        group.start_soon(vidgo.download, video, tmp_path / "fox.mp4")
        await anyio.sleep(0.5)
        async with sandbox.refusing():
            await anyio.sleep(down)
    assert names_in(tmp_path) == ["fox.mp4"]
    assert requested_ranges(sandbox) == [None, f"bytes={MIDDLE}-"]


async def test_each_new_byte_renews_patience(
    sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """Outages of 250 s each, with some bytes in between, are survived one after the other."""
    answers = 0

    async def mostly_down(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal answers
        answers += 1
        return await (answer(502) if answers % 10 else cut_at(500_000))(request, handler)

    sandbox.inject(mostly_down, call="file", times=None)
    began = anyio.current_time()
    async with open_session(sandbox, retry=RetryPolicy()) as vidgo:
        path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size == SIZE
    assert anyio.current_time() - began > 3 * 300


async def test_the_same_bytes_again_are_no_progress(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A host that knows no ranges and always breaks off at one point has no endless patience."""

    async def half(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 600)
        request.protocol.force_close()
        return response

    sandbox.inject(half, call="file", times=None)
    began = anyio.current_time()
    with pytest.raises(DownloadError, match="the transfer was cut"):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert 29 < anyio.current_time() - began < 32


@pytest.mark.parametrize("refused", [False, True])
async def test_a_stopped_process_costs_little_patience(refused: bool) -> None:
    """The clock runs on while a process is stopped: that alone ends no download."""
    patience = Patience(Backoff(RetryPolicy()), RecentTasks(), "a")
    failure = Failure(reason="x", link_refused=refused)
    for _ in range(3):
        assert await pause(patience, failure)
    await anyio.sleep(86_400)
    if refused:  # 90 s of that count, and a refused link has 15
        assert patience.pause_after(failure) is None
    else:
        assert await pause(patience, failure)
        assert await pause(patience, failure)


async def test_a_stop_before_the_first_refusal_costs_nothing() -> None:
    """Seconds of refusals are counted from the first one on."""
    patience = Patience(Backoff(RetryPolicy()), RecentTasks(), None)
    await anyio.sleep(86_400)
    began = anyio.current_time()
    while await pause(patience, Failure(reason="x", link_refused=True)):
        assert anyio.current_time() - began < 16
    assert anyio.current_time() - began > 14.9


async def test_a_stall_leaves_one_more_try(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A stall that is noticed after 60 s is tried again where patience is 30 s."""
    sandbox.inject(stall_at(MIDDLE), call="file")
    path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size == SIZE
    assert sandbox.received["file"] == 2


# --- download_timeout -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (drip(1000, 5.0), r"not complete within 100 s \(download_timeout\)$"),
        (hang, r"within 100 s \(download_timeout\); before that: nothing|no answer within 60"),
        (answer(500), r"within 100 s \(download_timeout\); before that: the host answered 500"),
    ],
)
async def test_a_download_has_an_end_for_those_who_want_one(
    fault: Any, problem: str, sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """`download_timeout` ends a download in time, however well it goes on; no file is left."""
    sandbox.inject(fault, call="file", times=None)
    async with open_session(sandbox, retry=RetryPolicy(), download_timeout=100.0) as vidgo:
        began = anyio.current_time()
        with pytest.raises(DownloadError, match=problem) as caught:
            await vidgo.download(video, tmp_path / "fox.mp4")
        assert 99.9 < anyio.current_time() - began < 101
    assert caught.value.file == video
    assert caught.value.task_id == video.task_id
    assert names_in(tmp_path) == []


async def test_waiting_for_others_is_no_part_of_a_download(tmp_path: Path) -> None:
    """The time of a download begins when it has a connection."""

    async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.sleep(6)
        return await handler(request)

    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, download_timeout=10.0) as vidgo,
    ):
        sandbox.inject(slow, call="file", times=None)
        outcomes = [one async for one in vidgo.generate_many(foxes(12), download_to=tmp_path)]
    assert [outcome.ok for outcome in outcomes] == [True] * 12


async def test_an_error_of_on_progress_is_not_the_timeout(
    sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """A `TimeoutError` that `on_progress` raises is raised unchanged."""
    error = TimeoutError("mine")

    def fail(*_: object) -> None:
        raise error

    async with open_session(sandbox, download_timeout=10.0) as vidgo:
        with pytest.raises(TimeoutError) as caught:
            await vidgo.download(video, tmp_path / "fox.mp4", on_progress=fail)
    assert caught.value is error


async def test_within_its_time_a_download_is_as_ever(tmp_path: Path) -> None:
    """A download that ends in time does not know of its limit."""
    async with Sandbox() as sandbox, open_session(sandbox, download_timeout=10.0) as vidgo:
        task = await vidgo.generate(FOX)
        assert (await vidgo.download(task.files[0], tmp_path)).exists()


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
def test_a_limit_is_a_number_of_seconds(value: float) -> None:
    """None is no limit; a number has to be finite and above 0."""
    with pytest.raises(ValueError, match="download_timeout"):
        VidgoSession("key", download_timeout=value)
    with pytest.raises(TypeError, match="download_timeout"):
        VidgoSession("key", download_timeout="5")  # type: ignore[arg-type] # on purpose
