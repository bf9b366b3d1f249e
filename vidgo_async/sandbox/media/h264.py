"""Write a tiny H.264 video of a moving box without an encoder library.

The first picture has one macroblock of plain samples, and DC prediction spreads
its colour; later pictures skip all macroblocks but the few that changed.
Clause and table numbers refer to ITU-T H.264.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

FRAME_RATE = 12
FRAMES_PER_MOVE = FRAME_RATE // 2

# Profile 66 with constraint_set0_flag and constraint_set1_flag is Constrained
# Baseline, which every player decodes (A.2.1.1).
PROFILE_IDC = 66
PROFILE_COMPATIBILITY = 0xC0

# level_idc and its MaxFS (table A-1), up to 5.2. Levels left out have the MaxFS
# of a listed one; the listed have the MaxMBPS that 12 such pictures a second take.
LEVELS = (
    (10, 99), (12, 396), (21, 792), (22, 1620), (31, 3600),
    (32, 5120), (40, 8192), (42, 8704), (50, 22080), (51, 36864),
)  # fmt: skip

# nal_ref_idc 3 and nal_unit_type, as the first byte of a NAL unit (table 7-1).
NAL_SLICE, NAL_IDR, NAL_SPS, NAL_PPS = 0x61, 0x65, 0x67, 0x68

# slice_type: every slice of the picture is P, or is I (table 7-6).
SLICE_P, SLICE_I = 5, 7

# mb_type of I_PCM is 25 in an I slice (table 7-11) and is 5 higher in a P
# slice, where the inter types come first (7.4.5). I_16x16_2_0_0 is DC
# prediction with no coefficients in luma or chroma (table 7-11).
PCM_IN_I, PCM_IN_P, DC_IN_I = 25, 30, 3


class Colour(NamedTuple):
    """A colour as its luma and chroma samples."""

    y: int
    cb: int
    cr: int


@dataclass(frozen=True)
class FrameSize:
    """The size of a picture in pixels and in macroblocks."""

    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse a size that the stream cannot have."""
        for name, value in (("width", self.width), ("height", self.height)):
            # 4:2:0 crops in steps of two samples (7.4.2.1.1).
            if value <= 0 or value % 2:
                msg = f"{name} must be positive and even, not {value}"
                raise ValueError(msg)

    @property
    def columns(self) -> int:
        """Count the macroblocks of a row, a partial one included."""
        return -(-self.width // 16)

    @property
    def rows(self) -> int:
        """Count the rows of macroblocks, a partial one included."""
        return -(-self.height // 16)

    @property
    def level_idc(self) -> int:
        """Find the lowest level that allows this size (A.3.1)."""
        longest = max(self.columns, self.rows)
        for level, max_fs in LEVELS:
            if self.columns * self.rows <= max_fs and longest**2 <= 8 * max_fs:
                return level
        msg = f"{self.width}x{self.height} is too large for H.264 level 5.1"
        raise ValueError(msg)


def u(bits: int, value: int) -> str:
    """Write an unsigned number of a fixed count of bits (7.2)."""
    return f"{value:0{bits}b}"


def ue(value: int) -> str:
    """Write an unsigned Exp-Golomb code (9.1); zero has the same signed one."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def nal(header: int, bits: str) -> bytes:
    """Close a bit string and wrap it as a NAL unit."""
    bits += "1"  # rbsp_stop_one_bit (7.3.2.11)
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    # Three bytes that look like a start code get an emulation prevention byte (7.4.1).
    return bytes([header]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def sps(frame: FrameSize) -> bytes:
    """Write the sequence parameter set (7.3.2.1.1)."""
    right = (frame.columns * 16 - frame.width) // 2
    bottom = (frame.rows * 16 - frame.height) // 2
    return nal(
        NAL_SPS,
        u(8, PROFILE_IDC) + u(8, PROFILE_COMPATIBILITY) + u(8, frame.level_idc)
        + ue(0) + ue(0)  # seq_parameter_set_id, log2_max_frame_num_minus4
        + ue(2)  # pic_order_cnt_type: pictures are shown as they are decoded
        + ue(1) + "0"  # max_num_ref_frames, no gaps in frame_num
        + ue(frame.columns - 1) + ue(frame.rows - 1)
        + "1" + "1"  # frame_mbs_only_flag, direct_8x8_inference_flag
        + "1" + ue(0) + ue(right) + ue(0) + ue(bottom)  # frame_cropping
        + "0",  # no VUI
    )  # fmt: skip


def pps() -> bytes:
    """Write the picture parameter set (7.3.2.2)."""
    return nal(
        NAL_PPS,
        ue(0) + ue(0)  # pic_parameter_set_id, seq_parameter_set_id
        + "0" + "0"  # CAVLC, no bottom field order
        + ue(0) + ue(0) + ue(0)  # one slice group, one reference in each list
        + "0" + u(2, 0)  # no weighted prediction
        + ue(0) + ue(0) + ue(0)  # QP, QS and chroma QP at their defaults
        + "1" + "0" + "0",  # deblocking_filter_control_present_flag
    )  # fmt: skip


def slice_header(slice_type: int, number: int, own: str) -> str:
    """Write a slice header (7.3.3); `own` are the bits of its slice type."""
    frame_num = u(4, number % 16)  # log2_max_frame_num is 4
    # slice_qp_delta 0, then disable_deblocking_filter_idc 1, to keep the box sharp.
    return ue(0) + ue(slice_type) + ue(0) + frame_num + own + ue(0) + ue(1)


def pcm(mb_type: int, colour: Colour, before: str) -> str:
    """Append an I_PCM macroblock of one colour to the bits before it."""
    bits = before + ue(mb_type)
    bits += "0" * (-len(bits) % 8)  # pcm_alignment_zero_bit (7.3.5)
    return bits + u(8, colour.y) * 256 + u(8, colour.cb) * 64 + u(8, colour.cr) * 64


def first_picture(frame: FrameSize, background: Colour) -> bytes:
    """Write the IDR picture: one I_PCM macroblock whose colour spreads."""
    # idr_pic_id, then the two flags of dec_ref_pic_marking (7.3.3.3).
    header = slice_header(SLICE_I, 0, ue(0) + "00")
    # intra_chroma_pred_mode DC and mb_qp_delta 0 (7.3.5). The coeff_token of
    # "no coefficients" depends on nC (table 9-5), and I_PCM counts as 16
    # coefficients for the macroblocks right of it and below it (9.2.1).
    spread = ue(DC_IN_I) + ue(0) + ue(0)
    token = {1: "000011", frame.columns: "000011"}
    others = range(1, frame.columns * frame.rows)
    bits = pcm(PCM_IN_I, background, header)
    return nal(NAL_IDR, bits + "".join(spread + token.get(mb, "1") for mb in others))


def next_picture(frame: FrameSize, number: int, changes: dict[int, Colour]) -> bytes:
    """Write a P picture that repaints some macroblocks and skips the rest."""
    # num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0 and
    # adaptive_ref_pic_marking_mode_flag, all 0 (7.3.3).
    bits, done = slice_header(SLICE_P, number, "000"), 0
    for mb, colour in sorted(changes.items()):
        bits = pcm(PCM_IN_P, colour, bits + ue(mb - done))  # mb_skip_run first
        done = mb + 1
    # A last mb_skip_run would be one too many after the last macroblock (7.3.4).
    left = frame.columns * frame.rows - done
    return nal(NAL_SLICE, bits + (ue(left) if left else ""))


def background_of(seed: int) -> Colour:
    """Return a colour for the seed, always darker than the box."""
    y, cb, cr = hashlib.sha256(str(seed).encode()).digest()[:3]
    return Colour(32 + y % 96, 64 + cb % 128, 64 + cr % 128)


def changes_at(frame: FrameSize, number: int, background: Colour) -> dict[int, Colour]:
    """Return the macroblocks that a picture repaints: the box, and where it was."""
    move, between = divmod(number, FRAMES_PER_MOVE)
    if between:
        return {}
    old, new = (m % frame.rows * frame.columns + m % frame.columns for m in (move - 1, move))
    # The box changes its tint too, so that a picture of one macroblock changes as well.
    return {old: background, new: Colour(220, 64 + move * 37 % 128, 64 + move * 59 % 128)}


def pictures(frame: FrameSize, count: int, seed: int) -> Iterator[bytes]:
    """Yield the NAL unit of each picture, at least one."""
    background = background_of(seed)
    yield first_picture(frame, background)
    for number in range(1, count):
        yield next_picture(frame, number, changes_at(frame, number, background))
