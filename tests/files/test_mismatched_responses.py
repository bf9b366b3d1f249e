"""Downloads of which a response does not fit the bytes on disk: they start over."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import MIDDLE, SIZE, CheckedDownload, requested_ranges
from vidgo_async import MediaFile, VidgoSession
from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    Sandbox,
    answer,
    both,
    chunked,
    corrupted,
    cut_at,
    gzipped,
    replaced,
    shifted,
    with_headers,
    without_ranges,
    wrong_length,
)

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def sandbox_settings() -> dict[str, Any]:
    """Serve files of some megabytes."""
    return {"file_size": SIZE}


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
async def test_a_mismatched_response_starts_over(
    fault: Fault,
    sandbox: Sandbox,
    download: CheckedDownload,
    vidgo: VidgoSession,
    video: MediaFile,
    digest: str,
    tmp_path: Path,
) -> None:
    """The whole file, another file or another range instead of the rest: it starts over."""
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(fault, call="file")
    if fault is replaced:  # the new file came whole, so it is the file
        await vidgo.download(video, tmp_path / "fox.mp4")
        data = (tmp_path / "fox.mp4").read_bytes()
        flipped = data.translate(bytes(range(255, -1, -1)))
        assert hashlib.sha256(flipped).hexdigest() == digest
        return
    await download()


@pytest.mark.parametrize("changes", [{"ETag": DROPPED}, {"ETag": 'W/"weak"'}])
async def test_without_a_validator_it_starts_over(
    changes: dict[str, str], sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Without an ETag or date that identifies the file, no range is requested."""
    sandbox.inject(both(cut_at(MIDDLE), with_headers(changes)), call="file")
    await download()
    assert requested_ranges(sandbox) == [None, None]


async def test_a_corrupted_file_is_fetched_again(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Wrong bytes of the right length are noticed by their checksum."""
    sandbox.inject(corrupted, call="file", times=2)
    await download()
    assert sandbox.received["file"] == 3


@pytest.mark.parametrize("kind", ["Content-MD5", "Content-Digest", "Repr-Digest"])
async def test_each_kind_of_checksum_is_verified(
    kind: str, sandbox: Sandbox, download: CheckedDownload
) -> None:
    """Each header with a checksum is verified; an invalid one is ignored."""
    wrong = {
        "Content-MD5": base64.b64encode(bytes(16)).decode(),
        "Content-Digest": f"sha-512=:{base64.b64encode(bytes(64)).decode()}:",
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:",
    }
    invalid = {
        "Content-MD5": "YQ==",
        "Content-Digest": "sha-512=:a:",
        "Repr-Digest": "sha-256=:YQ==:",
    }
    sandbox.inject(with_headers({"Repr-Digest": DROPPED, kind: wrong[kind]}), call="file")
    sandbox.inject(with_headers({"Repr-Digest": DROPPED, kind: invalid[kind]}), call="file")
    await download()
    assert sandbox.received["file"] == 2


@pytest.mark.parametrize("difference", [-1, 1, 1000])
async def test_a_wrong_length_is_noticed(
    difference: int, sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A wrong `Content-Length`, at first or for the rest, costs an attempt and no byte."""
    sandbox.inject(wrong_length(difference), call="file")
    await download()
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(wrong_length(difference), call="file")
    await download()


async def test_a_rest_that_is_too_long_starts_over(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """More bytes than the file has are not the file."""

    async def too_long(request: web.Request, handler: Handler) -> web.StreamResponse:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = {"Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE}"}
        return web.Response(status=206, body=b"x" * (SIZE - start + 1), headers=rest)

    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(too_long, call="file")
    await download()


async def test_a_chunked_response_needs_no_length(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A chunked body is complete, and a cut one resumes; the total may come with the rest."""
    totals: set[int | None] = set()
    sandbox.inject(chunked, call="file")
    await download(lambda _, total: totals.add(total))
    assert totals == {None}

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
    await download(lambda _, total: totals.add(total))
    assert totals == {None, SIZE}


async def test_a_compressed_response_is_decompressed(
    sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A response compressed against the request is decompressed; its length is ignored."""
    totals: set[int | None] = set()
    sandbox.inject(gzipped, call="file")
    await download(lambda _, total: totals.add(total))
    assert totals == {None}
