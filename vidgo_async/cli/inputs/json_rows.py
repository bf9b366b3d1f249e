"""Rows of JSON: an object a line."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

import attrs

from vidgo_async.cli.inputs.records import (
    BESIDE_INPUT,
    INPUT,
    PROMPT,
    TEXTS,
    Problem,
    Record,
    attempt,
    check_case,
    is_sent,
    lines_of,
)

ONE_A_LINE = "give one JSON object a line, without a list around them (jq -c '.[]' does that)"


def read_json_lines(text: str) -> Iterator[Record | Problem]:
    """Read an object a line."""
    for number, line in lines_of(text):
        if line.startswith("["):
            yield Problem(number, ONE_A_LINE)
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
        if key != INPUT and key not in BESIDE_INPUT:
            msg = f"{key!r} stands beside input, where only {', '.join(BESIDE_INPUT)} may be"
            raise ValueError(msg)
    return _record(line, row, cast("dict[str, Any]", fields))


def _of_fields(line: int, row: Mapping[str, Any]) -> Record:
    """Read the form in which the fields of the input stand beside model, name and image."""
    check_case(row)
    prompt = _text(row, PROMPT)
    columns = {key: value for key, value in row.items() if key not in TEXTS}
    if prompt is not None:
        columns = {PROMPT: prompt, **columns}
    record = _record(line, row, columns)
    sent = {key: value for key, value in columns.items() if is_sent(key)}
    return attrs.evolve(record, fields=sent)


def _record(line: int, row: Mapping[str, Any], fields: Mapping[str, Any]) -> Record:
    beside = {key: text for key in BESIDE_INPUT if (text := _text(row, key)) is not None}
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
