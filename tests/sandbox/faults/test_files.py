"""Prove that faults of the file host change files as documented, and no other responses."""

import base64
import hashlib
from typing import Any

import pytest
from yarl import URL

from tests.support.raw_client import RawClient, Reply, running
from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    answer,
    both,
    corrupted,
    cut_at,
    redirected,
    replaced,
    shifted,
    with_headers,
    without_ranges,
)

pytestmark = pytest.mark.virtual_time


async def whole_file(raw: RawClient) -> tuple[str, Reply]:
    """Buy a task, wait for its end, and fetch its file."""
    url = (await raw.ended(await raw.buy()))["files"][0]["file_url"]
    return url, await raw.file(url)


async def get_range(raw: RawClient, url: str, **headers: str) -> Reply:
    """Request a range of a file, from its hundredth byte on."""
    async with raw.http.get(url, headers={"Range": "bytes=100-", **headers}) as response:
        return Reply(response.status, response.headers, await response.read())


def has_checksum_of(reply: Reply, content: bytes) -> bool:
    """Tell whether a response has the checksum of this content."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return reply.headers["Repr-Digest"] == f"sha-256=:{digest}:"


async def test_redirected() -> None:
    """A redirect goes to another host with the same file, and the records have the hosts."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.calls.clear()
        raw.sandbox.inject(redirected, call="file")
        async with raw.http.get(url, headers={"X": "y"}) as response:
            assert await response.read() == whole.body
            assert response.url == URL(url).with_host("localhost")
        received = [call.headers for call in raw.sandbox.calls if call.headers]
        hosts = [URL(f"//{headers['Host']}").host for headers in received]
        assert hosts == ["127.0.0.1", "localhost"]
        assert [headers["X"] for headers in received] == ["y", "y"]
        assert [call.status for call in raw.sandbox.calls] == [302, 200]


async def test_redirect_loop() -> None:
    """Two hosts can redirect to each other without end."""
    async with running() as raw:
        url, _ = await whole_file(raw)
        raw.sandbox.inject(redirected, call="file", times=None)
        urls = [url]
        for _ in range(3):
            async with raw.http.get(urls[-1], allow_redirects=False) as response:
                urls.append(response.headers["Location"])
        assert [URL(each).host for each in urls] == ["127.0.0.1", "localhost"] * 2


async def test_record_keeps_no_key_of_other_calls() -> None:
    """Headers are kept of uploads and files only, and are in no repr."""
    async with running() as raw:
        await whole_file(raw)
        kept = {call.name for call in raw.sandbox.calls if call.headers is not None}
        assert kept == {"file"}
        assert "headers" not in repr(raw.sandbox.calls)


async def test_without_ranges() -> None:
    """A server without ranges sends the whole file, with or without If-Range."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(without_ranges, call="file", times=2)
        for headers in ({}, {"If-Range": whole.headers["ETag"]}):
            reply = await get_range(raw, url, **headers)
            assert (reply.status, reply.body) == (200, whole.body)
            assert "Accept-Ranges" not in reply.headers
            assert "Content-Range" not in reply.headers
        assert (await get_range(raw, url)).status == 206


@pytest.mark.parametrize(("by", "start"), [(50, 150), (-50, 50), (-999, 0), (10**9, -1)], ids=str)
async def test_shifted(by: int, start: int) -> None:
    """A shifted range is another one, and its `Content-Range` is right."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(shifted(by), call="file")
        reply = await get_range(raw, url, **{"If-Range": whole.headers["ETag"]})
        assert (reply.status, reply.body) == (206, whole.body[start:])
        size = len(whole.body)
        first = range(size)[start]
        assert reply.headers["Content-Range"] == f"bytes {first}-{size - 1}/{size}"
        raw.sandbox.inject(shifted(by), call="file")
        assert (await raw.file(url)).body == whole.body


async def test_replaced() -> None:
    """A replaced file has its own bytes, ETag and checksum, and the old ETag gets all of it."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(replaced, call="file", skip=1, times=None)
        assert (await get_range(raw, url)).body == whole.body[100:]
        other = await get_range(raw, url, **{"If-Range": whole.headers["ETag"]})
        assert (other.status, len(other.body)) == (200, len(whole.body))
        assert other.body != whole.body
        assert other.headers["ETag"] != whole.headers["ETag"]
        assert has_checksum_of(other, other.body)
        assert (await get_range(raw, url)).body == other.body[100:]


async def test_corrupted() -> None:
    """Corrupted bytes have the right headers, and only the checksum tells."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        right = await get_range(raw, url)
        raw.sandbox.inject(corrupted, call="file", times=2)
        part, other = await get_range(raw, url), await raw.file(url)
        assert (part.status, len(part.body)) == (206, len(right.body))
        assert {**part.headers, "Date": 0} == {**right.headers, "Date": 0}
        assert part.body != right.body
        assert part.body == other.body[100:]
        assert has_checksum_of(other, whole.body)
        assert not has_checksum_of(other, other.body)


@pytest.mark.parametrize("fault", [without_ranges, shifted(1), replaced, corrupted])
async def test_refusals_are_not_changed(fault: Fault) -> None:
    """A fault of files does not change a refusal."""
    async with running() as raw:
        for url in ("/files/x.mp4", "/files/x.png"):
            raw.sandbox.inject(fault, call="file")
            reply = await get_range(raw, raw.sandbox.url + url)
            assert (reply.status, reply.json.keys()) == (404, {"detail"})


async def test_faults_of_uploads() -> None:
    """Faults of files apply to an uploaded file by its id."""
    async with running() as raw:
        fields = {"file_url": "https://a.example/x.png"}
        one, other = [
            (await raw.call("POST", "/api/common/upload/url", json=fields)).data for _ in range(2)
        ]
        raw.sandbox.inject(without_ranges, call="file", task_id=other["file_id"])
        links = [one["file_url"], other["file_url"], other["file_url"]]
        statuses = [(await get_range(raw, url, Range="bytes=1-")).status for url in links]
        assert statuses == [206, 200, 206]
        assert raw.sandbox.calls[-1].task_id == other["file_id"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<html>Not here</html>", "text/html"),
        ({"error": "no"}, "application/json"),
        ("", "text/html"),
    ],
)
async def test_a_file_that_is_none(body: Any, content_type: str) -> None:
    """A file host can send a page, a JSON error or nothing with HTTP 200."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(answer(200, body), call="file")
        reply = await raw.file(url)
        assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)
        assert reply.body != whole.body
        assert (await raw.file(url)).body == whole.body


async def test_two_at_once() -> None:
    """Of two faults the outer one applies to the response of the inner one."""
    async with running() as raw:
        url, whole = await whole_file(raw)
        raw.sandbox.inject(
            both(cut_at(10), both(with_headers({"ETag": DROPPED}), without_ranges)), call="file"
        )
        async with raw.http.get(url, headers={"Range": "bytes=100-"}) as response:
            assert response.status == 200
            assert not {"ETag", "Accept-Ranges"} & response.headers.keys()
            assert await response.content.readexactly(10) == whole.body[:10]
        name = "both(cut_at(10), both(with_headers(ETag), without_ranges))"
        assert raw.sandbox.calls[-1].fault == name
