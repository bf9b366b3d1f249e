"""Lines on a terminal, and below them a bar that is drawn again and again.

Between two writes the cursor stays at the beginning of the bar. So the bar can be drawn over, or
erased, after the terminal was made narrower and has broken the lines of the bar anew: how many rows
they take by then is not known, and need not be. Where the terminal was made narrower just now, lines
are too long for it; it cuts them, since its own line breaks are off while a bar is drawn.
"""

from collections.abc import Callable
from typing import Protocol

from vidgo_async.progress.output import Output
from vidgo_async.progress.snapshot import Snapshot

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
BREAKS_OFF, BREAKS_ON = "\x1b[?7l", "\x1b[?7h"
ERASE_LINE, ERASE_BELOW = "\x1b[K", "\x1b[J"
MARGIN = 2
"""Rows of the terminal that stay free of the bar."""


class Renderer(Protocol):
    """Makes lines of a snapshot: `Bar`."""

    def lines(self, snapshot: Snapshot, columns: int, rows: int) -> tuple[str, ...]:
        """Return at most so many lines of at most so many columns."""
        ...


NewRenderer = Callable[[Output], Renderer]
"""Makes one, in the thread that draws."""


class Screen:
    """A stream, and the bar at its end if it is a terminal; each method waits for the terminal."""

    def __init__(self, output: Output, new_renderer: NewRenderer | None = None) -> None:
        self._output = output
        self._new_renderer = new_renderer
        self._renderer: Renderer | None = None
        self._lines: tuple[str, ...] = ()
        self._is_drawn = False

    @property
    def has_bar(self) -> bool:
        """Whether there is one to draw."""
        return self._new_renderer is not None

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the bar, or draw it anew."""
        if self._new_renderer is None or self._output.is_in_background():
            return
        self._renderer = self._renderer or self._new_renderer(self._output)
        columns, rows = self._output.size()
        # Not to the last column: erasing the rest of a line there would erase its last character.
        self._lines = self._renderer.lines(snapshot, columns - 1, max(0, rows - MARGIN))
        self._is_drawn = True
        self._output.write(HIDE_CURSOR + self._frame())

    def print(self, line: str, output: Output | None = None) -> None:
        """Write a line above the bar.

        Args:
            line: Without its end.
            output: Another stream that leads to the same terminal.
        """
        before, after = ("\r" + ERASE_BELOW, self._frame()) if self._is_drawn else ("", "")
        if output is None:
            self._output.write(f"{before}{line}\n{after}")
            return
        self._output.write(before)
        output.write(line + "\n")
        self._output.write(after)

    def close(self) -> None:
        """Erase the bar, and show the cursor."""
        if self._is_drawn:
            self._is_drawn = False
            self._output.write("\r" + ERASE_BELOW + SHOW_CURSOR)

    def _frame(self) -> str:
        """Return the bar as it is written where it begins; the cursor ends there too."""
        text = "\r" + f"{ERASE_LINE}\r\n".join(self._lines) + ERASE_LINE + ERASE_BELOW + "\r"
        if len(self._lines) > 1:
            text += f"\x1b[{len(self._lines) - 1}A"
        return BREAKS_OFF + text + BREAKS_ON
