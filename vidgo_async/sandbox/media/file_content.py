"""What files are made of: any part of any size, in pieces, without the whole in memory."""

import asyncio
import functools
import hashlib
import random
from collections.abc import Iterator

import attrs
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

PIECE = 2**18
"""Bytes that are made, hashed and sent at once."""
PERIOD = 1_048_573
"""Bytes after which made-up content repeats: a prime, so that no block of a power of two that
lands in the wrong place goes unnoticed."""
FLIPPED = bytes(range(255, -1, -1))


@attrs.define(eq=False)
class Content:
    """The bytes of a file: a block, repeated until the size is reached."""

    block: bytes = attrs.field(repr=False)
    size: int
    content_type: str
    _sha256: bytes | None = attrs.field(init=False, default=None, repr=False)

    @classmethod
    def of(cls, data: bytes, content_type: str) -> "Content":
        """Take these bytes."""
        return cls(data, len(data), content_type)

    @classmethod
    def made_up(cls, size: int, content_type: str, *, seed: int) -> "Content":
        """Make up bytes: the same ones for the same seed."""
        return cls(random.Random(seed).randbytes(min(size, PERIOD)), size, content_type)

    @functools.cached_property
    def etag(self) -> str:
        """A strong validator, with its quotes. It is nobody's MD5."""
        return f'"{hashlib.sha256(self.block).hexdigest()[:16]}-{self.size:x}"'

    @functools.cached_property
    def flipped(self) -> "Content":
        """Other content of the same size: it differs in every bit."""
        return Content(self.block.translate(FLIPPED), self.size, self.content_type)

    async def sha256(self) -> bytes:
        """Return the digest; taken once, and the loop turns meanwhile."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for piece in self.pieces(0, self.size):
                digest.update(piece)
                await asyncio.sleep(0)
            self._sha256 = digest.digest()
        return self._sha256

    def pieces(self, start: int, stop: int, size: int = PIECE) -> Iterator[bytes]:
        """Yield a part, in pieces of at most so many bytes."""
        while start < stop:
            at = start % len(self.block)
            piece = self.block[at : at + min(size, stop - start)]
            start += len(piece)
            yield piece


class Part(Payload):
    """The body of an answer: a part of a file."""

    def __init__(self, content: Content, start: int, stop: int) -> None:
        super().__init__(content, content_type=content.content_type)
        self.content: Content = content
        self.start: int = start
        self.length: int = stop - start
        self._size = self.length

    def pieces(self, limit: int | None = None, size: int = PIECE) -> Iterator[bytes]:
        """Yield it, or so many bytes of it, in pieces of at most `size` bytes."""
        length = self.length if limit is None else min(limit, self.length)
        return self.content.pieces(self.start, self.start + length, size)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        for piece in self.pieces():
            await writer.write(piece)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Read it as text, as aiohttp wants it of each body."""
        return b"".join(self.pieces()).decode(encoding, errors)


def part_of(response: web.StreamResponse) -> Part:
    """Return the body of an answer that was not sent yet."""
    body = getattr(response, "body", None)
    if isinstance(body, Part):
        return body
    content = Content.of(body or b"", response.content_type)
    return Part(content, 0, content.size)
