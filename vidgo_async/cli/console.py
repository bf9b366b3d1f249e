"""Lines and tables on standard output and standard error; no failure to write ends the run."""

import os
from collections.abc import Sequence
from typing import TextIO


def print_line(stream: TextIO, line: str) -> None:
    """Write a line at once; where that fails go on without it, since videos are worth more."""
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError:
        print_line(stream, line.encode("ascii", "backslashreplace").decode())
    except OSError:  # a closed pipe, a terminal that is gone or a full disk: drop all further lines
        with open(os.devnull, "wb") as null:  # noqa: PTH123
            os.dup2(null.fileno(), stream.fileno())


def print_table(stream: TextIO, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write rows of text, number and text in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for text, number, last in rows:
        print_line(stream, f"{text:<{widths[0]}}  {number:>{widths[1]}}  {last}")
