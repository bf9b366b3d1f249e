"""A stream as a thread writes to it: any encoding, and no failure to write reaches the batch."""

import io
import os
import select
from typing import TextIO

FALLBACK = (80, 24)
"""Columns and rows of a terminal that does not tell."""


class Output:
    """A stream; what its encoding lacks is escaped, and after the first failure it takes nothing.

    Where the stream is a plain file or terminal, bytes go past Python's buffer. A write to a paused
    terminal may never end, and the lock of the buffer would then be held when the process exits.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream: TextIO | None = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"
        # A console of Windows takes no bytes; in a notebook or a test the stream is no file.
        self._is_file = os.name == "posix" and _has_descriptor(stream)
        self._is_broken = False

    def write(self, text: str) -> None:
        """Write text, and wait until it is taken: in a thread."""
        stream = self.stream
        if stream is None or self._is_broken:
            return
        data = text.encode(self.encoding, "backslashreplace")
        try:
            if self._is_file:
                stream.flush()  # what others wrote comes first
                _write_all(stream.fileno(), data)
            else:
                stream.write(data.decode(self.encoding))
                stream.flush()
        except (OSError, ValueError):  # a pipe or file that is closed, a terminal that is gone
            self._is_broken = True

    def encodable(self, text: str) -> str:
        """Return text with a question mark for each character that the encoding lacks."""
        return text.encode(self.encoding, "replace").decode(self.encoding)

    def size(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal."""
        try:
            found = os.get_terminal_size(self.stream.fileno() if self.stream else -1)
        except (OSError, ValueError):  # it is gone, or no terminal
            return FALLBACK
        return found if all(found) else FALLBACK

    def is_in_background(self) -> bool:
        """Tell whether the terminal is that of a shell which goes on meanwhile, after `&`."""
        try:
            return os.tcgetpgrp(self.stream.fileno() if self.stream else -1) != os.getpgrp()
        except (OSError, ValueError, AttributeError):  # no terminal of this process; Windows
            return False

    def is_same_as(self, other: "Output") -> bool:
        """Tell whether both lead to one terminal, file or pipe."""
        if self.stream is None or other.stream is None:
            return False
        try:
            if self.stream.isatty() and other.stream.isatty():
                return True
            first, second = os.fstat(self.stream.fileno()), os.fstat(other.stream.fileno())
        except (OSError, ValueError):  # closed, or no file
            return self.stream is other.stream
        return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _has_descriptor(stream: TextIO | None) -> bool:
    """Tell whether a stream is a file of the system; that of a captured test is none."""
    if not isinstance(stream, io.TextIOWrapper):
        return False
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError):
        return False


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another process that has it too made it non-blocking
            _ = select.select((), (descriptor,), ())
