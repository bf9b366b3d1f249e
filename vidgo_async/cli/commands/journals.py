"""`journal`: what is in a journal, and what is settled there."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from vidgo_async._core.errors import JournalError
from vidgo_async.cli.inputs.arguments import usage_errors
from vidgo_async.cli.options import Common
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.report import Report
from vidgo_async.cli.running.journals import as_journal
from vidgo_async.journal import Entry, EntryState, Journal


def journal(
    file: Annotated[Path, Parameter(help="A journal.")],
    /,
    *,
    state: Annotated[EntryState | None, Parameter(help="Only the entries in this state.")] = None,
    adopt: Annotated[
        tuple[int, str] | None,
        Parameter(
            help="Go on with a task that was found for an unknown entry: ENTRY TASK_ID.",
            negative=(),
        ),
    ] = None,
    forget: Annotated[
        int | None, Parameter(help="Send an unknown entry again: no task was found for it.")
    ] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Print what is in a journal, or settle an entry whose outcome is unknown."""
    with usage_errors():
        known = as_journal(file)
        report = Report(Console(common))
    return anyio.run(functools.partial(_settle, known, report, state, adopt, forget))


async def _settle(
    file: Path,
    report: Report,
    state: EntryState | None,
    adopt: tuple[int, str] | None,
    forget: int | None,
) -> int:
    """Settle an unknown entry, or print the entries; return the exit status."""
    try:
        async with Journal(file) as opened:
            entries = {entry.id: entry for entry in await opened.entries()}
            if adopt is not None:
                await opened.adopt(_find(entries, adopt[0]), adopt[1])
            if forget is not None:
                await opened.forget(_find(entries, forget))
            if adopt is None and forget is None:
                _print(entries.values(), state, report)
    except (JournalError, ValueError) as error:
        report.print_error(str(file), error)
    return int(report.failed > 0)


def print_entry(console: Console, entry: Entry) -> None:
    """Print a line about an entry of a journal or a queue."""
    task_id = "-" if entry.task is None else entry.task.task_id
    prompt = str(entry.request.input.get("prompt", entry.request.model))
    line = f"{entry.id:>5}  {entry.state:<8}  {task_id:<40}  {prompt[:60]}"
    record = {"entry": entry.id, "state": str(entry.state), "task_id": entry.task and task_id}
    console.result(line, {**record, "prompt": prompt})


def _find(entries: dict[int, Entry], number: int) -> Entry:
    if number not in entries:
        msg = f"there is no entry {number}"
        raise JournalError(msg)
    return entries[number]


def _print(entries: Iterable[Entry], state: EntryState | None, report: Report) -> None:
    for entry in entries:
        if state in {None, entry.state}:
            print_entry(report.console, entry)
