"""Downloads that are cut or stalled resume, and end when no new byte came for long enough."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.faults import RequestTimes
from tests.support.files import MIDDLE, SIZE, CheckedDownload, names_in, requested_ranges
from tests.support.sessions import open_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy, VidgoSession
from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    Sandbox,
    answer,
    both,
    corrupted,
    cut_at,
    drip,
    hang,
    redirected,
    reset_before,
    stall_at,
    with_headers,
    without_ranges,
)

pytestmark = pytest.mark.virtual_time

BARE = with_headers({"ETag": DROPPED, "Repr-Digest": DROPPED})


@pytest.fixture
def sandbox_settings() -> dict[str, Any]:
    """Serve files of some megabytes."""
    return {"file_size": SIZE}


@pytest.mark.parametrize("fault", [cut_at, stall_at])
@pytest.mark.parametrize("size", [0, 1, MIDDLE, SIZE - 1, SIZE])
async def test_a_cut_transfer_resumes(
    fault: object, size: int, sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Cut or stalled at the first, a middle or the last byte, it requests only the rest."""
    sandbox.inject(fault(size), call="file")  # type: ignore[operator] # parametrised
    await download()
    first, *rest = requested_ranges(sandbox)
    assert first is None
    assert len(rest) == (0 if size == SIZE else 1)
    if rest and rest[0] is not None:  # what came together with the end of the line may be lost
        start = int(rest[0].removeprefix("bytes=").removesuffix("-"))
        assert max(0, size - 2**21) <= start <= size
        headers = sandbox.calls[-1].headers
        assert headers is not None
        assert headers["If-Range"].startswith('"')
        assert sandbox.calls[-1].status == 206


async def test_it_resumes_for_as_long_as_it_progresses(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Twenty cuts, each after some more bytes, end in a complete file."""
    sandbox.inject(cut_at(150_000), call="file", times=None)
    await download()
    assert sandbox.received["file"] > 20


async def test_patience_without_progress_ends_in_an_error(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """After 1.5 MB no byte comes for `RetryPolicy.timeout`: one error, and no file is left."""
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(reset_before, call="file", times=None)
    seen: list[tuple[int, int | None]] = []
    began = anyio.current_time()
    with pytest.raises(DownloadError, match=r"could not fetch .*no usable answer") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4", on_progress=lambda *at: seen.append(at))
    assert 29.9 < anyio.current_time() - began < 32
    assert caught.value.file == video
    assert caught.value.task_id == video.task_id
    assert seen[-1] == (MIDDLE, SIZE)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "problem", "seconds"),
    [
        (reset_before, "no usable answer", 30),
        (answer(500), "answered 500", 30),
        (answer(302), "answered 302", 30),
        (answer(206, b"part"), "answered 206", 30),
        (answer(416), "answered 416", 30),
        (answer(404), "answered 404; its task ended less than 1 min ago", 30),
        (corrupted, "its sha256 is wrong", 30),
        (both(cut_at(1000), BARE), "the transfer was cut", 30),
        (both(stall_at(1000), without_ranges), "nothing came for 60 s", 121),
    ],
)
async def test_a_fault_at_every_attempt_is_an_error(
    fault: Fault,
    problem: str,
    seconds: float,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
) -> None:
    """A fault at every attempt ends in one error when patience is over, and leaves no file."""
    sandbox.inject(fault, call="file", times=None)
    began = anyio.current_time()
    with pytest.raises(DownloadError, match=problem) as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert seconds - 0.5 < anyio.current_time() - began < seconds + 2
    assert caught.value.file == video
    assert names_in(tmp_path) == []


async def test_a_slow_transfer_is_not_stalled(sandbox: Sandbox, download: CheckedDownload) -> None:
    """Some bytes every 50 seconds make one attempt, with progress."""
    seen: list[int] = []
    sandbox.inject(drip(SIZE // 10, 50.0), call="file")
    await download(lambda done, _: seen.append(done))
    assert sandbox.received["file"] == 1
    assert len(seen) >= 10
    assert seen == sorted(seen)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_of_a_file_host_is_honoured(
    status: int, sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """`Retry-After` of a file host delays the download, and no call of the API."""
    sandbox.inject(answer(status, headers={"Retry-After": "30"}), call="file", times=2)
    began = anyio.current_time()
    async with (
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
        anyio.create_task_group() as group,
    ):
        group.start_soon(vidgo.download, video, tmp_path / "fox.mp4")
        await anyio.sleep(10)
        await vidgo.balance()
        assert anyio.current_time() - began < 11
    assert 60 <= anyio.current_time() - began < 62
    assert names_in(tmp_path) == ["fox.mp4"]


async def test_a_retry_after_beyond_patience_ends_the_download(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A host that asks to wait for longer than patience lasts is asked once more, and no oftener."""
    sandbox.inject(answer(503, headers={"Retry-After": "40"}), call="file", times=None)
    with pytest.raises(DownloadError, match="answered 503"):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert sandbox.received["file"] == 2


async def test_delays_between_attempts_grow(
    sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """Attempts without progress are 1, 2, 4 ... 30 s apart, plus or minus 25 %, the last at 300."""
    times = RequestTimes()
    sandbox.inject(both(times, answer(500)), call="file", times=None)
    async with open_session(sandbox, retry=RetryPolicy()) as vidgo:
        with pytest.raises(DownloadError, match="answered 500"):
            await vidgo.download(video, tmp_path / "fox.mp4")
    for gap, usual in zip(times.gaps, [1, 2, 4, 8, 16], strict=False):
        assert usual * 0.75 <= gap <= usual * 1.25 + 0.5
    assert max(times.gaps) <= 31
    assert 299 < sum(times.gaps) < 301


async def test_redirects_are_followed_up_to_ten(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A redirect to another host is followed, also for the rest; a circle is an error."""
    sandbox.inject(redirected, call="file")
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(redirected, call="file")
    await download()
    assert sandbox.received["file"] == 4
    sandbox.inject(redirected, call="file", times=10)
    await download()
    assert sandbox.received["file"] == 4 + 11
    sandbox.inject(redirected, call="file", times=None)
    with pytest.raises(DownloadError, match="more than 10 redirects"):
        await download()
    assert sandbox.received["file"] == 4 + 11 + 11


async def test_a_missing_end_of_body_costs_no_second_transfer(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """With all bytes on disk but no end of the body, a 416 says that it is complete."""

    async def no_end(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        sent = web.StreamResponse(headers={"ETag": real.headers["ETag"]})
        await sent.prepare(request)
        for piece in real.body.pieces():  # type: ignore[attr-defined] # a Response
            await sent.write(piece)
        return await hang(request, handler)

    sandbox.inject(no_end, call="file")
    await download()
    assert requested_ranges(sandbox) == [None, f"bytes={SIZE}-"]
    assert sandbox.calls[-1].status == 416
