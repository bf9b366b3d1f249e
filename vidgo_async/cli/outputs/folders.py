"""A folder of videos: its page, and its log of outcomes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.models import Task
from vidgo_async._files.outcome_log import NAME, OutcomeLog
from vidgo_async.cli.outputs.console import Console


class TaskFolder:
    """Where tasks of earlier runs are saved; the log of those runs, if one is there, is kept up."""

    def __init__(self, path: Path, console: Console) -> None:
        self._path = path
        self._console = console
        self._log: OutcomeLog | None = None
        if (path / NAME).exists():
            self._log = OutcomeLog(path, Threads())

    async def add(self, task: Task, paths: Sequence[Path]) -> None:
        """Write down how a task ended; what was bought stands there already."""
        if self._log is None:
            return
        now = datetime.now(UTC)
        record = {
            "version": 1,
            "run": now.isoformat(),
            "state": "failed" if task.failed else "saved",
            "task_id": task.task_id,
            "credits": task.credits,
            "ended_at": now.isoformat(timespec="seconds"),
            "files": [path.name for path in paths],
            "error": task.error_message,
        }
        await self._log.add(record, is_recalled=False)

    async def finish(self) -> None:
        """Write the page anew."""
        if self._log is not None:
            await page_of(self._path, self._console)


async def page_of(folder: Path, console: Console) -> Path | None:
    """Write the page of a folder; say why where that cannot be."""
    from vidgo_async.page import write_page  # noqa: PLC0415 - late: `--help` needs no page

    try:
        return await write_page(folder)
    except ValueError:  # there is nothing to show
        return None
    except OSError as error:
        console.say(f"no page: {error}")
        return None
