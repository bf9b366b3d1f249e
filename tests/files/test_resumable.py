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
async def test_a_cut_transfer_goes_on_where_it_stopped(
    fault: object, size: int, sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Cut or stalled at the first, a middle and the last byte, it asks for the rest only."""
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


async def test_it_goes_on_for_as_long_as_it_gets_anywhere(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Twenty cuts, each after some bytes more, end in a whole file."""
    sandbox.inject(cut_at(150_000), call="file", times=None)
    await download()
    assert sandbox.received["file"] > 20


async def test_five_tries_without_a_byte_end_it(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """After 1.5 MB five tries in a row bring nothing: one error, and nothing is left."""
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
        (answer(404), r"the link is dead \(HTTP 404\); links die 24 hours", 2),
        (corrupted, "its sha256 is wrong", 5),
        (both(cut_at(1000), BARE), "the transfer was cut", 6),
        (both(stall_at(1000), without_ranges), "nothing came for 60 s", 6),
    ],
)
async def test_what_never_gets_better_ends(
    fault: Fault,
    problem: str,
    tries: int,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    tmp_path: Path,
) -> None:
    """A fault at every try ends in one error after a few, and leaves nothing."""
    sandbox.inject(fault, call="file", times=None)
    with pytest.raises(DownloadError, match=problem) as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.file == video
    assert sandbox.received["file"] == tries
    assert names_in(tmp_path) == []


async def test_a_slow_file_is_no_stalled_one(sandbox: Sandbox, download: CheckedDownload) -> None:
    """A drop every 50 seconds is fetched at the first try, with its progress."""
    seen: list[int] = []
    sandbox.inject(drip(SIZE // 10, 50.0), call="file")
    await download(lambda done, _: seen.append(done))
    assert sandbox.received["file"] == 1
    assert len(seen) >= 10
    assert seen == sorted(seen)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_host_is_given_its_time(
    status: int, sandbox: Sandbox, download: CheckedDownload, vidgo: VidgoSession
) -> None:
    """`Retry-After` of a file's host is heeded, and does not slow the session's own calls."""
    sandbox.inject(answer(status, headers={"Retry-After": "30"}), call="file", times=2)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(download)
        await anyio.sleep(10)
        await vidgo.balance()
        assert anyio.current_time() - began < 11
    assert 60 <= anyio.current_time() - began < 62


async def test_the_waits_grow(sandbox: Sandbox, video: MediaFile, tmp_path: Path) -> None:
    """Tries that get nowhere come ever later: 1, 2, 4 and 8 seconds, with a quarter of jitter."""
    sandbox.inject(answer(500), call="file", times=None)
    async with open_session(sandbox, retry=RetryPolicy()) as vidgo:
        began = anyio.current_time()
        with pytest.raises(DownloadError):
            await vidgo.download(video, tmp_path / "fox.mp4")
        assert 15 * 0.75 <= anyio.current_time() - began <= 15 * 1.25 + 1


async def test_redirects_are_followed_up_to_ten(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A redirect to another host is followed, also for the rest; a circle ends at once."""
    sandbox.inject(redirected, call="file")
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(redirected, call="file")
    await download()
    assert sandbox.received["file"] == 4
    sandbox.inject(redirected, call="file", times=None)
    with pytest.raises(DownloadError, match="TooManyRedirects"):
        await download()
    assert sandbox.received["file"] <= 4 + 10


async def test_nothing_is_fetched_twice_where_all_is_there(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """All bytes came and their end did not: the host says that there are no more (416)."""

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
