"""A worker of a queue in a process of its own, which kills or stops itself where it is told to.

`python -m tests.support.queue_run URL FOLDER [POINT]` works until nothing is left.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import anyio

from tests.support.journal_run import after, after_publish, before
from vidgo_async import FixedPolling, RetryPolicy, VidgoSession
from vidgo_async._generation.submit_permits import SubmitPermits
from vidgo_async._generation.submitter import Submitter
from vidgo_async.queue import BatchQueue, rows
from vidgo_async.queue.jobs import PatientManager
from vidgo_async.queue.ledger import Ledger
from vidgo_async.queue.rows import Row
from vidgo_async.queue.statements import SENDING

DEAD_AFTER = 1.0
"""Seconds after which it counts as dead."""


def asleep_before_it_sends() -> None:
    """Let it stop once it has claimed an entry, before it looks at how long that took."""
    rows.MAX_CLAIM_AGE = 0.5
    real = Ledger.write

    async def stopping(ledger: Ledger, statement: Any, **parameters: object) -> bool:
        done = await real(ledger, statement, **parameters)
        if statement == SENDING and not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return done

    stopped = list[bool]()
    setattr(Ledger, "write", stopping)  # noqa: B010 - types forbid it otherwise


def asleep_while_it_sends() -> None:
    """Let it stop between its claim and its POST, where nothing can notice."""
    real = Row.sending

    async def stopping(row: Row) -> None:
        await real(row)
        if not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)

    stopped = list[bool]()
    setattr(Row, "sending", stopping)  # noqa: B010 - as above


POINTS: dict[str, Callable[[], None]] = {
    "before it is read": lambda: before(Ledger, "row"),
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
    "before the job ends": lambda: before(PatientManager, "finish_job"),
}
SLEEPS: dict[str, Callable[[], None]] = {
    "before it sends": asleep_before_it_sends,
    "while it sends": asleep_while_it_sends,
}


async def main(arguments: list[str]) -> None:
    """Work until nothing is left."""
    url, folder, point = [*arguments, ""][:3]
    (POINTS | SLEEPS).get(point, lambda: None)()
    retry = RetryPolicy(initial_delay=0.1)
    with anyio.CancelScope() as scope:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, scope.cancel)
        async with (
            BatchQueue(url, dead_after=DEAD_AFTER) as queue,
            VidgoSession(polling=FixedPolling(0.05), retry=retry) as vidgo,
        ):
            await queue.work(vidgo, until_empty=True, download_to=folder, max_in_flight=4)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
