"""What the runs of a folder wrote down in `outcomes.jsonl`, and which of it still holds."""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import attrs

MAX_DEPTH = 200
"""Levels of a line; Python reads a few more than it writes."""


MAX_AMOUNT = 1e15
"""Credits or seconds that are taken for true; sums of more could not be told."""


class State(StrEnum):
    """How a request ended."""

    SAVED = "saved"
    FAILED = "failed"
    UNSAVED = "unsaved"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Record:
    """One line: a request, and how it ended. What a line lacks is empty or None."""

    state: State
    run: str = ""
    number: int = 0
    model: str = ""
    input: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    task_id: str | None = None
    entry: int | None = None
    credits: float | None = None
    seconds: float | None = None
    submitted_at: str | None = None
    ended_at: str | None = None
    files: tuple[str, ...] = ()
    error: str | None = None
    error_type: str | None = None

    @property
    def prompt(self) -> str | None:
        """The prompt, where the model has one."""
        return _text(self.input.get("prompt"))

    @property
    def request(self) -> str | None:
        """What is equal for equal requests; None where the line does not say what was asked."""
        if not self.model and not self.input:
            return None
        return json.dumps([self.model, self.input], sort_keys=True)


def read_records(path: Path) -> list[Record]:
    """Return what can be read of a file, line by line; none if there is no such file."""
    if not path.is_file():  # a pipe would never end
        return []
    return list(_parse(path.read_bytes().split(b"\n")))


def merge(records: Iterable[Record]) -> list[Record]:
    """Return what still holds, in the order of the batch, over all runs that it took.

    The last record of a task counts. A failure goes once a later run has the same request, and what
    may have been bought once a later run has the same entry of its journal: those tell how it went on.
    """
    current = _last_of_each_task(records)
    requests, entries = _newest_runs(current)

    def holds(record: Record) -> bool:
        match record.state:
            case State.FAILED:
                return record.run >= requests.get(record.request, "")
            case State.UNKNOWN:
                return record.run >= entries.get(record.entry, "")
            case _:  # what was bought is shown, whatever came later
                return True

    kept = [record for record in current if holds(record)]
    kept.sort(key=lambda record: (record.number, record.run))
    return kept


def _newest_runs(
    records: Iterable[Record],
) -> tuple[dict[str | None, str], dict[int | None, str]]:
    """Return the newest run of each request, and of each entry of a journal."""
    requests: dict[str | None, str] = {}
    entries: dict[int | None, str] = {}
    for record in records:
        if record.request is not None:
            requests[record.request] = max(requests.get(record.request, ""), record.run)
        if record.entry is not None:
            entries[record.entry] = max(entries.get(record.entry, ""), record.run)
    return requests, entries


def _last_of_each_task(records: Iterable[Record]) -> list[Record]:
    kept: dict[object, Record] = {}
    for place, record in enumerate(records):
        key = place if record.task_id is None else record.task_id
        kept[key] = _completed(record, kept.get(key))
    return list(kept.values())


def _completed(record: Record, earlier: Record | None) -> Record:
    """Fill in what a run that knew only the task's id could not write down."""
    if earlier is None:
        return record
    return attrs.evolve(
        record,
        model=record.model or earlier.model,
        input=record.input or earlier.input,
        credits=earlier.credits if record.credits is None else record.credits,
        seconds=earlier.seconds if record.seconds is None else record.seconds,
        submitted_at=record.submitted_at or earlier.submitted_at,
        files=record.files or earlier.files,
    )


def _parse(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        try:
            value = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):  # torn by a crash, or not ours
            continue
        if isinstance(value, dict) and not _is_deep(cast("object", value)):
            yield _record(cast("dict[str, Any]", value))


def _is_deep(value: object, levels: int = MAX_DEPTH) -> bool:
    """Tell whether a value has more levels than can be written again."""
    match value:
        case dict():
            inside = list(cast("dict[str, object]", value).values())
        case list():
            inside = cast("list[object]", value)
        case _:
            return False
    return not levels or any(_is_deep(each, levels - 1) for each in inside)


def _record(value: dict[str, Any]) -> Record:
    files = tuple(_texts(value.get("files")))
    number, entry = value.get("number"), value.get("entry")
    parameters = value.get("input")
    return Record(
        state=_state(value.get("state"), files),
        run=_text(value.get("run")) or "",
        number=number if isinstance(number, int) else 0,
        model=_text(value.get("model")) or "",
        input=cast("dict[str, Any]", parameters) if isinstance(parameters, dict) else {},
        task_id=_text(value.get("task_id")) or None,
        entry=entry if isinstance(entry, int) else None,
        credits=_amount(value.get("credits")),
        seconds=_amount(value.get("seconds")),
        submitted_at=_text(value.get("submitted_at")),
        ended_at=_text(value.get("ended_at")),
        files=files,
        error=_text(value.get("error")),
        error_type=_text(value.get("error_type")),
    )


def _state(value: Any, files: tuple[str, ...]) -> State:
    """Read a state. One of a later version may hide a purchase, unless its files are there."""
    try:
        return State(value)
    except ValueError:
        return State.SAVED if files else State.UNKNOWN


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> list[str]:
    values = cast("list[object]", value) if isinstance(value, list) else []
    return [each for each in values if isinstance(each, str) and each]


def _amount(value: Any) -> float | None:
    """Read a number; JSON as Python reads it has NaN, and integers without a limit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if 0 <= amount < MAX_AMOUNT else None  # NaN is not
