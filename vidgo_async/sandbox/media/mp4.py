"""Put the tiny H.264 video into an MP4 file that starts to play at once.

Clause numbers refer to ISO/IEC 14496-12, the ISO base media file format,
unless they name ISO/IEC 14496-15, the carriage of H.264 in it.
"""

import math
import struct

from vidgo_async.sandbox.media import h264

TICKS_PER_FRAME = 1000
TIMESCALE = h264.FRAME_RATE * TICKS_PER_FRAME

# The matrix that leaves the picture as it is, in 16.16 and 2.30 (8.2.2).
UNITY_MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
LANGUAGE_UNDETERMINED = 0x55C4  # "und" in three times five bits (8.4.2)
SELF_CONTAINED = 1  # the media is in this same file (8.7.2)
TRACK_ENABLED_IN_MOVIE = 3  # track_enabled and track_in_movie (8.3.2)


def make_mp4(width: int, height: int, seconds: float, *, seed: int = 0) -> bytes:
    """Make a playable MP4 of a box that moves over a plain background.

    Args:
        width: Width in pixels, positive and even.
        height: Height in pixels, positive and even.
        seconds: Length; rounded to whole frames, at least one.
        seed: Chooses the background colour.

    Returns:
        The bytes of the file; the same arguments give the same bytes.

    Raises:
        ValueError: The size is odd, not positive or too large, or the length
            is not a positive finite number.
    """
    if not 0 < seconds < math.inf:
        msg = f"seconds must be positive and finite, not {seconds}"
        raise ValueError(msg)
    frame = h264.FrameSize(width, height)
    count = round(seconds * h264.FRAME_RATE)
    samples = [sample(unit) for unit in h264.pictures(frame, count, seed)]
    sizes = [len(each) for each in samples]
    # moov comes before the media so that playing can start during the download.
    # Its length does not depend on the offset in it, so it is made twice: first to measure it.
    head = file_type() + movie(frame, sizes, 0)
    offset = len(head) + len(box(b"mdat"))
    return file_type() + movie(frame, sizes, offset) + box(b"mdat", *samples)


def sample(unit: bytes) -> bytes:
    """Prefix a NAL unit with its length (ISO/IEC 14496-15, 5.3.2)."""
    return struct.pack(">I", len(unit)) + unit


def box(kind: bytes, *parts: bytes) -> bytes:
    """Write a box: its size, its kind and its content (4.2)."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    """Write a box that starts with version 0 and flags (4.2)."""
    return box(kind, struct.pack(">I", flags), *parts)


def numbers(*values: int) -> bytes:
    """Write 32-bit numbers, as most fields of a full box are."""
    return struct.pack(f">{len(values)}I", *values)


def file_type() -> bytes:
    """State which brands of the format the file follows (4.3)."""
    return box(b"ftyp", b"isom", numbers(512), b"isomavc1mp41")


def movie(frame: h264.FrameSize, sizes: list[int], offset: int) -> bytes:
    """Describe the whole file (8.2.1)."""
    duration = len(sizes) * TICKS_PER_FRAME
    return box(b"moov", movie_header(duration), track(frame, sizes, offset))


def movie_header(duration: int) -> bytes:
    """State the time scale and the length of the movie (8.2.2)."""
    return full_box(
        b"mvhd",
        numbers(0, 0, TIMESCALE, duration),
        struct.pack(">IH10x", 1 << 16, 1 << 8),  # rate 1.0, volume 1.0
        UNITY_MATRIX,
        bytes(24),  # pre_defined
        numbers(2),  # next_track_ID
    )


def track(frame: h264.FrameSize, sizes: list[int], offset: int) -> bytes:
    """Describe the one track (8.3.1)."""
    duration = len(sizes) * TICKS_PER_FRAME
    return box(
        b"trak",
        track_header(frame, duration),
        box(
            b"mdia",
            full_box(b"mdhd", numbers(0, 0, TIMESCALE, duration, LANGUAGE_UNDETERMINED << 16)),
            full_box(b"hdlr", bytes(4), b"vide", bytes(12), b"VideoHandler\0"),
            media_information(frame, sizes, offset),
        ),
    )


def track_header(frame: h264.FrameSize, duration: int) -> bytes:
    """State the track's number, length and size on the screen (8.3.2)."""
    return full_box(
        b"tkhd",
        numbers(0, 0, 1, 0, duration),  # track_ID 1
        bytes(16),  # layer, alternate_group, volume of a silent track
        UNITY_MATRIX,
        numbers(frame.width << 16, frame.height << 16),
        flags=TRACK_ENABLED_IN_MOVIE,
    )


def media_information(frame: h264.FrameSize, sizes: list[int], offset: int) -> bytes:
    """State where the media is and how it is laid out (8.4.4)."""
    return box(
        b"minf",
        full_box(b"vmhd", bytes(8), flags=1),  # (12.1.2) fixes flags to 1
        box(b"dinf", full_box(b"dref", numbers(1), full_box(b"url ", flags=SELF_CONTAINED))),
        sample_table(frame, sizes, offset),
    )


def sample_table(frame: h264.FrameSize, sizes: list[int], offset: int) -> bytes:
    """State when each sample is shown, its length and its place (8.5.1)."""
    count = len(sizes)
    return box(
        b"stbl",
        full_box(b"stsd", numbers(1), sample_entry(frame)),
        full_box(b"stts", numbers(1, count, TICKS_PER_FRAME)),
        full_box(b"stss", numbers(1, 1)),  # only the first is a sync sample
        full_box(b"stsc", numbers(1, 1, count, 1)),  # all samples in one chunk
        full_box(b"stsz", numbers(0, count, *sizes)),
        full_box(b"stco", numbers(1, offset)),
    )


def sample_entry(frame: h264.FrameSize) -> bytes:
    """Describe the format of the samples (12.1.3)."""
    return box(
        b"avc1",
        struct.pack(">6xH16x", 1),  # data_reference_index
        struct.pack(">2H", frame.width, frame.height),
        numbers(72 << 16, 72 << 16, 0),  # 72 dpi, as the clause fixes it
        struct.pack(">H32xHh", 1, 0x18, -1),  # one frame a sample, colour, pre_defined
        box(b"avcC", decoder_configuration(frame)),
    )


def decoder_configuration(frame: h264.FrameSize) -> bytes:
    """Write the parameter sets for the decoder (ISO/IEC 14496-15, 5.3.3)."""
    sps, pps = h264.sps(frame), h264.pps()
    # Version 1, then profile and level as the SPS has them in its bytes 1 to 3.
    # The ones are reserved bits around "lengths take 4 bytes" and "1 SPS".
    start = b"\x01" + sps[1:4] + bytes([0b11111100 | 3, 0b11100000 | 1])
    return start + struct.pack(">H", len(sps)) + sps + struct.pack(">BH", 1, len(pps)) + pps
