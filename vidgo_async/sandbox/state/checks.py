"""Checks of what clients send, and the refusal of what fails one."""

import re
from typing import Any, cast

MAX_URL_LENGTH = 2048
WEB_URL = re.compile(r"https?://[^\s/?#:]\S*", re.IGNORECASE)


class RefusedError(Exception):
    """A request turned down, in the words of the API's error table."""

    def __init__(self, code: int, kind: str, message: str, loc: tuple[str, ...] = ()) -> None:
        super().__init__(code, kind, message, loc)
        self.code = code
        self.kind = kind
        self.message = message
        self.loc = loc
        """Where in the request it is wrong; only some refusals say that."""


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


def check_url(url: Any, name: str) -> None:
    """Check an address.

    Raises:
        RefusedError: It is none, or too long (400).
    """
    is_url = isinstance(url, str) and WEB_URL.fullmatch(url) is not None
    require(is_url, f"{name} must be an http(s) URL")
    require(len(url) <= MAX_URL_LENGTH, f"{name} exceeds {MAX_URL_LENGTH} characters")
