"""The bytes of a file: any range of any size, piece by piece, without the whole in memory."""

import asyncio
import functools
import hashlib
import random
from collections.abc import Iterator

import attrs
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

PIECE_SIZE = 2**18
"""Bytes that are made, hashed and sent at once."""
NOISE_PERIOD = 1_048_573
"""Bytes after which noise repeats. A prime, so that two places in a file that are a power of two
apart never hold the same bytes, and a block written to the wrong one is noticed."""
INVERTED_BYTES = bytes(range(255, -1, -1))


@attrs.define(eq=False)
class Content:
    """The bytes of a file: a block, repeated until the size is reached."""

    block: bytes = attrs.field(repr=False)
    size: int
    content_type: str
    _sha256: bytes | None = attrs.field(init=False, default=None, repr=False)

    @classmethod
    def of(cls, data: bytes, content_type: str) -> "Content":
        """Make content of these bytes."""
        return cls(data, len(data), content_type)

    @classmethod
    def noise(cls, size: int, content_type: str, *, seed: int) -> "Content":
        """Make content of random bytes, the same ones for the same seed."""
        return cls(random.Random(seed).randbytes(min(size, NOISE_PERIOD)), size, content_type)

    @functools.cached_property
    def etag(self) -> str:
        """A strong ETag, with its quotes. It is not an MD5, as those of some hosts are."""
        return f'"{hashlib.sha256(self.block).hexdigest()[:16]}-{self.size:x}"'

    @functools.cached_property
    def inverted(self) -> "Content":
        """Content of the same size that differs in every bit."""
        return Content(self.block.translate(INVERTED_BYTES), self.size, self.content_type)

    async def sha256(self) -> bytes:
        """Return the digest. It is computed once, without blocking the loop."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for piece in self.pieces(0, self.size):
                digest.update(piece)
                await asyncio.sleep(0)
            self._sha256 = digest.digest()
        return self._sha256

    def pieces(self, start: int, stop: int, piece_size: int = PIECE_SIZE) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop`, at most `piece_size` at once."""
        while start < stop:
            offset = start % len(self.block)
            piece = self.block[offset : offset + min(piece_size, stop - start)]
            start += len(piece)
            yield piece


class FileRange(Payload):
    """A range of a file, as the body of a response."""

    def __init__(self, content: Content, start: int, stop: int) -> None:
        super().__init__(content, content_type=content.content_type)
        self.content: Content = content
        self.start: int = start
        self.length: int = stop - start
        self._size = self.length

    def pieces(self, limit: int | None = None, piece_size: int = PIECE_SIZE) -> Iterator[bytes]:
        """Yield all bytes, or the first `limit`, at most `piece_size` at once."""
        length = self.length if limit is None else min(limit, self.length)
        return self.content.pieces(self.start, self.start + length, piece_size)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all bytes to a connection."""
        for piece in self.pieces():
            await writer.write(piece)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the bytes as text; aiohttp requires this method of each body."""
        return b"".join(self.pieces()).decode(encoding, errors)


def body_range(response: web.StreamResponse) -> FileRange:
    """Return the body of a response that was not sent yet."""
    body = getattr(response, "body", None)
    if isinstance(body, FileRange):
        return body
    content = Content.of(body or b"", response.content_type)
    return FileRange(content, 0, content.size)


def body_bytes(response: web.StreamResponse) -> bytes:
    """Return the body of a response that was not sent yet, as bytes."""
    return b"".join(body_range(response).pieces())
