"""`outcomes.jsonl`: what a folder of videos holds, and what failed, an object a line.

It is a format that others read: see `vidgo_async/page`. Lines are only added. Several processes may
write to one folder, each a line at a time.
"""

import errno
import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from vidgo_async._core.concurrency import Threads

logger: logging.Logger = logging.getLogger("vidgo_async")

NAME = "outcomes.jsonl"
"""Its name in the folder."""


class OutcomeLog:
    """The log of one folder."""

    def __init__(self, folder: Path, threads: Threads) -> None:
        self._path = folder / NAME
        self._threads = threads
        self._lock = threading.Lock()
        self._known: dict[str, Any] | None = None
        """The last line of each task, in short; None before it is needed."""
        self._has_failed = False

    async def add(self, record: Mapping[str, Any], *, is_recalled: bool) -> None:
        """Add a line; a fault of the disk is logged once, and costs no outcome.

        Args:
            record: What became of a request.
            is_recalled: Whether an earlier batch did it, so that it may stand there already.
        """
        try:
            await self._threads.run(self._add, record, is_recalled)
        except OSError as error:
            if not self._has_failed:
                logger.warning("%s could not be written: %s", self._path, error)
            self._has_failed = True

    def _add(self, record: Mapping[str, Any], is_recalled: bool) -> None:
        with self._lock:
            line = json.dumps(record).encode() + b"\n"
            task_id, short = record.get("task_id"), _short(record)
            if is_recalled and task_id is not None and self._read_known().get(task_id) == short:
                return
            self._append(line)
            if self._known is not None and task_id is not None:
                self._known[task_id] = short

    def _read_known(self) -> dict[str, Any]:
        if self._known is None:
            self._known = {}
            if self._path.is_file():
                with self._path.open("rb") as lines:
                    records = map(_parse, lines)
                    self._known = {str(each.get("task_id")): _short(each) for each in records}
        return self._known

    def _append(self, line: bytes) -> None:
        if self._path.exists() and not self._path.is_file():  # a pipe would never end
            raise OSError(errno.EINVAL, "it is no file")
        with self._path.open("a+b", buffering=0) as file:  # one write, which the system appends
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # what a process wrote that died, or a full disk took
                    line = b"\n" + line
            file.write(line)


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _short(record: Mapping[str, Any]) -> object:
    return [record.get("state"), record.get("files")]
