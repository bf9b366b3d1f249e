"""Lines on standard output and standard error; no failure to write ends the run."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vidgo_async.cli.options import Common
from vidgo_async.cli.outputs.lines import print_line

VERSION = 1
"""Of the objects that `--json` prints."""


class Screen(Protocol):
    """What draws on the terminal, above which lines are written."""

    def write(self, line: str) -> None:
        """Write a result to standard output."""
        ...

    def print(self, line: str) -> None:
        """Write a line to standard error."""
        ...


class Console:
    """Where a command writes: results to standard output, everything else to standard error."""

    def __init__(self, common: Common) -> None:
        self.is_json: bool = common.json
        self.is_quiet: bool = common.quiet
        self.is_verbose: bool = common.verbose
        self.screen: Screen | None = None
        """What draws now, if anything."""

    def result(self, line: str, record: Mapping[str, Any]) -> None:
        """Write a result: a line, or an object of JSON."""
        text = json.dumps({"version": VERSION, **record}) if self.is_json else line
        if self.screen is not None:
            self.screen.write(text)
        else:
            print_line(sys.stdout, text)

    def table(self, header: Sequence[str], records: Sequence[Mapping[str, Any]]) -> None:
        """Write a table of results: its columns are the fields of the header."""
        cells = [[_cell(record.get(name)) for name in header] for record in records]
        columns = [list(header), *cells]
        widths = [max(len(row[column]) for row in columns) for column in range(len(header))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in columns]
        if not self.is_json:
            print_line(sys.stdout, lines[0])
        for line, record in zip(lines[1:], records, strict=True):
            self.result(line, record)

    def say(self, line: str) -> None:
        """Tell what happens, unless it is to be quiet."""
        if not self.is_quiet:
            self.error(line)

    def error(self, line: str) -> None:
        """Tell what went wrong, or what has to be known."""
        if self.screen is not None:
            self.screen.print(line)
        else:
            print_line(sys.stderr, line)


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(char if char.isprintable() else " " for char in text)
