"""A terminal as a person sees it: pyte draws what was written."""

import io
import threading
from typing import Any

import anyio.to_thread
import pyte


class Terminal(io.StringIO):
    """A stream that is a terminal of some size.

    Args:
        encoding: That of the stream.
        reflows: Whether it breaks its lines anew when its width changes, as most of today do.
    """

    def __init__(
        self, columns: int = 80, rows: int = 24, *, encoding: str = "utf-8", reflows: bool = False
    ) -> None:
        super().__init__()
        self._encoding = encoding
        self._reflows = reflows
        self._screen = pyte.HistoryScreen(columns, rows, history=1000, ratio=0.5)
        self._screen.set_mode(pyte.modes.LNM)  # as the line discipline of a terminal does
        self._feed = pyte.Stream(self._screen)
        self.writes: list[str] = []
        self.most = 0
        """The most rows that were in use below the cursor, its own included."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self.closed:
            raise ValueError(text)
        _ = text.encode(self._encoding)  # a real stream would raise
        self.writes.append(text)
        self._feed.feed(text)
        used = [row for row, line in enumerate(self._screen.display) if line.strip()]
        self.most = max(self.most, max(used, default=0) - self._screen.cursor.y + 1)
        return len(text)

    @property
    def size(self) -> tuple[int, int]:
        return self._screen.columns, self._screen.lines

    @property
    def lines(self) -> list[str]:
        """What is on the screen and was scrolled off it, without empty lines."""
        shown = [line.rstrip() for line in self._screen.display]
        above = [_as_text(line, self._screen.columns) for line in self._screen.history.top]
        return [line for line in [*above, *shown] if line]

    @property
    def shows_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    @property
    def frames(self) -> int:
        """How often a bar was drawn."""
        return "".join(self.writes).count("\x1b[?7l")

    def resize(self, columns: int, rows: int) -> None:
        if self._reflows:
            self._reflow(columns, rows)
            return
        # As xterm: rows are cut off below the cursor. (pyte takes them from the top.)
        assert self._screen.cursor.y < rows
        for row in range(rows, self._screen.lines):
            self._screen.buffer.pop(row, None)
        self._screen.lines = rows
        self._screen.margins = None
        self._screen.resize(rows, columns)

    def _reflow(self, columns: int, rows: int) -> None:
        before, hidden = self._screen, self._screen.cursor.hidden
        self._screen = pyte.HistoryScreen(columns, rows, history=1000, ratio=0.5)
        self._screen.set_mode(pyte.modes.LNM)
        self._feed = pyte.Stream(self._screen)
        lines = [line.rstrip() for line in before.display]
        while len(lines) > before.cursor.y + 1 and not lines[-1]:
            del lines[-1]
        above = [_as_text(line, before.columns) for line in before.history.top]
        self._feed.feed("".join(line + "\n" for line in [*above, *lines[: before.cursor.y]]))
        at = self._screen.cursor.y
        below = [part for line in lines[before.cursor.y :] for part in _broken(line, columns)]
        self._feed.feed("\n".join(below[: rows - at]))  # the cursor stays on the screen
        self._screen.cursor.y, self._screen.cursor.x = at, 0
        self._screen.cursor.hidden = hidden


class Paused(Terminal):
    """A terminal that can be paused, as with Ctrl-S: a write to it then waits."""

    def __init__(self) -> None:
        super().__init__()
        self._takes = threading.Event()
        self._takes.set()
        self._waits = threading.Event()

    def write(self, text: str, /) -> int:
        if not self._takes.is_set():
            self._waits.set()
            self._takes.wait()
        return super().write(text)

    def stop(self) -> None:
        self._takes.clear()

    async def pause(self) -> None:
        """Stop it, and wait until a write waits for it."""
        self.stop()
        await anyio.to_thread.run_sync(self._waits.wait)

    def go_on(self) -> None:
        self._takes.set()


def _broken(line: str, columns: int) -> list[str]:
    return [line[at : at + columns] for at in range(0, len(line), columns)] or [""]


def _as_text(line: Any, columns: int) -> str:
    return "".join(line[column].data for column in range(columns)).rstrip()
