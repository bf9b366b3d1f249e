"""Downloads over a bad line: cut, stalled, replaced and corrupted, and complete in the end."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from support import FOX, open_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy, VidgoSession
from vidgo_async._files.range_headers import validator
from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    Sandbox,
    answer,
    both,
    chunked,
    corrupted,
    cut_at,
    drip,
    gzipped,
    hang,
    redirected,
    replaced,
    reset_before,
    shifted,
    stall_at,
    with_headers,
    without_ranges,
    wrong_length,
)

pytestmark = pytest.mark.virtual_time

SIZE = 3_000_001
MIDDLE = SIZE // 2
BARE = with_headers({"ETag": DROPPED, "Repr-Digest": DROPPED})


def left_in(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a quick sandbox with files of some megabytes."""
    async with Sandbox(seconds=(0, 0), file_size=SIZE) as sandbox:
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


@pytest.fixture
async def digest(vidgo: VidgoSession, video: MediaFile, tmp_path: Path, sandbox: Sandbox) -> str:
    """Take the file's checksum, over a good line."""
    path = await vidgo.download(video, tmp_path / "good")
    sum_of_it = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    sandbox.calls.clear()
    sandbox.received.clear()
    return sum_of_it


def asked(sandbox: Sandbox) -> list[str | None]:
    """List the parts that were asked for."""
    calls = [call for call in sandbox.calls if call.name == "file"]
    return [call.headers.get("Range") if call.headers else "?" for call in calls]


def check(folder: Path, digest: str) -> None:
    """See that the file is there, whole, right and alone."""
    [path] = folder.iterdir()
    assert path.name == "fox.mp4"
    assert path.stat().st_size == SIZE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("fault", [cut_at, stall_at])
@pytest.mark.parametrize("size", [0, 1, MIDDLE, SIZE - 1, SIZE])
async def test_a_cut_transfer_goes_on_where_it_stopped(
    fault: object,
    size: int,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    digest: str,
    tmp_path: Path,
) -> None:
    """Cut or stalled at the first, a middle and the last byte, it asks for the rest only."""
    sandbox.inject(fault(size), call="file")  # type: ignore[operator] # parametrised
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    first, *rest = asked(sandbox)
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
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """Twenty cuts, each after some bytes more, end in a whole file."""
    sandbox.inject(cut_at(150_000), call="file", times=None)
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
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
    assert left_in(tmp_path) == []


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
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    "fault",
    [
        without_ranges,
        replaced,
        shifted(1),
        shifted(-1),
        answer(416),
        answer(416, headers={"Content-Range": "bytes */5"}),
        answer(206, b"x", {"Content-Range": f"bytes {MIDDLE}-{MIDDLE}/7"}),
        with_headers({"ETag": '"another"'}),
        with_headers({"Content-Range": DROPPED}),
        with_headers({"Content-Encoding": "br"}),
    ],
)
async def test_what_does_not_fit_starts_over(
    fault: Fault,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    digest: str,
    tmp_path: Path,
) -> None:
    """The whole file, another file or another part in place of the rest: it begins anew."""
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(fault, call="file")
    if fault is replaced:  # the new file came whole, so it is the file
        await vidgo.download(video, tmp_path / "fox.mp4")
        data = (tmp_path / "fox.mp4").read_bytes()
        flipped = data.translate(bytes(range(255, -1, -1)))
        assert hashlib.sha256(flipped).hexdigest() == digest
        return
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)


@pytest.mark.parametrize("changes", [{"ETag": DROPPED}, {"ETag": 'W/"weak"'}])
async def test_without_a_validator_it_starts_over(
    changes: dict[str, str],
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    digest: str,
    tmp_path: Path,
) -> None:
    """Where nothing tells one version of a file from the next, no part is asked for."""
    sandbox.inject(both(cut_at(MIDDLE), with_headers(changes)), call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    assert asked(sandbox) == [None, None]


async def test_a_corrupted_file_is_fetched_again(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """Wrong bytes of the right length are noticed by their checksum."""
    sandbox.inject(corrupted, call="file", times=2)
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    assert sandbox.received["file"] == 3


@pytest.mark.parametrize("kind", ["Content-MD5", "Content-Digest", "Repr-Digest"])
async def test_each_kind_of_checksum_counts(
    kind: str, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """Any header that tells a checksum is believed; one that makes no sense is not."""
    wrong = {
        "Content-MD5": base64.b64encode(bytes(16)).decode(),
        "Content-Digest": f"sha-512=:{base64.b64encode(bytes(64)).decode()}:",
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:",
    }
    odd = {"Content-MD5": "YQ==", "Content-Digest": "sha-512=:a:", "Repr-Digest": "sha-256=:YQ==:"}
    sandbox.inject(with_headers({"Repr-Digest": DROPPED, kind: wrong[kind]}), call="file")
    sandbox.inject(with_headers({"Repr-Digest": DROPPED, kind: odd[kind]}), call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    assert sandbox.received["file"] == 2


@pytest.mark.parametrize("difference", [-1, 1, 1000])
async def test_a_wrong_length_is_noticed(
    difference: int,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    digest: str,
    tmp_path: Path,
) -> None:
    """A `Content-Length` that is wrong, at first or for the rest, costs a try and no byte."""
    sandbox.inject(wrong_length(difference), call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    (tmp_path / "fox.mp4").unlink()
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(wrong_length(difference), call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)


async def test_a_rest_that_is_too_long_starts_over(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """More bytes than the file has are not the file."""

    async def too_long(request: web.Request, handler: Handler) -> web.StreamResponse:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = {"Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE}"}
        return web.Response(status=206, body=b"x" * (SIZE - start + 1), headers=rest)

    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(too_long, call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)


async def test_a_length_that_nobody_tells_is_no_problem(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """A chunked body comes whole, and one that is cut goes on; the total may come with the rest."""
    totals: set[int | None] = set()
    sandbox.inject(chunked, call="file")
    await vidgo.download(
        video, tmp_path / "fox.mp4", on_progress=lambda _, total: totals.add(total)
    )
    check(tmp_path, digest)
    assert totals == {None}
    (tmp_path / "fox.mp4").unlink()

    async def cut_chunks(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        sent = web.StreamResponse(headers={"ETag": real.headers["ETag"]})
        await sent.prepare(request)
        part = real.body  # type: ignore[attr-defined] # a Response
        for piece in part.pieces(MIDDLE):
            await sent.write(piece)
        request.protocol.force_close()
        return sent

    sandbox.inject(cut_chunks, call="file")
    totals.clear()
    await vidgo.download(
        video, tmp_path / "fox.mp4", on_progress=lambda _, total: totals.add(total)
    )
    check(tmp_path, digest)
    assert totals == {None, SIZE}


async def test_a_compressed_answer_is_unpacked(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """A host that compresses though it was asked not to is understood; no length is believed."""
    totals: set[int | None] = set()
    sandbox.inject(gzipped, call="file")
    await vidgo.download(
        video, tmp_path / "fox.mp4", on_progress=lambda _, total: totals.add(total)
    )
    check(tmp_path, digest)
    assert totals == {None}


async def test_a_slow_file_is_no_stalled_one(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """A drop every 50 seconds is fetched at the first try, with its progress."""
    seen: list[int] = []
    sandbox.inject(drip(SIZE // 10, 50.0), call="file")
    await vidgo.download(video, tmp_path / "fox.mp4", on_progress=lambda done, _: seen.append(done))
    check(tmp_path, digest)
    assert sandbox.received["file"] == 1
    assert len(seen) >= 10
    assert seen == sorted(seen)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_host_is_given_its_time(
    status: int,
    sandbox: Sandbox,
    vidgo: VidgoSession,
    video: MediaFile,
    digest: str,
    tmp_path: Path,
) -> None:
    """`Retry-After` of a file's host is heeded, and does not slow the session's own calls."""
    sandbox.inject(answer(status, headers={"Retry-After": "30"}), call="file", times=2)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(vidgo.download, video, tmp_path / "fox.mp4")
        await anyio.sleep(10)
        await vidgo.balance()
        assert anyio.current_time() - began < 11
    assert 60 <= anyio.current_time() - began < 62
    check(tmp_path, digest)


async def test_the_waits_grow(sandbox: Sandbox, video: MediaFile, tmp_path: Path) -> None:
    """Tries that get nowhere come ever later: 1, 2, 4 and 8 seconds, with a quarter of jitter."""
    sandbox.inject(answer(500), call="file", times=None)
    async with open_session(sandbox, retry=RetryPolicy()) as vidgo:
        began = anyio.current_time()
        with pytest.raises(DownloadError):
            await vidgo.download(video, tmp_path / "fox.mp4")
        assert 15 * 0.75 <= anyio.current_time() - began <= 15 * 1.25 + 1


async def test_redirects_are_followed_up_to_ten(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
) -> None:
    """A redirect to another host is followed, also for the rest; a circle ends at once."""
    sandbox.inject(redirected, call="file")
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(redirected, call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    assert sandbox.received["file"] == 4
    (tmp_path / "fox.mp4").unlink()
    sandbox.inject(redirected, call="file", times=None)
    with pytest.raises(DownloadError, match="TooManyRedirects"):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert sandbox.received["file"] <= 4 + 10


async def test_nothing_is_fetched_twice_where_all_is_there(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path
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
    await vidgo.download(video, tmp_path / "fox.mp4")
    check(tmp_path, digest)
    assert asked(sandbox) == [None, f"bytes={SIZE}-"]
    assert sandbox.calls[-1].status == 416


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"ETag": '"a"', "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT"}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        ({}, None),
        ({"Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT"}, None),
        (
            {
                "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT",
                "Date": "Sat, 01 Aug 2026 10:00:00 GMT",
            },
            None,
        ),
        (
            {
                "ETag": 'W/"a"',
                "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT",
                "Date": "Sat, 01 Aug 2026 10:00:01 GMT",
            },
            "Sat, 01 Aug 2026 10:00:00 GMT",
        ),
        ({"Last-Modified": "yesterday", "Date": "Sat, 01 Aug 2026 10:00:01 GMT"}, None),
        (
            {
                "Last-Modified": "Sat, 01 Aug 2026 10:00:00",
                "Date": "Sat, 01 Aug 2026 10:00:01 GMT",
            },
            None,
        ),
    ],
)
def test_only_a_strong_validator_is_trusted(headers: dict[str, str], found: str | None) -> None:
    """A strong ETag, or a date that is older than the answer: what is weaker tells nothing."""
    assert validator(headers) == found
