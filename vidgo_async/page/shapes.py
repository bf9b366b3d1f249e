"""Width and height of a picture or a video, from its bytes: its place is kept before it is loaded."""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs

MAX_SIDE = 100_000
"""Pixels; more is no picture, but a file that is broken."""
_RATIO = re.compile(r"\s*(\d{1,5})\s*[:x*/]\s*(\d{1,5})\s*", re.IGNORECASE)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that are followed by its size."""
_PARENTS = {b"moov": (b"trak",), b"trak": (b"tkhd",)}
"""Which boxes of an MP4 are opened on the way to a track's size."""


@attrs.frozen
class Shape:
    """Width and height, in pixels or as a ratio."""

    width: int
    height: int

    @property
    def ratio(self) -> float:
        """Width by height."""
        return self.width / self.height


def file_shape(path: Path) -> Shape | None:
    """Return the shape of a file; None where its kind does not say, or it is broken."""
    try:
        with path.open("rb") as file:
            return _checked(_size(file))
    except (OSError, ValueError, struct.error):
        return None


def asked_shape(parameters: Mapping[str, Any]) -> Shape | None:
    """Return the shape that an input asks for."""
    for name in ("aspect_ratio", "size"):
        value = parameters.get(name)
        found = _RATIO.fullmatch(value) if isinstance(value, str) else None
        if found:
            return _checked((int(found[1]), int(found[2])))
    return None


def _checked(size: tuple[int, int] | None) -> Shape | None:
    if size is None or not all(0 < side <= MAX_SIDE for side in size):
        return None
    return Shape(*size)


def _size(file: BinaryIO) -> tuple[int, int] | None:
    head = file.read(30)
    if head.startswith(b"\x89PNG"):
        return struct.unpack(">II", head[16:24])
    if head.startswith(b"GIF8"):
        return struct.unpack("<HH", head[6:10])
    if head[:4] + head[8:12] == b"RIFFWEBP":
        return _webp(head)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(file)
    if head[4:8] in {b"ftyp", b"moov", b"wide", b"mdat"}:
        return _mp4(file, 0, file.seek(0, 2), (b"moov",))
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    """Read the three forms of WebP: lossy, lossless and extended."""
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8X":
        sides = head[24:27], head[27:30]
        return int.from_bytes(sides[0], "little") + 1, int.from_bytes(sides[1], "little") + 1
    return None


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    """Go from segment to segment until the one of the frame."""
    file.seek(2)
    while True:
        mark, kind, length = struct.unpack(">BBH", file.read(4))
        if mark != 0xFF or length < 2:  # noqa: PLR2004 - a segment's length counts itself
            return None
        if kind in _FRAMES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)


def _mp4(file: BinaryIO, start: int, end: int, wanted: tuple[bytes, ...]) -> tuple[int, int] | None:
    """Go through the boxes of a file, or of a box, to the first track that has a size."""
    while start + 8 <= end:
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            header = 16
        length = length or end - start
        if length < header:
            return None
        if kind in wanted:
            inside = min(start + length, end)
            found = (
                _track(file, inside)
                if kind == b"tkhd"
                else _mp4(file, start + header, inside, _PARENTS[kind])
            )
            if found:
                return found
        start += length
    return None


def _track(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Read the size of a track, and whether it is turned; a track of sound has none.

    A header ends with nine numbers of a matrix, the width and the height, in 16.16.
    """
    file.seek(end - 44)
    numbers = struct.unpack(">9i2I", file.read(44))
    width, height = numbers[9] >> 16, numbers[10] >> 16
    if not width or not height:
        return None
    is_turned = numbers[0] == 0 and numbers[1] != 0
    return (height, width) if is_turned else (width, height)
