"""Prove that the sandbox's MP4 files are playable, exact and small."""

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.logging
import pytest
from av.stream import Disposition

from vidgo_async.sandbox.media import h264
from vidgo_async.sandbox.media.mp4 import make_mp4

SHAPES = [(256, 144), (144, 256), (192, 192), (240, 160), (160, 240), (250, 142)]
EDGE_SHAPES = [(2, 2), (16, 16), (2, 64), (64, 2), (18, 34), (1280, 720), (1920, 1080)]
LENGTHS = [1, 6, 10, 30]
Planes = list[bytes]  # the visible Y, Cb and Cr samples


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    """Fail on any warning of libav."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    with av.logging.Capture(local=False) as logs:
        yield
    av.logging.set_level(before)
    assert logs == []


def plane_bytes(plane: Any) -> bytes:
    """Return the visible samples of a plane, without the padding of its lines."""
    data = bytes(plane)
    starts = range(0, plane.height * plane.line_size, plane.line_size)
    return b"".join(data[start : start + plane.width] for start in starts)


def decode(data: bytes, kind: str = "mp4") -> list[av.VideoFrame]:
    """Decode every frame; any damage in the stream raises."""
    with av.open(io.BytesIO(data), mode="r", format=kind) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        return list(container.decode(stream))


def planes(frame: av.VideoFrame) -> Planes:
    """Return the samples of a frame."""
    return [plane_bytes(plane) for plane in frame.planes]


def plain(width: int, height: int, colour: h264.Colour) -> Planes:
    """Return the samples of a picture of one colour."""
    sizes = (width * height, width * height // 4, width * height // 4)
    return [bytes([value]) * size for value, size in zip(colour, sizes, strict=True)]


def with_box(background: Planes, width: int, left: int, top: int, colour: h264.Colour) -> Planes:
    """Return the samples of a picture with a whole 16x16 box painted on it."""
    painted: Planes = []
    for plane, value, step in zip(background, colour, (1, 2, 2), strict=True):
        side, samples = 16 // step, bytearray(plane)
        for y in range(top // step, top // step + side):
            start = y * (width // step) + left // step
            samples[start : start + side] = bytes([value]) * side
        painted.append(bytes(samples))
    return painted


@pytest.mark.parametrize(("width", "height"), SHAPES)
@pytest.mark.parametrize("seconds", LENGTHS)
def test_every_frame_decodes(width: int, height: int, seconds: int) -> None:
    """A file has the size, length and number of frames it was asked for."""
    data = make_mp4(width, height, seconds)
    with av.open(io.BytesIO(data), mode="r") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (width, height)
        assert stream.average_rate == 12
        assert (stream.duration, stream.time_base) == (seconds * 12_000, Fraction(1, 12_000))
        assert container.duration == seconds * av.time_base
    frames = [(f.width, f.height, f.pts, f.is_corrupt) for f in decode(data)]
    assert frames == [(width, height, 1000 * n, False) for n in range(seconds * 12)]


@pytest.mark.parametrize(("width", "height"), SHAPES + EDGE_SHAPES)
def test_bare_stream_knows_its_size(width: int, height: int) -> None:
    """The stream itself crops the picture, without the size in the MP4."""
    shape = h264.FrameSize(width, height)
    units = [h264.sps(shape), h264.pps(), *h264.pictures(shape, 2, 0)]
    bare = b"".join(b"\0\0\0\1" + unit for unit in units)
    assert [(f.width, f.height) for f in decode(bare, "h264")] == [(width, height)] * 2


@pytest.mark.parametrize(("width", "height"), SHAPES + EDGE_SHAPES)
def test_first_frame_is_the_background_exactly(width: int, height: int) -> None:
    """The colour spreads unchanged over the whole first picture."""
    frame = decode(make_mp4(width, height, 1, seed=7))[0]
    assert planes(frame) == plain(width, height, h264.background_of(7))


def test_box_moves_and_its_old_place_is_repainted() -> None:
    """Each picture is exactly the background with one box at its place."""
    seen = [planes(frame) for frame in decode(make_mp4(256, 144, 10, seed=3))]
    background = plain(256, 144, h264.background_of(3))
    assert seen[:6] == [background] * 6
    for number, picture in enumerate(seen[6:], start=6):
        move = number // 6
        tint = h264.Colour(220, 64 + move * 37 % 128, 64 + move * 59 % 128)
        assert picture == with_box(background, 256, move % 16 * 16, move % 9 * 16, tint)


@pytest.mark.parametrize(("width", "height"), SHAPES + EDGE_SHAPES)
def test_picture_changes_every_half_second(width: int, height: int) -> None:
    """The picture changes at each move of the box and only then."""
    seen = [planes(frame) for frame in decode(make_mp4(width, height, 3))]
    changes = [n for n in range(1, 36) if seen[n] != seen[n - 1]]
    assert changes == [6, 12, 18, 24, 30]


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_file_is_small(width: int, height: int, seconds: int) -> None:
    """A file has at most 1800 bytes per second, plus its headers."""
    assert len(make_mp4(width, height, seconds)) < 1_000 + 1_800 * seconds


def test_player_may_start_at_the_first_frame_only() -> None:
    """The track is on by default and lists only its first frame as a key frame."""
    data = make_mp4(256, 144, 2)
    with av.open(io.BytesIO(data), mode="r") as container:
        assert container.streams.video[0].disposition & Disposition.default
    # libav finds key frames by itself; other players read this list.
    assert struct.pack(">I4s3I", 20, b"stss", 0, 1, 1) in data


def test_media_comes_last() -> None:
    """The boxes are ftyp, moov, mdat in this order and fill the file."""
    data, kinds, at = make_mp4(256, 144, 1), list[bytes](), 0
    while at < len(data):
        kinds.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    assert (kinds, at) == ([b"ftyp", b"moov", b"mdat"], len(data))


def test_seed_decides_the_bytes() -> None:
    """The same seed gives the same file and another seed another one."""
    assert make_mp4(64, 64, 1, seed=1) == make_mp4(64, 64, 1, seed=1)
    assert make_mp4(64, 64, 1, seed=1) != make_mp4(64, 64, 1, seed=2)


@pytest.mark.parametrize(("seconds", "frames"), [(0.01, 1), (0.5, 6), (1.04, 12), (1.05, 13)])
def test_length_is_rounded_to_frames(seconds: float, frames: int) -> None:
    """A length is rounded to whole frames, but never to none."""
    assert len(decode(make_mp4(32, 32, seconds))) == frames


@pytest.mark.parametrize("bad", [0, -2, 3])
def test_bad_size_is_refused(bad: int) -> None:
    """A size that is not positive and even is refused by name."""
    with pytest.raises(ValueError, match=f"^width must be positive and even, not {bad}$"):
        make_mp4(bad, 16, 1)
    with pytest.raises(ValueError, match=f"^height must be positive and even, not {bad}$"):
        make_mp4(16, bad, 1)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_bad_length_is_refused(bad: float) -> None:
    """A length that is not positive and finite is refused."""
    with pytest.raises(ValueError, match=f"^seconds must be positive and finite, not {bad}$"):
        make_mp4(16, 16, bad)


@pytest.mark.parametrize(("width", "height"), [(8192, 8192), (16, 16384)])
def test_size_beyond_every_level_is_refused(width: int, height: int) -> None:
    """A picture with too many macroblocks, or too long a side, is refused."""
    with pytest.raises(ValueError, match=f"^{width}x{height} is too large"):
        make_mp4(width, height, 1)


@pytest.mark.parametrize(
    ("width", "height", "level"),
    [(176, 144, 10), (256, 144, 12), (2, 640, 12), (1280, 720, 31), (2048, 1088, 42)],
)
def test_level_follows_the_size(width: int, height: int, level: int) -> None:
    """The stream's level is the lowest that allows its size."""
    assert h264.sps(h264.FrameSize(width, height))[1:4] == bytes([66, 0xC0, level])


def test_frame_numbers_wrap() -> None:
    """Pictures are numbered with the four bits that the SPS states."""
    units = [h264.next_picture(h264.FrameSize(32, 32), n, {}) for n in range(1, 40)]
    # The number comes after the seven bits of three Exp-Golomb codes.
    found = [int.from_bytes(unit[1:3], "big") >> 5 & 15 for unit in units]
    assert found == [n % 16 for n in range(1, 40)]


def test_no_skip_run_follows_the_last_macroblock() -> None:
    """A picture whose last macroblock is repainted ends with the stop bit."""
    unit = h264.next_picture(h264.FrameSize(32, 16), 1, {1: h264.Colour(50, 60, 70)})
    assert unit.endswith(bytes([50] * 256 + [60] * 64 + [70] * 64 + [0x80]))


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [("000003", "00000303"), ("000004", "000004"), ("0000000000", "00000300000300")],
)
def test_start_codes_are_escaped(raw: str, escaped: str) -> None:
    """A payload that looks like a start code gets emulation prevention."""
    bits = "".join(f"{byte:08b}" for byte in bytes.fromhex(raw))
    assert h264.nal(0x65, bits).hex() == f"65{escaped}80"
