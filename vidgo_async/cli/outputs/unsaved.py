"""What was paid for and is not saved yet, and the commands to go on with it."""

import shlex
import sys
from pathlib import Path

from vidgo_async._core.errors import SubmissionUnknownError

PAID = "paid for and not saved; go on with"
IN_SANDBOX = "gone with the sandbox; with the real API you would go on with"


class Unsaved:
    """The tasks that were paid for and are not saved yet, and the submits of unknown outcome."""

    def __init__(self, out: Path, *, in_sandbox: bool) -> None:
        self.journal: Path | None = None
        """Where the same command finds them too."""
        self.repeats: bool = True
        """Whether the same command does the same: not where its rows came through a pipe."""
        self._out = out
        self._in_sandbox = in_sandbox
        self._task_ids: dict[str, None] = {}  # in order of purchase
        self._unknown: list[SubmissionUnknownError] = []

    def __bool__(self) -> bool:
        """Whether there are any; what a sandbox sold is worth nothing."""
        return bool(self._task_ids or self._unknown) and not self._in_sandbox

    @property
    def task_ids(self) -> list[str]:
        """The tasks that were paid for."""
        return list(self._task_ids)

    @property
    def unknown(self) -> int:
        """How many submits may have been paid for."""
        return len(self._unknown)

    def add(self, task_id: str) -> None:
        """Record a task that was paid for."""
        self._task_ids[task_id] = None

    def remove(self, task_id: str) -> None:
        """Remove a task that is saved, or has nothing to save."""
        self._task_ids.pop(task_id, None)

    def add_unknown(self, error: SubmissionUnknownError) -> None:
        """Record a submit that may have bought a task."""
        self._unknown.append(error)

    def lines(self) -> list[str]:
        """Return the lines that name all of it."""
        lines = list[str]()
        if self._task_ids:
            ways = [*self._by_journal(), f"  {self._wait_command()}"]
            lines += [f"{IN_SANDBOX if self._in_sandbox else PAID}:", *ways]
        lines += [
            f"perhaps paid for, see your account: {_prompt_of(error)!r}" for error in self._unknown
        ]
        if self._unknown and self.journal is not None:
            show = shlex.join(["vidgo-async", "journal", str(self.journal), "--state", "unknown"])
            lines += [
                f"  {show}",
                "  then --adopt ENTRY TASK_ID, or --forget ENTRY, says which it is",
            ]
        return lines

    def _by_journal(self) -> list[str]:
        """Return the lines of what goes on by the journal, if that is still there."""
        if self.journal is None or not self.journal.is_file():
            return []
        if self.repeats:
            how = "which is the same command, and buys what is missing too; or with these alone:"
            return [f"  {same_command()}", how]
        out = [] if self._out == Path() else ["--out", str(self._out)]
        words = shlex.join(["vidgo-async", "resume", str(self.journal), *out])
        return [f"  {words}", "which takes all that is in the journal; or with these alone:"]

    def _wait_command(self) -> str:
        out = [] if self._out == Path() else ["--out", str(self._out)]
        dashes = ["--"] if any(task_id.startswith("-") for task_id in self._task_ids) else []
        return shlex.join(["vidgo-async", "wait", *out, *dashes, *self._task_ids])


def same_command() -> str:
    """Return the command that this program was started with; what it bought anew is bought now."""
    return shlex.join(["vidgo-async", *(word for word in sys.argv[1:] if word != "--again")])


def _prompt_of(error: SubmissionUnknownError) -> str:
    return str(error.request.input.get("prompt", error.request.model))
