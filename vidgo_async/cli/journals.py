"""The journal of a run: the same command again buys only what is missing."""

import hashlib
import itertools
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from vidgo_async._core.errors import JournalError
from vidgo_async._generation.outcome import Outcome
from vidgo_async.cli.report import Report
from vidgo_async.journal import Entry, EntryState, Journal

NAME = ".vidgo-journal"
"""Its name in the folder of the videos."""


class RunJournal:
    """Where a run is written down, and what an earlier one had bought."""

    def __init__(self, path: Path | None, report: Report, *, may_move: bool, again: bool) -> None:
        self.journal: Journal | None = None
        """None before it is opened, and where there is none."""
        self._path = path
        self._report = report
        self._may_move = may_move
        """Whether it may lie elsewhere, where locks do not work."""
        self._again = again
        self._started_at = datetime.now(UTC)
        self._known = 0

    async def __aenter__(self) -> Self:
        if self._path is not None:
            if self._again:
                await self._put_aside(self._path)
            self.journal = await self._open(self._path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.journal is None:
            return
        await self.journal.aclose()
        if self._known:
            self._report.print(
                f"{self._known} bought by an earlier run, and not again "
                f"({self.journal.path}; --again buys anew)"
            )

    def note(self, outcome: Outcome) -> None:
        """Count what an earlier run had bought."""
        bought_at = None if outcome.task is None else outcome.task.submitted_at
        self._known += bought_at is not None and bought_at < self._started_at

    async def _put_aside(self, path: Path) -> None:
        """Rename a journal, so that all is bought anew and nothing is forgotten."""
        if path.exists():  # noqa: ASYNC240 - nothing else runs yet
            # That leaves one file, even after a crash, and shows that it is not in use.
            await (await self._open(path)).aclose()
            self._report.print(f"the journal before is {_rename(path)}")

    async def _open(self, path: Path) -> Journal:
        try:
            return await Journal(path).__aenter__()
        except JournalError as error:
            if error.reason == "in_use":
                msg = f"{error.message}; --no-journal does without"
                raise error.own_copy(msg) from None
            is_new = not path.is_file() or not path.stat().st_size  # noqa: ASYNC240 - as above
            if error.reason != "no_locks" or not self._may_move or not is_new:
                raise
        elsewhere = _state_folder() / f"{_digest(path)}.vidgo"
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        self._report.print(f"locks do not work in {path.parent}: the journal is {elsewhere}")
        return await Journal(elsewhere).__aenter__()


def journal_path(
    out: Path | None, journal: Path | None, *, no_journal: bool, again: bool, sandbox: bool
) -> Path | None:
    """Return what the options say: by default one in the folder that was named for the videos.

    Raises:
        ValueError: Options exclude each other.
    """
    if journal is not None and (no_journal or sandbox):
        msg = "--journal goes with neither --no-journal nor --sandbox, whose videos end with it"
        raise ValueError(msg)
    path = journal or (None if out is None else out / NAME)
    if no_journal or sandbox:
        path = None
    if again and path is None:
        msg = "--again goes with a journal: name one with --journal, or a folder with --out"
        raise ValueError(msg)
    return path


def as_journal(file: Path) -> Path:
    """Refuse a journal that is not there, which would be made.

    Raises:
        ValueError: There is none.
    """
    if not file.is_file():
        msg = f"{file}: there is no such journal"
        raise ValueError(msg)
    return file


async def settle(
    file: Path,
    report: Report,
    state: EntryState | None,
    adopt: tuple[int, str] | None,
    forget: int | None,
) -> int:
    """Settle an unknown entry, or print the entries; return the exit status."""
    try:
        async with Journal(file) as journal:
            entries = {entry.id: entry for entry in await journal.entries()}
            if adopt is not None:
                await journal.adopt(_find(entries, adopt[0]), adopt[1])
            if forget is not None:
                await journal.forget(_find(entries, forget))
            if adopt is None and forget is None:
                _print(entries.values(), state, report)
    except (JournalError, ValueError) as error:
        report.print_error(str(file), error)
    return int(report.failed > 0)


def _find(entries: dict[int, Entry], number: int) -> Entry:
    if number not in entries:
        msg = f"there is no entry {number}"
        raise JournalError(msg)
    return entries[number]


def _print(entries: Iterable[Entry], state: EntryState | None, report: Report) -> None:
    for entry in entries:
        if state in {None, entry.state}:
            report.print_entry(entry)


def _rename(path: Path) -> Path:
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    return path.rename(aside)


def _state_folder() -> Path:
    """Return where programs of this user keep their state."""
    default = Path.home() / ".local" / "state"
    root = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or default
    return Path(root) / "vidgo-async"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
