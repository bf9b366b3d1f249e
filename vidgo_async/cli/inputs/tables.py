"""Files of rows: a prompt a line, a table with a header (CSV), or a JSON object a line.

What is wrong with a row becomes a `Problem`, so that all of them can be named at once.
"""

import codecs
import csv
import functools
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, cast

import attrs

from vidgo_async.cli.inputs.arguments import read_value

MODEL, NAME, IMAGE, PROMPT, INPUT = "model", "name", "image", "prompt", "input"
_BESIDE_INPUT = (MODEL, NAME, IMAGE)
"""What a row has that is no field of its model."""
_TEXTS = (*_BESIDE_INPUT, PROMPT)
"""Columns that hold text, even one that could be read as JSON."""
_DELIMITERS = (",", ";", "\t")
_COLUMN = re.compile(r"\w[\w.-]*")
_JSON_ROW = re.compile(r"\s*(?:\{|\[\s*\{)")
"""How JSON begins; a prompt may begin with a bracket too."""
_ONE_A_LINE = "give one JSON object a line, without a list around them (jq -c '.[]' does that)"
_NO_CSV = "from here on it is no CSV: a quote is not closed, or a line ends in CR alone"

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@attrs.frozen
class Problem:
    """What is wrong with a row."""

    line: int
    text: str


@attrs.frozen
class Record:
    """A row as it was read; nothing is known yet about its model."""

    line: int
    """Where it begins."""
    fields: Mapping[str, Any]
    """The input of its request, as far as it is in the row."""
    columns: Mapping[str, str]
    """All that the row has, as text."""
    model: str | None = attrs.field(default=None, kw_only=True)
    name: str | None = attrs.field(default=None, kw_only=True)
    image: str | None = attrs.field(default=None, kw_only=True)


def attempt(make: Callable[[int, _Given], _Made], line: int, given: _Given) -> _Made | Problem:
    """Make something of a row, or a problem of what is wrong with it."""
    try:
        return make(line, given)
    except RecursionError:
        return Problem(line, "it is nested too deeply")
    except (ValueError, TypeError) as error:
        return Problem(line, str(error))


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
            return _read_json_lines
        case _ if _JSON_ROW.match(text):
            return _read_json_lines
        case _:
            return _read_table if _is_header(_header(text)[1]) else _read_prompts


def _lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Number the lines that are not blank; only \n ends one, and \r\n."""
    for number, line in enumerate(text.split("\n"), 1):
        if stripped := line.strip():
            yield number, stripped


# --- A prompt a line ------------------------------------------------------------------------


def _read_text(text: str) -> Iterator[Record | Problem]:
    """Read a text; one that is a table or JSON would be bought as prompts."""
    if _JSON_ROW.match(text) or _is_header(_header(text)[1]):
        yield Problem(1, "it has the form of a table or of JSON; name it .csv or .jsonl")
        return
    yield from _read_prompts(text)


def _read_prompts(text: str) -> Iterator[Record]:
    """Read prompts; a line that begins with # is a comment."""
    for number, line in _lines(text):
        if not line.startswith("#"):
            yield Record(number, {PROMPT: line}, {PROMPT: line})


# --- A table with a header ------------------------------------------------------------------


def _header(text: str) -> tuple[str, list[str]]:
    """Return the delimiter of a table and its columns, as far as the first line shows them."""
    _, line = next(_lines(text), (0, ""))
    found = [(each, [_bare(cell) for cell in line.split(each)]) for each in _DELIMITERS]
    return max(found, key=lambda pair: (PROMPT in pair[1], len(pair[1])))


def _bare(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _is_header(columns: Sequence[str]) -> bool:
    """Tell a table from prompts by its first line."""
    if PROMPT in columns:
        return True
    are_names = len(columns) > 1 and all(_COLUMN.fullmatch(column) for column in columns)
    return are_names and any(column in _TEXTS for column in columns)


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
    _check_case(columns)
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
        if column not in _BESIDE_INPUT
    }
    beside = {name: row.get(name) for name in _BESIDE_INPUT}
    return Record(line, fields, row, **beside)


# --- A JSON object a line -------------------------------------------------------------------


def _read_json_lines(text: str) -> Iterator[Record | Problem]:
    for number, line in _lines(text):
        if line.startswith("["):
            yield Problem(number, _ONE_A_LINE)
            return
        yield attempt(_of_json, number, line)


def _of_json(line: int, text: str) -> Record:
    row = _load(text)
    if not isinstance(row, dict):
        msg = f"it is no JSON object: {text[:80]!r}"
        raise ValueError(msg)  # noqa: TRY004 - it is wrong input, and no mistake of a caller
    fields = cast("dict[str, Any]", row)
    return _of_body(line, fields) if INPUT in fields else _of_fields(line, fields)


def _of_body(line: int, row: Mapping[str, Any]) -> Record:
    """Read the form of the API's own body, whose input is as it is."""
    fields = row[INPUT]
    if not isinstance(fields, dict):
        msg = f"input must be an object, not {_shown(fields)}"
        raise ValueError(msg)  # noqa: TRY004 - as above
    for key in row:
        if key != INPUT and key not in _BESIDE_INPUT:
            msg = f"{key!r} stands beside input, where only {', '.join(_BESIDE_INPUT)} may be"
            raise ValueError(msg)
    return _record(line, row, cast("dict[str, Any]", fields))


def _of_fields(line: int, row: Mapping[str, Any]) -> Record:
    """Read the form in which the fields of the input stand beside model, name and image."""
    _check_case(row)
    prompt = _text(row, PROMPT)
    fields = {key: value for key, value in row.items() if key not in _TEXTS}
    return _record(line, row, fields if prompt is None else {PROMPT: prompt, **fields})


def _record(line: int, row: Mapping[str, Any], fields: Mapping[str, Any]) -> Record:
    beside = {key: text for key in _BESIDE_INPUT if (text := _text(row, key)) is not None}
    columns = {key: _shown(value) for key, value in fields.items() if value is not None}
    return Record(line, fields, columns | beside, **beside)


def _text(row: Mapping[str, Any], key: str) -> str | None:
    """Return a text of a row; null and a blank one are as none."""
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        msg = f"{key} must be text, not {_shown(value)[:80]}"
        raise ValueError(msg)
    return value if value and value.strip() else None


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check_case(columns: Iterable[str]) -> None:
    """Refuse `Prompt` for `prompt`: it would be a field that no model has."""
    for column in columns:
        meant = column.strip().lower()
        if meant in _TEXTS and column != meant:
            msg = f"the column {column!r} is written {meant!r}"
            raise ValueError(msg)


def _load(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        msg = f"it is no JSON object in one line: {error.msg} at character {error.colno}"
        raise ValueError(msg) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"{twice!r} is there twice"
        raise ValueError(msg)
    return found


def _refuse_constant(text: str) -> NoReturn:
    msg = f"{text} is no number of JSON"
    raise ValueError(msg)
