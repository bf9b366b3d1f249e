"""Compressed bodies: whole ones are decompressed, cut and broken ones are fetched again."""

import gzip
import os
import zlib
from pathlib import Path

import pytest

from tests.support.files import names_in
from tests.support.servers import answering
from tests.support.sessions import new_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy, VidgoSession
from vidgo_async._files import decoding
from vidgo_async._files.decoding import Decompressor

pytestmark = pytest.mark.virtual_time

WHOLE = os.urandom(300_000)
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
PACKED = {
    "gzip": gzip.compress(WHOLE),
    "x-gzip": gzip.compress(WHOLE),
    "GZIP": gzip.compress(WHOLE[:1000]) + gzip.compress(WHOLE[1000:]) + bytes(100),
    "deflate": zlib.compress(WHOLE),
    "Deflate": RAW.compress(WHOLE) + RAW.flush(),
}


def response(encoding: str, body: bytes) -> bytes:
    """Make a response without a length: it ends with the connection."""
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("size", [1, 9, 10, 150_000, -9, -1])
async def test_a_cut_compressed_body_is_fetched_again(
    encoding: str, size: int, tmp_path: Path
) -> None:
    """Cut anywhere, a body without a length is noticed by its missing end, whatever came."""
    if encoding == "GZIP" and size < 0:
        size -= 100  # the padding is no part of it
    packed, requests = PACKED[encoding], 0

    def answer(_: str) -> bytes:
        nonlocal requests
        requests += 1
        return response(encoding, packed[:size] if requests == 1 else packed)

    async with answering(answer) as address, new_session() as vidgo:
        path = await vidgo.download(MediaFile(f"http://{address}/v"), tmp_path / "fox.mp4")
    assert path.read_bytes() == WHOLE
    assert requests == 2


@pytest.mark.parametrize(
    ("encoding", "body", "problem"),
    [
        ("gzip", b"\x1f\x8b not gzip at all" * 50, "the compressed body is broken"),
        ("gzip", PACKED["gzip"][:-100], "the end of the compressed body is missing"),
        ("br", b"unheard of" * 100, r"compressed \(br\), which was not asked for"),
    ],
)
async def test_a_body_that_stays_broken_is_an_error(
    encoding: str, body: bytes, problem: str, tmp_path: Path
) -> None:
    """No half file is saved, however often half of it comes."""
    async with (
        answering(lambda _: response(encoding, body)) as address,
        VidgoSession("key", base_url="http://h", retry=RetryPolicy(timeout=30.0)) as vidgo,
    ):
        with pytest.raises(DownloadError, match=problem):
            await vidgo.download(MediaFile(f"http://{address}/v"), tmp_path / "fox.mp4")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("encoding", PACKED)
def test_any_chunks_decompress_to_the_same(encoding: str, step: int) -> None:
    """However a body is cut into chunks; only its end makes it complete."""
    body, found = Decompressor(), bytearray()
    packed = PACKED[encoding]
    for start in range(0, len(packed), step):
        found += b"".join(body.feed(packed[start : start + step]))
    assert found == WHOLE
    assert body.complete


def test_a_small_body_may_become_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is decompressed piece by piece, so that it takes little memory."""
    monkeypatch.setattr(decoding, "PIECE", 1000)
    body = Decompressor()
    sizes = [len(piece) for piece in body.feed(gzip.compress(bytes(10_500)))]
    assert sizes == [1000] * 10 + [500]
    assert body.complete
    assert list(body.feed(bytes(9))) == []


@pytest.mark.parametrize("encoding", ["aws-chunked", "utf-8", "binary", "none", "identity, utf-8"])
async def test_words_that_compress_nothing(encoding: str, tmp_path: Path) -> None:
    """What hosts put into `Content-Encoding` beside codings leaves the bytes as they are."""
    body = b"\x00\x00\x00\x18ftyp" + bytes(100)
    async with (
        answering(lambda _: response(encoding, body)) as address,
        VidgoSession("key", base_url="http://h") as vidgo,
    ):
        path = await vidgo.download(MediaFile(f"http://{address}/v"), tmp_path / "fox.mp4")
    assert path.read_bytes() == body
