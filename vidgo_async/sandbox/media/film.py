"""What a video looks like, as the input of a submit asks for it."""

import re
from collections.abc import Mapping
from typing import Any

import attrs

ASPECT_RATIO = re.compile(r"([1-9]\d{0,3})[:x*]([1-9]\d{0,3})", re.IGNORECASE)


@attrs.frozen
class Film:
    """Size, length and colour of a video; equal ones are the same file."""

    width: int
    height: int
    seconds: float
    seed: int

    @classmethod
    def from_input(cls, parameters: Mapping[str, Any], seed: int) -> "Film":
        """Read a submit's input; what is missing or invalid gets a default."""
        width, height = _frame_size(parameters.get("aspect_ratio", parameters.get("size")))
        return cls(width, height, _clip_length(parameters.get("duration")), seed)


def _frame_size(aspect_ratio: Any) -> tuple[int, int]:
    """Return a small size of this aspect ratio, its short side 144 pixels."""
    found = ASPECT_RATIO.fullmatch(aspect_ratio) if isinstance(aspect_ratio, str) else None
    width, height = (int(found[1]), int(found[2])) if found else (16, 9)
    short = min(width, height)
    return _side(width / short), _side(height / short)


def _side(ratio: float) -> int:
    # Even, as the codec requires. Longer strips take long to make and show nothing more.
    return 2 * round(72 * min(ratio, 4))


def _clip_length(duration: Any) -> float:
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return 6
    return min(30, max(1, duration))
