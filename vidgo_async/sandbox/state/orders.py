"""What a client may ask for: the body of a submit, checked, and the video that it describes."""

import re
from collections.abc import Mapping
from typing import Any, cast

import attrs

MAX_URL_LENGTH = 2048
MAX_PROMPT_LENGTHS = {"grok-imagine": 5000}
"""The models that cannot do without a prompt, and how many characters it may have."""

WEB_URL = re.compile(r"https?://[^\s/?#:]\S*", re.IGNORECASE)
ASPECT_RATIO = re.compile(r"([1-9]\d{0,3})[:x*]([1-9]\d{0,3})", re.IGNORECASE)


class RefusedError(Exception):
    """A request turned down, in the words of the API's error table."""

    def __init__(self, code: int, kind: str, message: str, loc: tuple[str, ...] = ()) -> None:
        super().__init__(code, kind, message, loc)
        self.code = code
        self.kind = kind
        self.message = message
        self.loc = loc
        """Where in the request it is wrong; only some refusals say that."""


@attrs.frozen
class Order:
    """The body of a submit, as received."""

    model: str
    input: dict[str, Any]
    callback_url: str | None = None


def read_order(body: Any) -> Order:
    """Check the decoded body of a submit.

    Raises:
        RefusedError: It is not a valid order (400).
    """
    fields = as_object(body, "the body")
    model = fields.get("model", "")
    require(isinstance(model, str) and model != "", "model must be a non-empty string")
    given = as_object(fields.get("input", {}), "input")
    if model in MAX_PROMPT_LENGTHS:
        _check_prompt(given.get("prompt"), MAX_PROMPT_LENGTHS[model])
    if "callback_url" in fields:
        check_url(fields["callback_url"], "callback_url")
    return Order(model, given, fields.get("callback_url"))


def require(holds: bool, message: str) -> None:
    """Refuse what does not hold.

    Raises:
        RefusedError: It does not (400).
    """
    if not holds:
        raise RefusedError(400, "validation_error", message)


def as_object(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        RefusedError: It is none (400).
    """
    require(isinstance(value, dict), f"{name} must be an object")
    return cast("dict[str, Any]", value)


def _check_prompt(prompt: Any, max_length: int) -> None:
    require(isinstance(prompt, str) and prompt.strip() != "", "input.prompt is required")
    require(len(prompt) <= max_length, f"input.prompt exceeds {max_length} characters")


def check_url(url: Any, name: str) -> None:
    """Check an address.

    Raises:
        RefusedError: It is none, or too long (400).
    """
    is_url = isinstance(url, str) and WEB_URL.fullmatch(url) is not None
    require(is_url, f"{name} must be an http(s) URL")
    require(len(url) <= MAX_URL_LENGTH, f"{name} exceeds {MAX_URL_LENGTH} characters")


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
