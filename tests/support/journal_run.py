"""A batch with a journal in a process of its own, which kills itself where it is told to.

`python -m tests.support.journal_run JOURNAL FOLDER COUNT [POINT]` prints a JSON line per outcome.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from vidgo_async import FixedPolling, GrokImagine, Outcome, RetryPolicy, Task, VidgoSession
from vidgo_async._files.part_file import PartFile
from vidgo_async._generation.submit_permits import SubmitPermits
from vidgo_async._generation.submitter import Submitter
from vidgo_async.journal.ledger import Ledger
from vidgo_async.journal.rows import Row


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(kind: Any, name: str) -> None:
    """Let the process die when a method is called."""

    def dying(*_: Any, **__: Any) -> None:
        die()

    setattr(kind, name, dying)


def after(kind: Any, name: str) -> None:
    """Let it die when an async method has done its work."""
    real: Callable[..., Any] = getattr(kind, name)

    async def dying(*arguments: Any, **named: Any) -> None:
        await real(*arguments, **named)
        die()

    setattr(kind, name, dying)


def after_publish() -> None:
    """Let it die when a file has got its final name."""
    real = PartFile.publish

    def dying(part: PartFile) -> None:
        real(part)
        die()

    setattr(PartFile, "publish", dying)  # noqa: B010 - types forbid it otherwise


POINTS: dict[str, Callable[[], None]] = {
    "before the claim": lambda: before(Ledger, "claim"),
    "after the claim": lambda: after(Ledger, "claim"),
    "in the upload": lambda: before(Submitter, "upload_media"),
    "waiting for a permit": lambda: before(SubmitPermits, "acquire"),
    "after a refusal": lambda: after(Row, "not_sent"),
    "before the POST": lambda: after(Row, "sending"),
    "with the answer": lambda: before(Row, "bought"),
    "after the purchase": lambda: after(Row, "bought"),
    "before the end is written": lambda: before(Row, "ended"),
    "after the end": lambda: after(Row, "ended"),
    "after the download": after_publish,
    "after the files": lambda: after(Row, "saved"),
}


def shown(outcome: Outcome) -> str:
    """Write an outcome for the test."""
    task = outcome.task
    return json.dumps(
        {
            "prompt": outcome.request.input["prompt"],
            "error": None if outcome.error is None else type(outcome.error).__name__,
            "task_id": task and task.task_id,
            "paths": [str(path) for path in outcome.paths],
        }
    )


async def main(arguments: list[str]) -> None:
    """Run the batch, from its requests or from what the journal holds."""
    journal, folder, count, point = [*arguments, ""][:4]

    def on_update(task: Task) -> None:
        if point == "running" and task.status == "running":
            die()

    if point in POINTS:
        POINTS[point]()
    pictures = sorted(Path(folder).parent.glob("*.png"))
    requests = [
        GrokImagine(prompt=f"fox {number}", image_urls=pictures or None)
        for number in range(int(count))
    ]
    settings = {"polling": FixedPolling(0.05), "retry": RetryPolicy(initial_delay=0.1)}
    async with VidgoSession(**settings) as vidgo:  # type: ignore[arg-type]
        batch = (
            vidgo.generate_many(
                requests,
                max_in_flight=1 if point in POINTS else 16,
                journal=journal,
                download_to=folder,
                on_update=on_update,
            )
            if requests
            else vidgo.resume(journal, download_to=folder)
        )
        async with batch:
            async for outcome in batch:
                print(shown(outcome), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
