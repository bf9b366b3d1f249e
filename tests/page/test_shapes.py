"""Width and height from the first bytes of a file, of each kind and of broken ones."""

import io
import struct
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page.folders import png
from vidgo_async.page.shapes import Shape, asked_shape, file_shape
from vidgo_async.sandbox.media.mp4 import box, full_box, make_mp4


def encoded(codec: str, container: str, width: int, height: int) -> bytes:
    """Encode a black picture."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        frame.pts = 0
        output.mux([*stream.encode(frame), *stream.encode()])
    return file.getvalue()


def webp(kind: bytes, payload: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + payload


def track(width: int, height: int, matrix: tuple[int, ...] = (65536, 0, 0, 0, 65536)) -> bytes:
    numbers = struct.pack(">9i2I", *matrix, 0, 0, 0, 1 << 30, width << 16, height << 16)
    return box(b"trak", full_box(b"tkhd", bytes(36), numbers))


def mp4(*tracks: bytes) -> bytes:
    return box(b"ftyp", b"isom") + box(b"free") + box(b"moov", full_box(b"mvhd"), *tracks)


TURNED = (0, 65536, 0, -65536, 0)
WIDE = struct.pack(">I4sQ", 1, b"mdat", 16 + 5) + bytes(5)
FILES = {
    "mp4": (make_mp4(256, 144, 1), (256, 144)),
    "mp4 of an encoder": (encoded("libx264", "mp4", 144, 256), (144, 256)),
    "mp4 with sound first": (mp4(track(0, 0), track(640, 360)), (640, 360)),
    "mp4 that is turned": (mp4(track(640, 360, TURNED)), (360, 640)),
    "mp4 with a long box": (box(b"ftyp") + WIDE + mp4(track(64, 36)), (64, 36)),
    "mov": (encoded("mjpeg", "mov", 64, 48), (64, 48)),
    "png": (png(60, 40), (60, 40)),
    "jpeg": (encoded("mjpeg", "mjpeg", 62, 48), (62, 48)),
    "gif": (encoded("gif", "gif", 30, 20), (30, 20)),
    "webp, lossy": (webp(b"VP8 ", bytes(6) + struct.pack("<HH", 300, 200)), (300, 200)),
    "webp, lossless": (webp(b"VP8L", b"\x2f" + struct.pack("<I", 299 | 199 << 14) + bytes(5)), (300, 200)),
    "webp, extended": (webp(b"VP8X", bytes(4) + b"\x2b\x01\0\xc7\0\0"), (300, 200)),
}  # fmt: skip
BROKEN = {
    "nothing": b"",
    "text": b"a picture that is none",
    "png": png(60, 40)[:20],
    "png without a side": png(0, 40),
    "gif": b"GIF89a\x01",
    "webp": webp(b"ABCD", bytes(20)),
    "jpeg": b"\xff\xd8\xff\xe0",
    "jpeg without marks": b"\xff\xd8" + bytes(20),
    "jpeg with a segment too short": b"\xff\xd8\xff\xe0\0\1" + bytes(9),
    "mp4": make_mp4(256, 144, 1)[:60],
    "mp4 of sound": mp4(track(0, 0)),
    "mp4 with a short box": box(b"ftyp") + struct.pack(">I4s", 4, b"moov"),
    "mp4 whose last box has no end": box(b"ftyp") + struct.pack(">I4s", 0, b"mdat"),
    "mp4 with a huge picture": mp4(track(65535, 65535), bytes(4)).replace(b"\xff", b"\0"),
}


@pytest.mark.parametrize(("content", "size"), FILES.values(), ids=FILES)
def test_the_shape_of_a_file(content: bytes, size: tuple[int, int], tmp_path: Path) -> None:
    """Each kind of file says what shape it has."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert file_shape(path) == Shape(*size)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_files_have_none(content: bytes, tmp_path: Path) -> None:
    """A file that is broken has no shape, and is no error."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert file_shape(path) is None


@given(data=st.sampled_from([content for content, _ in FILES.values()]), change=st.data())
def test_damaged_files_are_no_error(
    data: bytes, change: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever bytes are changed: a shape or none, and no exception."""
    path = tmp_path_factory.getbasetemp() / "damaged"
    place = change.draw(st.integers(0, min(len(data) - 1, 600)))
    path.write_bytes(data[:place] + change.draw(st.binary(max_size=4)) + data[place + 4 :])
    found = file_shape(path)
    assert found is None or found.ratio > 0


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that is not there has no shape."""
    assert file_shape(tmp_path / "none.mp4") is None


@pytest.mark.parametrize(
    ("parameters", "shape"),
    [
        ({"aspect_ratio": "16:9"}, Shape(16, 9)),
        ({"size": "1024x1536"}, Shape(1024, 1536)),
        ({"aspect_ratio": "auto", "size": "4:3"}, Shape(4, 3)),
        ({"aspect_ratio": "16:0"}, None),
        ({"aspect_ratio": 1.5}, None),
        ({}, None),
    ],
)
def test_the_shape_that_was_asked_for(parameters: dict[str, object], shape: Shape | None) -> None:
    """An input's ratio or size says it, if it can be read."""
    assert asked_shape(parameters) == shape
