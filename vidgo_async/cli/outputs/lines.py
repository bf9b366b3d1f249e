"""A line on standard output or standard error; no failure to write ends the run."""

import os
from typing import TextIO


def print_line(stream: TextIO | None, line: str) -> None:
    """Write a line at once; where that fails go on without it, since videos are worth more."""
    if stream is None:  # it was closed when the program began
        return
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError:
        print_line(stream, line.encode("ascii", "backslashreplace").decode())
    except OSError:  # a closed pipe, a terminal that is gone or a full disk: drop all further lines
        with open(os.devnull, "wb") as null:  # noqa: PTH123
            os.dup2(null.fileno(), stream.fileno())
