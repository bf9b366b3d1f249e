"""A real pseudo-terminal, and what a person sees on it."""

import contextlib
import os
import select
import termios

import pyte


class Screen:
    """A real pseudo-terminal, and what a person sees on it."""

    def __init__(self, columns: int, rows: int) -> None:
        self._terminal, self.descriptor = os.openpty()
        self._screen = pyte.Screen(columns, rows)
        self._feed = pyte.ByteStream(self._screen)
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self.descriptor, (rows, columns))
        self._screen.resize(rows, columns)

    def type(self, key: bytes) -> None:
        os.write(self._terminal, key)

    def read(self) -> bool:
        """Show what comes within a moment, if anything does."""
        if not select.select([self._terminal], [], [], 0.1)[0]:
            return False
        self._feed.feed(os.read(self._terminal, 10_000))
        return True

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def shows_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    def close(self) -> None:
        for descriptor in self.descriptor, self._terminal:
            with contextlib.suppress(OSError):  # a test has closed it
                os.close(descriptor)
