"""Downloads that are cut or stalled resume, and end in one error after five failures."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

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


async def test_five_attempts_without_progress_are_an_error(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """After 1.5 MB five attempts in a row bring nothing: one error, and no file is left."""
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(reset_before, call="file", times=None)
    seen: list[tuple[int, int | None]] = []
    with pytest.raises(DownloadError, match=r"could not fetch .*no usable answer") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4", on_progress=lambda *at: seen.append(at))
    assert caught.value.file == video
    assert caught.value.task_id == video.task_id
    assert sandbox.received["file"] == 1 + 10  # aiohttp itself asks twice where it is reset
    assert seen[-1] == (MIDDLE, SIZE)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "problem", "tries"),
    [
        (reset_before, "no usable answer", 10),  # aiohttp itself asks twice each time
        (answer(500), "answered 500", 5),
        (answer(302), "answered 302", 5),
        (answer(206, b"part"), "answered 206", 5),
        (answer(416), "answered 416", 5),
        (answer(404), r"the link has expired \(HTTP 404\); links expire 24 hours", 2),
        (corrupted, "its sha256 is wrong", 5),
        (both(cut_at(1000), BARE), "the transfer was cut", 6),
        (both(stall_at(1000), without_ranges), "nothing came for 60 s", 6),
    ],
)
async def test_a_fault_at_every_attempt_is_an_error(
    fault: Fault,
    problem: str,
    tries: int,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
) -> None:
    """A fault at every attempt ends in one error after a few, and leaves no file."""
    sandbox.inject(fault, call="file", times=None)
    with pytest.raises(DownloadError, match=problem) as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.file == video
    assert sandbox.received["file"] == tries
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
    status: int, sandbox: Sandbox, download: CheckedDownload, vidgo: VidgoSession
) -> None:
    """`Retry-After` of a file host delays the download, and no call of the API."""
    sandbox.inject(answer(status, headers={"Retry-After": "30"}), call="file", times=2)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(download)
        await anyio.sleep(10)
        await vidgo.balance()
        assert anyio.current_time() - began < 11
    assert 60 <= anyio.current_time() - began < 62


async def test_delays_between_attempts_grow(
    sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """Attempts without progress are 1, 2, 4 and 8 seconds apart, plus or minus 25 %."""
    sandbox.inject(answer(500), call="file", times=None)
    async with open_session(sandbox, retry=RetryPolicy()) as vidgo:
        began = anyio.current_time()
        with pytest.raises(DownloadError):
            await vidgo.download(video, tmp_path / "fox.mp4")
        assert 15 * 0.75 <= anyio.current_time() - began <= 15 * 1.25 + 1


async def test_redirects_are_followed_up_to_ten(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A redirect to another host is followed, also for the rest; a circle is an error."""
    sandbox.inject(redirected, call="file")
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(redirected, call="file")
    await download()
    assert sandbox.received["file"] == 4
    sandbox.inject(redirected, call="file", times=None)
    with pytest.raises(DownloadError, match="TooManyRedirects"):
        await download()
    assert sandbox.received["file"] <= 4 + 10


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
