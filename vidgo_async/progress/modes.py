"""How a batch is shown: what was asked for, and what fits where it is shown."""

import os
import sys
from enum import StrEnum
from typing import Any, TextIO

import attrs


class Mode(StrEnum):
    """How a batch is shown."""

    AUTO = "auto"
    """A bar on a terminal, a display in a notebook, lines elsewhere."""
    BAR = "bar"
    """As `AUTO`, and also on a terminal that says of itself that it is dumb."""
    TEXT = "text"
    """A line at each end, and one every 30 seconds."""
    NONE = "none"
    """Only failures, and the lines that the caller prints."""


@attrs.frozen
class Place:
    """Where a batch is shown."""

    is_terminal: bool
    is_dumb: bool
    """Whether it understands no control sequences."""
    is_notebook: bool


def find_place(stream: TextIO | None, chosen: TextIO | None) -> Place:
    """Tell what a stream is.

    Args:
        stream: Where lines go; None where the process has no such stream.
        chosen: The stream that the caller named, if any: then it is no notebook.
    """
    return Place(
        is_terminal=is_terminal(stream),
        is_dumb=os.environ.get("TERM") in {"dumb", "unknown"} or _is_legacy_windows(),
        is_notebook=chosen is None and _is_notebook(),
    )


def fitting(mode: Mode, place: Place) -> Mode:
    """Return what a mode means there: of `AUTO` and `BAR`, either `BAR` or `TEXT`."""
    if mode not in {Mode.AUTO, Mode.BAR}:
        return mode
    # A pipe is no terminal, whatever FORCE_COLOR says.
    can_draw = place.is_terminal and (mode is Mode.BAR or not place.is_dumb)
    return Mode.BAR if can_draw or place.is_notebook else Mode.TEXT


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is an open terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def _is_notebook() -> bool:
    """Tell whether this runs in a kernel of Jupyter, without importing IPython."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")  # IPython in a terminal has none


def _is_legacy_windows() -> bool:
    """Tell whether this is a console of Windows that knows no control sequences."""
    if os.name != "nt":
        return False
    try:
        from rich.console import detect_legacy_windows  # noqa: PLC0415 - an extra
    except ImportError:
        return False
    return detect_legacy_windows()
