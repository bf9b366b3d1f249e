"""Prove that ranges are served as in RFC 9110, and that links can expire before their files."""

import base64
import hashlib
import tracemalloc
from typing import Any

import anyio
import pytest
from yarl import URL

from tests.support.raw_client import RawClient, Reply, running
from vidgo_async.sandbox.media.file_content import NOISE_PERIOD, PIECE_SIZE

pytestmark = pytest.mark.virtual_time

DAY = 24 * 3600


async def link_to_a_file(raw: RawClient) -> str:
    """Buy a task, wait for its end, and return the link."""
    url: str = (await raw.ended(await raw.buy()))["files"][0]["file_url"]
    return url


async def get(raw: RawClient, url: str, method: str = "GET", **headers: str) -> Reply:
    """Request a file with these headers, such as `if_range=`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with raw.http.request(method, URL(url, encoded=True), headers=named) as response:
        return Reply(response.status, response.headers, await response.read())


# --- Ranges ----------------------------------------------------------------------------------


async def test_whole_file() -> None:
    """A file has the headers with which to resume and to verify a download."""
    async with running() as raw:
        reply = await get(raw, await link_to_a_file(raw))
        assert reply.status == 200
        assert reply.headers["Accept-Ranges"] == "bytes"
        assert reply.headers["ETag"].startswith('"')
        assert reply.headers["ETag"].endswith('"')
        digest = base64.b64encode(hashlib.sha256(reply.body).digest()).decode()
        assert reply.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        assert int(reply.headers["Content-Length"]) == len(reply.body) > 1000


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, None),
        ("BYTES=100-199", 100, 200),
        ("bytes=100-", 100, None),
        ("bytes=100-999999999", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=-999999999", 0, None),
    ],
)
async def test_range(asked: str, start: int, stop: int | None) -> None:
    """A range is answered with its bytes, their place, and the checksum of the whole file."""
    async with running() as raw:
        url = await link_to_a_file(raw)
        whole, part = await get(raw, url), await get(raw, url, range=asked)
        assert part.status == 206
        assert part.body == whole.body[start:stop]
        size = len(whole.body)
        first, beyond, _ = slice(start, stop).indices(size)
        assert part.headers["Content-Range"] == f"bytes {first}-{beyond - 1}/{size}"
        assert int(part.headers["Content-Length"]) == len(part.body)
        for name in ("ETag", "Repr-Digest", "Content-Type", "Accept-Ranges"):
            assert part.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    "asked", ["", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,3-4", "bytes=a-b", "lines=0-1"]
)
async def test_invalid_range(asked: str) -> None:
    """Anything but a single range of bytes is answered with the whole file."""
    async with running() as raw:
        reply = await get(raw, await link_to_a_file(raw), range=asked)
        assert reply.status == 200
        assert "Content-Range" not in reply.headers


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes=999999999-", "bytes=-0"])
async def test_range_beyond_the_end(asked: str) -> None:
    """A range without a byte in it is refused, with the size of the file."""
    async with running() as raw:
        url = await link_to_a_file(raw)
        size = len((await get(raw, url)).body)
        reply = await get(raw, url, range=asked.format(size=size))
        assert reply.status == 416
        assert reply.headers["Content-Range"] == f"bytes */{size}"
        assert reply.json.keys() == {"detail"}


async def test_if_range() -> None:
    """If-Range gives a range only of the same file, else the whole file."""
    async with running() as raw:
        url = await link_to_a_file(raw)
        etag = (await get(raw, url)).headers["ETag"]
        assert (await get(raw, url, range="bytes=1-", if_range=etag)).status == 206
        for other in ('"other"', f"W/{etag}", "Wed, 12 Nov 2025 10:30:00 GMT"):
            assert (await get(raw, url, range="bytes=1-", if_range=other)).status == 200


async def test_head() -> None:
    """HEAD gives the headers of the whole file."""
    async with running() as raw:
        url = await link_to_a_file(raw)
        got, head = await get(raw, url), await get(raw, url, "HEAD", range="bytes=1-")
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Length", "ETag", "Repr-Digest", "Accept-Ranges"):
            assert head.headers[name] == got.headers[name]


async def test_unknown_upload_is_not_found() -> None:
    """A link to an upload that was never made is not found."""
    async with running() as raw:
        assert (await get(raw, raw.sandbox.url + "/files/file-0.png")).status == 404


# --- Links that expire -----------------------------------------------------------------------


async def test_link_expires_and_a_poll_gives_a_new_one() -> None:
    """A link expires after `link_lifetime`, and the next poll gives a new one."""
    async with running(link_lifetime=60) as raw:
        task_id = await raw.buy()
        old = (await raw.ended(task_id))["files"][0]["file_url"]
        await anyio.sleep(59)
        assert (await get(raw, old)).status == 200
        await anyio.sleep(1)
        reply = await get(raw, old)
        assert (reply.status, reply.json) == (403, {"detail": "The link has expired"})
        new = (await raw.status(task_id)).data["files"][0]["file_url"]
        assert new != old
        assert (await get(raw, new)).status == 200


@pytest.mark.parametrize("link_lifetime", [None, 60.0])
async def test_link_delay(link_lifetime: float | None) -> None:
    """A link is not found until `link_delay` after the end of its task, and works from then on."""
    async with running(seconds=(10.0, 10.0), link_delay=5.0, link_lifetime=link_lifetime) as raw:
        task_id = await raw.buy()
        ends_at = raw.sandbox.tasks[task_id].ends_at
        await anyio.sleep_until(ends_at)
        url = (await raw.status(task_id)).data["files"][0]["file_url"]
        assert (await get(raw, url)).status == 404
        await anyio.sleep_until(ends_at + 4.9)
        assert (await get(raw, url)).status == 404
        await anyio.sleep_until(ends_at + 5)
        assert (await get(raw, url)).status == 200


async def test_new_link_of_a_deleted_file() -> None:
    """A day after the end of its task a file is not found, even by a new link."""
    async with running(link_lifetime=60) as raw:
        task_id = await raw.buy()
        await raw.ended(task_id)
        await anyio.sleep(DAY)
        url = (await raw.status(task_id)).data["files"][0]["file_url"]
        assert (await get(raw, url)).status == 404


async def test_link_cannot_be_made_up() -> None:
    """A link without a signature, or with one of another file or time, is refused."""
    async with running(link_lifetime=60) as raw:
        url = URL(await link_to_a_file(raw))
        other = URL(await link_to_a_file(raw))
        bad = [
            url.with_query(None),
            url.update_query(expires="inf"),
            url.update_query(signature="x"),
            url.with_query(other.query),
        ]
        assert [(await get(raw, str(each))).status for each in bad] == [403] * 4


async def test_links_are_unsigned_by_default() -> None:
    """By default a link has no signature."""
    async with running() as raw:
        url = URL(await link_to_a_file(raw))
        assert (url.query_string, url.suffix) == ("", ".mp4")


@pytest.mark.parametrize(
    ("setting", "bad"),
    [
        ("link_lifetime", 0.0),
        ("link_lifetime", float("inf")),
        ("link_delay", -1.0),
        ("link_delay", float("inf")),
        ("file_size", 0),
        ("uploads_per_minute", 0),
    ],
)
async def test_bad_setting_is_refused(setting: str, bad: Any) -> None:
    """A setting out of its range is refused by name."""
    with pytest.raises(ValueError, match=setting):
        async with running(**{setting: bad}):
            pytest.fail("it started")


# --- Large files -----------------------------------------------------------------------------


async def test_file_size() -> None:
    """Files can have any size, are the same in each run, and have ranges."""
    size = 3 * NOISE_PERIOD
    async with running(file_size=size) as raw:
        url = await link_to_a_file(raw)
        whole = await get(raw, url)
        assert len(whole.body) == size
        digest = base64.b64encode(hashlib.sha256(whole.body).digest()).decode()
        assert whole.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        start = NOISE_PERIOD - 10
        part = await get(raw, url, range=f"bytes={start}-{start + PIECE_SIZE}")
        assert part.body == whole.body[start : start + PIECE_SIZE + 1]
        other = await get(raw, await link_to_a_file(raw))
        assert other.headers["ETag"] != whole.headers["ETag"]
    async with running(file_size=size) as raw:
        assert (await get(raw, await link_to_a_file(raw))).body == whole.body


async def test_large_file_takes_no_memory() -> None:
    """A large file is generated while it is sent, as fast as the client reads."""
    size = 32 * 2**20
    async with running(file_size=size) as raw:
        url = await link_to_a_file(raw)
        await get(raw, url, "HEAD")
        tracemalloc.start()
        try:
            async with raw.http.get(url) as response:
                await anyio.sleep(60)
                total = 0
                while chunk := await response.content.read(2**16):
                    total += len(chunk)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert total == size
        assert peak < size / 8


async def test_small_file_of_noise() -> None:
    """A file can have a single byte."""
    async with running(file_size=1) as raw:
        assert len((await get(raw, await link_to_a_file(raw))).body) == 1
