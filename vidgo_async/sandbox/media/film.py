"""What a video looks like."""

import re
from collections.abc import Mapping
from typing import Any

import attrs

ASPECT_RATIO = re.compile(r"([1-9]\d{0,3})[:x*]([1-9]\d{0,3})", re.IGNORECASE)


@attrs.frozen
class Film:
    """The looks of a video: equal ones are the same file."""

    width: int
    height: int
    seconds: float
    seed: int

    @classmethod
    def asked_for(cls, wishes: Mapping[str, Any], seed: int) -> "Film":
        """Read the wishes out of a submit's input; what makes no sense gets a default."""
        width, height = _frame_size(wishes.get("aspect_ratio", wishes.get("size")))
        return cls(width, height, _clip_length(wishes.get("duration")), seed)


def _frame_size(shape: Any) -> tuple[int, int]:
    """Return a small picture of the shape, its short side 144 pixels."""
    found = ASPECT_RATIO.fullmatch(shape) if isinstance(shape, str) else None
    width, height = (int(found[1]), int(found[2])) if found else (16, 9)
    short = min(width, height)
    return _side(width / short), _side(height / short)


def _side(ratio: float) -> int:
    # Even, as the codec wants it; a strip longer than this would only be slow to make.
    return 2 * round(72 * min(ratio, 4))


def _clip_length(duration: Any) -> float:
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return 6
    return min(30, max(1, duration))
