"""How files are named: a template over a row, its number and its task."""

import re
import string
from collections.abc import Iterator, Mapping, Sequence

from vidgo_async._files.stems import safe_stem, slug
from vidgo_async.cli.inputs.records import MODEL, NAME, PROMPT
from vidgo_async.cli.inputs.rows import Row

DEFAULT = "{index:04}-{slug}"
"""Sorts in the order of the rows, and is known by its prompt."""
INDEX, SLUG, TASK_ID = "index", "slug", "task_id"
MAX_NAMED = 5
"""Rows that are named where a column is missing."""

_FIELD = re.compile(r"[^\W\d][\w-]*")
_NUMBER_FORMAT = re.compile(r"(?:[^{}]?[<>=^])?[+ -]?[0-9]{0,3}[dxXbo]?")
_TEXT_FORMAT = re.compile(r"(?:[^{}]?[<>^])?[0-9]{0,3}(?:\.[0-9]{1,3})?s?")
"""Three digits are more than any name has room for, and a width of millions is no name."""


class NameTemplate:
    """Names the files of a row.

    Args:
        template: Text with fields in braces: `index`, `slug`, `prompt`, `task_id`, `model`,
            `name`, and any column of the rows. None is `DEFAULT`, where a row's own name
            takes the place of all of it.

    Raises:
        ValueError: It cannot be read, or has a field or a format that cannot be.
    """

    def __init__(self, template: str | None = None) -> None:
        self._template = DEFAULT if template is None else template
        self._is_default = template is None
        self._fields = frozenset(_checked_fields(self._template))
        if not self._template.strip():
            msg = "--name is empty; give a template such as " + DEFAULT
            raise ValueError(msg)

    def check(self, rows: Sequence[Row]) -> None:
        """Refuse rows that lack a column which the template uses.

        Raises:
            ValueError: It names the first of them.
        """
        for field in sorted(self._fields - {INDEX, SLUG, TASK_ID, MODEL}):
            lacking = [i for i, row in enumerate(rows) if field not in _texts(row)]
            if lacking:
                named = ", ".join(_place(rows[i], i) for i in lacking[:MAX_NAMED])
                others = f" and {len(lacking) - MAX_NAMED} more" if lacking[MAX_NAMED:] else ""
                msg = f"--name uses {{{field}}}, and there is none in {named}{others}"
                raise ValueError(msg)

    def stem(self, row: Row, index: int, task_id: str) -> str:
        """Return the name of a row's file without its suffix: `index` counts from 1."""
        if self._is_default and row.name is not None:
            return safe_stem(row.name)
        texts = _texts(row)
        words = slug(texts.get(PROMPT, ""))
        values: dict[str, object] = {**texts, INDEX: index, SLUG: words, TASK_ID: task_id}
        name = string.Formatter().vformat(self._template, (), values)
        if SLUG in self._fields and not words:
            name = name.strip("-_ ")  # it joined the slug to the rest
        return safe_stem(name)


def _checked_fields(template: str) -> Iterator[str]:
    """Yield the fields of a template, each with a format that no value breaks."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        msg = f"--name {template!r} cannot be read: {error}"
        raise ValueError(msg) from error
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if conversion or not _FIELD.fullmatch(field):
            msg = f"--name takes the name of a column in braces, not {{{field}}}"
            raise ValueError(msg)
        allowed = _NUMBER_FORMAT if field == INDEX else _TEXT_FORMAT
        if not allowed.fullmatch(spec or ""):
            msg = f"--name has {{{field}:{spec}}}, and {spec!r} is no format for {field}"
            raise ValueError(msg)
        yield field


def _texts(row: Row) -> Mapping[str, str]:
    """Return what a template may use of a row."""
    name = {} if row.name is None else {NAME: row.name}
    return {**row.columns, **name, MODEL: row.request.model}


def _place(row: Row, position: int) -> str:
    return f"prompt {position + 1}" if row.line is None else f"line {row.line}"
