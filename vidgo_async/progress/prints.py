"""Where `print()` of the caller goes while there is a bar on the terminal: above it."""

import io
import sys
from collections.abc import Callable
from typing import BinaryIO, TextIO, cast

from vidgo_async.progress.modes import is_terminal

Emit = Callable[[str, TextIO], None]
"""Writes a line to a stream; called in any thread."""


class Prints:
    """Takes the place of `sys.stdout` and `sys.stderr` where they are terminals."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._replaced: dict[str, Printed] = {}

    def open(self) -> None:
        """Take what is printed from now on."""
        for name in "stdout", "stderr":
            stream = cast("TextIO | None", getattr(sys, name))
            if stream is not None and is_terminal(stream):
                self._replaced[name] = Printed(stream, self._emit)
                setattr(sys, name, self._replaced[name])

    def close(self) -> None:
        """Put the streams back, unless others have replaced them since."""
        for name, printed in self._replaced.items():
            printed.close_emit()
            if getattr(sys, name) is printed:
                setattr(sys, name, printed.stream)
        self._replaced.clear()


class Printed(io.TextIOBase):
    """A stream that hands on whole lines; all else is that of the stream it stands for."""

    def __init__(self, stream: TextIO, emit: Emit) -> None:
        self.stream: TextIO = stream
        self._emit: Emit | None = emit
        self._rest = ""

    def write(self, text: str, /) -> int:
        """Hand on the lines that are complete."""
        if self._emit is None:  # a logging handler, say, has kept it
            return self.stream.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._emit(line, self.stream)
        return len(text)

    def flush(self) -> None:
        """Hand on the line that is not complete, such as a question."""
        if self._emit is None:
            self.stream.flush()
        elif self._rest:
            line, self._rest = self._rest, ""
            self._emit(line, self.stream)

    def close_emit(self) -> None:
        """Hand on the rest; from now on write to the stream itself."""
        self.flush()
        self._emit = None

    def isatty(self) -> bool:
        """True: it stands for a terminal."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """Return the terminal's."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The terminal's."""
        return self.stream.encoding

    @property
    def buffer(self) -> BinaryIO:
        """The terminal's, past the bar."""
        return self.stream.buffer
