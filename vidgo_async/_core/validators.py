"""Checks of values that more than one wing makes."""

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import attrs


def positive(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a finite number above 0: a validator of attrs."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{field.name} must be a number, not {type(value).__name__}"
        raise TypeError(msg)
    if not 0 < value < math.inf:
        msg = f"{field.name} must be a number above 0, not {value}"
        raise ValueError(msg)


def check_count(name: str, value: object, minimum: int = 1) -> None:
    """Refuse what is not a whole number, or is too low."""
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name} must be a whole number, not {type(value).__name__}"
        raise TypeError(msg)
    if value < minimum:
        msg = f"{name} must be at least {minimum}, not {value}"
        raise ValueError(msg)


def count(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a whole number of at least 1: a validator of attrs."""
    check_count(field.name, value)


def is_http_url(url: str) -> bool:
    """Tell whether this is an absolute http(s) URL without white space."""
    try:
        parts = urlsplit(url)
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    printable = url.isprintable() and " " not in url
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and valid_port and printable
