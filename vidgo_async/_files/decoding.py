"""Bodies that a host compressed although it was asked not to.

aiohttp would decompress them too, but takes a gzip body that was cut for the whole one.
"""

import zlib
from collections.abc import Iterator

PIECE = 1024 * 1024
"""Bytes decompressed at a time."""
_ANY_HEADER = zlib.MAX_WBITS | 32
"""Tells zlib to accept both kinds of header, gzip's and its own."""
_GZIP_START = b"\x1f"


class Decompressor:
    """Decompresses a gzip or deflate body, and knows its end."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_ANY_HEADER)
        self._is_first = True

    @property
    def complete(self) -> bool:
        """Whether the end of the body came."""
        return self._zlib.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes, piece by piece.

        Raises:
            zlib.error: They are not compressed like that.
        """
        if self._is_first:
            self._choose(data)
        pending = True  # output that zlib holds, though it took all input
        while data or pending:
            if self._zlib.eof:  # gzip bodies may follow each other; anything else is padding
                if not data.startswith(_GZIP_START):
                    return
                self._zlib = zlib.decompressobj(_ANY_HEADER)
            piece = self._zlib.decompress(data, PIECE)
            data = self._zlib.unconsumed_tail or self._zlib.unused_data
            pending = len(piece) == PIECE
            if piece:
                yield piece

    def _choose(self, data: bytes) -> None:
        """Take `deflate` without zlib's header too, as some servers send it."""
        self._is_first = False
        if not data.startswith(_GZIP_START) and data[0] & 0x0F != zlib.DEFLATED:
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)


def decompressor(encoding: str) -> Decompressor | None:
    """Return what decompresses this encoding; None where it is not known."""
    return Decompressor() if encoding in {"gzip", "x-gzip", "deflate"} else None
