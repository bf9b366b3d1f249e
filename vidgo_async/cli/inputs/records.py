"""Rows as they are read from a file, of whatever format."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import attrs

MODEL, NAME, IMAGE, PROMPT, INPUT = "model", "name", "image", "prompt", "input"
BESIDE_INPUT = (MODEL, NAME, IMAGE)
"""What a row has that is no field of its model."""
TEXTS = (*BESIDE_INPUT, PROMPT)
"""Columns that hold text, even one that could be read as JSON."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@attrs.frozen
class Problem:
    """What is wrong with a row."""

    line: int
    text: str


@attrs.frozen
class Record:
    """A row as it was read; nothing is known yet about its model."""

    line: int
    """Where it begins."""
    fields: Mapping[str, Any]
    """The input of its request, as far as it is in the row."""
    columns: Mapping[str, str]
    """All that the row has, as text."""
    model: str | None = attrs.field(default=None, kw_only=True)
    name: str | None = attrs.field(default=None, kw_only=True)
    image: str | None = attrs.field(default=None, kw_only=True)


def attempt(make: Callable[[int, _Given], _Made], line: int, given: _Given) -> _Made | Problem:
    """Make something of a row, or a problem of what is wrong with it."""
    try:
        return make(line, given)
    except RecursionError:
        return Problem(line, "it is nested too deeply")
    except (ValueError, TypeError) as error:
        return Problem(line, str(error))


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    r"""Number the lines that are not blank; only \n ends one, and \r\n."""
    for number, line in enumerate(text.split("\n"), 1):
        if stripped := line.strip():
            yield number, stripped


def is_sent(column: str) -> bool:
    """Tell whether a column is a parameter; what begins with _ is for names and people alone."""
    return not column.startswith("_")


def check_case(columns: Iterable[str]) -> None:
    """Refuse `Prompt` for `prompt`: it would be a field that no model has."""
    for column in columns:
        meant = column.strip().lower()
        if meant in TEXTS and column != meant:
            msg = f"the column {column!r} is written {meant!r}"
            raise ValueError(msg)
