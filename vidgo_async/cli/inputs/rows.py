"""What to generate, a row each: prompts from the command line, or the rows of a file.

The files are read before the event loop runs, and all that is wrong is named at once.
"""

import functools
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from vidgo_async._core.models import Request
from vidgo_async.cli.inputs.arguments import Defaults, RequestMaker
from vidgo_async.cli.inputs.records import PROMPT, Problem, Record, attempt
from vidgo_async.cli.inputs.tables import read_records

MAX_TEXT = 500
"""Characters of what is said of one; it may quote the row."""

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What some programs take for the end of a line, and what UTF-8 cannot carry."""


@attrs.frozen
class Row:
    """A request, and what its files may be named by."""

    line: int | None
    """Where it begins in its file; None for a prompt from the command line."""
    request: Request
    name: str | None
    """The column `name`."""
    columns: Mapping[str, str]
    """All that the row itself has, as text."""


class RowsError(ValueError):
    """All rows of a file that are wrong."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        lines_of: dict[str, list[int]] = {}
        for problem in self.problems:
            lines_of.setdefault(problem.text, []).append(problem.line)
        return "\n".join(
            f"{self.source}, {_named(lines)}: {_printable(text)}"
            for text, lines in lines_of.items()
        )


def _named(lines: Sequence[int]) -> str:
    """Name lines, those that follow each other as one: `lines 2-26, 30`."""
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    named = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)
    return f"line{'s' if len(lines) > 1 else ''} {named}"


def _printable(text: str) -> str:
    shown = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
    return "".join(each if each.isprintable() else "\ufffd" for each in shown)


def rows_of_prompts(prompts: Sequence[str], defaults: Defaults) -> list[Row]:
    """Make a row of each prompt of the command line.

    Raises:
        ValueError: A prompt or an option is wrong.
        TypeError: As above.
    """
    maker = RequestMaker(defaults, Path())
    return [Row(None, maker.make({PROMPT: prompt}), None, {PROMPT: prompt}) for prompt in prompts]


def row_of_request(request: Request) -> Row:
    """Make a row of a request that was written down, as in a journal."""
    prompt = request.input.get(PROMPT)
    columns = {PROMPT: prompt} if isinstance(prompt, str) else {}
    return Row(None, request, None, columns)


def read_rows(source: Path | None, defaults: Defaults) -> list[Row]:
    """Read the rows of a file, or of standard input.

    Paths in it are relative to its folder, or to the current one.

    Raises:
        RowsError: Rows of it are wrong.
        ValueError: It cannot be read, or has no row; or an option is wrong.
        TypeError: An option is wrong.
    """
    name = "standard input" if source is None else str(source)
    data = _read(source, name)
    make = functools.partial(_row, RequestMaker(defaults, _folder(source)))
    suffix = "" if source is None else source.suffix
    rows: list[Row] = []
    problems: list[Problem] = []
    for record in read_records(data, suffix):
        made = record if isinstance(record, Problem) else attempt(make, record.line, record)
        if isinstance(made, Problem):
            problems.append(made)
        else:
            rows.append(made)
    if problems:
        raise RowsError(name, problems)
    if not rows:
        msg = f"{name}: there is no row in it"
        raise ValueError(msg)
    return rows


def _folder(source: Path | None) -> Path:
    """Return what paths are relative to: a pipe may have a name too, in no folder of theirs."""
    return source.parent if source is not None and source.is_file() else Path()


def _read(source: Path | None, name: str) -> bytes:
    if source is None and sys.stdin is None:
        msg = "standard input is closed"
        raise ValueError(msg)
    try:
        return sys.stdin.buffer.read() if source is None else source.read_bytes()
    except OSError as error:
        msg = f"cannot read {name}: {error.strerror}"
        raise ValueError(msg) from error


def _row(maker: RequestMaker, line: int, record: Record) -> Row:
    if not record.fields and record.image is None:
        msg = "it has no prompt"
        raise ValueError(msg)
    request = maker.make(record.fields, record.model, record.image)
    return Row(line, request, record.name, record.columns)


def dump_row(row: Row) -> str:
    """Write a row in one line of JSON, as `read_rows` reads it; pictures by their absolute paths."""
    body = {"model": row.request.model, "input": row.request.input}
    named = body if row.name is None else {**body, "name": row.name}
    text = json.dumps(named, ensure_ascii=False, default=_as_text)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _as_text(value: Path) -> str:
    return str(value.absolute())
