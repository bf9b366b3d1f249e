"""The journal of a run: the same command again buys only what is missing."""

import hashlib
import itertools
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from vidgo_async._core.errors import JournalError
from vidgo_async._core.models import Request
from vidgo_async.cli.options import Target
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.running.earlier import Earlier
from vidgo_async.journal import Journal

NAME = ".vidgo-journal"
"""Its name in the folder of the videos."""


class RunJournal:
    """Where a run is written down, and what an earlier one had bought."""

    def __init__(self, path: Path | None, console: Console, *, may_move: bool) -> None:
        self.path: Path | None = path
        """None where there is none; another than was asked for where locks do not work there."""
        self.journal: Journal | None = None
        """None before it is opened, and where there is none."""
        self._console = console
        self._may_move = may_move
        """Whether it may lie elsewhere, where locks do not work."""
        self.again: bool = False
        """Whether all is bought anew."""
        self.new_key: bool = False
        """Whether the key may be another than that of earlier runs."""

    async def __aenter__(self) -> Self:
        if self.path is not None:
            if self.again:
                await self._put_aside(self.path)
            self.journal = await self._open(self.path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.journal is not None:
            await self.journal.aclose()

    async def count_new(self, requests: Sequence[Request]) -> int:
        """Count the requests that a run would buy; a journal that is not there is not made."""
        path = self.path
        if path is None or self.again or not path.is_file():
            return len(requests)
        async with Journal(path) as journal:
            return await journal.count_new(requests)

    async def _put_aside(self, path: Path) -> None:
        """Rename a journal, so that all is bought anew and nothing is forgotten."""
        if path.exists():  # noqa: ASYNC240 - nothing else runs yet
            # That leaves one file, even after a crash, and shows that it is not in use.
            journal = await self._open(path)
            unsaved = Earlier(await journal.entries()).unsaved
            await journal.aclose()
            aside = _rename(path)
            self._console.say(f"the journal before is {aside}")
            if unsaved:
                self._console.error(
                    f"{len(unsaved)} tasks in it are paid for and not saved; go on with: "
                    f"{shlex.join(['vidgo-async', 'resume', str(aside), '--out', str(path.parent)])}"
                )

    async def _open(self, path: Path) -> Journal:
        try:
            return await Journal(path, new_key=self.new_key).__aenter__()
        except JournalError as error:
            if error.reason == "in_use":
                msg = f"{error.message}; --no-journal does without"
                raise error.own_copy(msg) from None
            is_new = not path.is_file() or not path.stat().st_size  # noqa: ASYNC240 - as above
            if error.reason != "no_locks" or not self._may_move or not is_new:
                raise
        self.path = elsewhere = _state_folder() / f"{_digest(path)}.vidgo"
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        self._console.say(f"locks do not work in {path.parent}: the journal is {elsewhere}")
        return await Journal(elsewhere, new_key=self.new_key).__aenter__()


def journal_path(target: Target, *, sandbox: bool) -> Path | None:
    """Return what the options say: by default one in the folder that was named for the videos.

    Raises:
        ValueError: Options exclude each other.
    """
    if target.journal is not None and (target.no_journal or sandbox):
        msg = "--journal goes with neither --no-journal nor --sandbox, whose videos end with it"
        raise ValueError(msg)
    path = target.journal or (None if target.out is None else target.out / NAME)
    if target.no_journal or sandbox:
        path = None
    if target.again and path is None:
        msg = "--again goes with a journal: name one with --journal, or a folder with --out"
        raise ValueError(msg)
    return path


def as_journal(file: Path) -> Path:
    """Return the file of a journal, or that in a folder of videos.

    Raises:
        ValueError: There is none, and it would be made.
    """
    if file.is_dir():
        file /= NAME
    if not file.is_file() or not file.stat().st_size:
        msg = f"{file}: there is no such journal"
        raise ValueError(msg)
    return file


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
