"""Checks of what clients send, and the refusal that a failed one raises."""

import re
from typing import Any, cast

MAX_URL_LENGTH = 2048
WEB_URL = re.compile(r"https?://[^\s/?#:]\S*", re.IGNORECASE)


class RefusedError(Exception):
    """A request that is refused, with a code and a type of the API's error table."""

    def __init__(self, code: int, kind: str, message: str, loc: tuple[str, ...] = ()) -> None:
        super().__init__(code, kind, message, loc)
        self.code = code
        self.kind = kind
        self.message = message
        self.loc = loc
        """The place in the request that is invalid; empty for most refusals."""


def require(condition: bool, message: str) -> None:
    """Check a condition.

    Raises:
        RefusedError: It is false (400).
    """
    if not condition:
        raise RefusedError(400, "validation_error", message)


def as_object(value: Any, name: str) -> dict[str, Any]:
    """Return a value that must be a JSON object.

    Raises:
        RefusedError: It is not one (400).
    """
    require(isinstance(value, dict), f"{name} must be an object")
    return cast("dict[str, Any]", value)


def check_url(url: Any, name: str) -> None:
    """Check that a value is an http(s) URL.

    Raises:
        RefusedError: It is not one, or it is too long (400).
    """
    is_url = isinstance(url, str) and WEB_URL.fullmatch(url) is not None
    require(is_url, f"{name} must be an http(s) URL")
    require(len(url) <= MAX_URL_LENGTH, f"{name} exceeds {MAX_URL_LENGTH} characters")
