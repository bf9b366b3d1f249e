"""Files of rows: a prompt a line, a table with a header (CSV), or a JSON object a line.

What is wrong with a row becomes a `Problem`, so that all of them can be named at once.
"""

import codecs
import csv
import functools
import io
import re
from collections.abc import Callable, Iterator, Sequence

from vidgo_async.cli.inputs.arguments import read_value
from vidgo_async.cli.inputs.json_rows import read_json_lines
from vidgo_async.cli.inputs.records import (
    BESIDE_INPUT,
    PROMPT,
    TEXTS,
    Problem,
    Record,
    attempt,
    check_case,
    is_sent,
    lines_of,
)

_DELIMITERS = (",", ";", "\t")
_COLUMN = re.compile(r"\w[\w.-]*")
_JSON_ROW = re.compile(r"\s*(?:\{|\[\s*\{)")
"""How JSON begins; a prompt may begin with a bracket too."""
_NO_CSV = "from here on it is no CSV: a quote is not closed, or a line ends in CR alone"


def read_records(data: bytes, suffix: str) -> Iterator[Record | Problem]:
    """Read the rows of a file, whose suffix may say what it is; else its content does."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        yield Problem(_line_of(error.object, error.start), "it is not UTF-8; save it as UTF-8")
        return
    if (at := text.find("\0")) >= 0:
        problem = "it holds a NUL, as UTF-16 does; save it as UTF-8"
        yield Problem(text.count("\n", 0, at) + 1, problem)
        return
    yield from _format(text, suffix.lower())(text)


def _line_of(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _format(text: str, suffix: str) -> Callable[[str], Iterator[Record | Problem]]:
    match suffix:
        case ".txt":
            return _read_text
        case ".csv" | ".tsv":
            return _read_table
        case ".jsonl" | ".ndjson" | ".json":
            return read_json_lines
        case _ if _JSON_ROW.match(text):
            return read_json_lines
        case _:
            return _read_table if _is_header(_header(text)[1]) else _read_prompts


# --- A prompt a line ------------------------------------------------------------------------


def _read_text(text: str) -> Iterator[Record | Problem]:
    """Read a text; one that is a table or JSON would be bought as prompts."""
    if _JSON_ROW.match(text) or _is_header(_header(text)[1]):
        yield Problem(1, "it has the form of a table or of JSON; name it .csv or .jsonl")
        return
    yield from _read_prompts(text)


def _read_prompts(text: str) -> Iterator[Record]:
    """Read prompts; a line that begins with # is a comment."""
    for number, line in lines_of(text):
        if not line.startswith("#"):
            yield Record(number, {PROMPT: line}, {PROMPT: line})


# --- A table with a header ------------------------------------------------------------------


def _header(text: str) -> tuple[str, list[str]]:
    """Return the delimiter of a table and its columns, as far as the first line shows them."""
    _, line = next(lines_of(text), (0, ""))
    found = [(each, [_bare(cell) for cell in line.split(each)]) for each in _DELIMITERS]
    return max(found, key=lambda pair: (PROMPT in pair[1], len(pair[1])))


def _bare(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _is_header(columns: Sequence[str]) -> bool:
    """Tell a table from prompts by its first line."""
    if PROMPT in columns:
        return True
    are_names = len(columns) > 1 and all(_COLUMN.fullmatch(column) for column in columns)
    return are_names and any(column in TEXTS for column in columns)


def _read_table(text: str) -> Iterator[Record | Problem]:
    rows = _table_rows(text)
    first = next(rows, None)
    if first is None:
        return
    columns = first if isinstance(first, Problem) else attempt(_checked_columns, *first)
    if isinstance(columns, Problem):
        yield columns
        return
    read = functools.partial(_of_cells, columns)
    for row in rows:
        yield row if isinstance(row, Problem) else attempt(read, *row)


def _table_rows(text: str) -> Iterator[tuple[int, list[str]] | Problem]:
    """Number the rows that are not blank by the line that each begins in."""
    delimiter, _ = _header(text)
    # Strict, since a quote that is not closed would make one cell of all that follows.
    reader = csv.reader(
        io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:  # where the next row begins is not known
            yield Problem(line, _NO_CSV)
            return
        if any(cells):
            yield line, cells


def _checked_columns(_: int, columns: list[str]) -> list[str]:
    for column in columns:
        if not _COLUMN.fullmatch(column):
            msg = f"the first line names the columns, and {column[:80]!r} is no name of one"
            raise ValueError(msg)
        if columns.count(column) > 1:
            msg = f"the column {column!r} is there twice"
            raise ValueError(msg)
    check_case(columns)
    return columns


def _of_cells(columns: list[str], line: int, cells: list[str]) -> Record:
    if len(cells) > len(columns):
        msg = (
            f"it has {len(cells)} cells, and the header has {len(columns)}; a cell may need quotes"
        )
        raise ValueError(msg)
    row = {column: cell for column, cell in zip(columns, cells, strict=False) if cell}
    fields = {
        column: cell if column == PROMPT else read_value(cell)
        for column, cell in row.items()
        if column not in BESIDE_INPUT and is_sent(column)
    }
    beside = {name: row.get(name) for name in BESIDE_INPUT}
    return Record(line, fields, row, **beside)
