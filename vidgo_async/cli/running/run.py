"""Running a job: on a session, until its end or a signal."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import attrs

from vidgo_async._core.errors import JournalError, VidgoError
from vidgo_async.cli.inputs.arguments import plain
from vidgo_async.cli.outputs.report import FAILED, USAGE, Report
from vidgo_async.cli.outputs.retries import printed_logs
from vidgo_async.cli.running.signals import Signals
from vidgo_async.cli.running.webhooks import PortError

if TYPE_CHECKING:
    from vidgo_async._session.session import VidgoSession

SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a program."""

_Item = TypeVar("_Item")
Open = Callable[[contextlib.AsyncExitStack], Awaitable["VidgoSession"]]
"""Makes a session for as long as a stack lasts: `Server.open`."""


@attrs.frozen(kw_only=True)
class Job:
    """What a command does with a session."""

    run: Callable[["VidgoSession"], Awaitable[None]]
    interrupt: Callable[[], bool] = lambda: False
    """Called at the first Ctrl-C; tells whether the job ends by itself now."""
    finish: Callable[[], Awaitable[None]] | None = None
    """Called once the session is closed."""
    journal: contextlib.AbstractAsyncContextManager[object] | None = None
    """Open until after the session, which writes into it."""


def run(job: Job, report: Report, open_session: Open) -> int:
    """Run a job; return the exit status."""
    try:
        received = anyio.run(functools.partial(_run, job, report, open_session))
    except PortError as error:
        report.console.error(f"vidgo-async: {error}")
        return USAGE
    except (VidgoError, OSError) as error:
        report.console.error(f"vidgo-async: {plain(str(error))}")
        return report.status or FAILED
    return report.status if received is None else SIGNALLED + received


def for_each(
    call: Callable[["VidgoSession", _Item], Coroutine[Any, Any, None]],
    items: Sequence[_Item],
    finish: Callable[[], Awaitable[None]] | None = None,
) -> Job:
    """Make a job of one call for each item, all at once."""

    async def run_all(vidgo: "VidgoSession") -> None:
        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(call, vidgo, item)

    return Job(run=run_all, finish=finish)


async def _run(job: Job, report: Report, open_session: Open) -> int | None:
    """Run a job; return the number of the signal that ended it, if any."""
    signals = Signals(job.interrupt)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(signals.caught())
        stack.enter_context(printed_logs(report.console, asyncio.get_running_loop().time))
        stack.callback(report.close)
        if job.finish is not None:
            stack.push_async_callback(job.finish)
        if job.journal is not None:
            await stack.enter_async_context(job.journal)
        vidgo = await open_session(stack)
        # Read once the session is closed, which gives submits in flight some seconds.
        stack.callback(lambda: report.add_unclaimed(vidgo.unclaimed))
        await stack.enter_async_context(vidgo)
        await signals.run(_unwrapped(job.run(vidgo)))
    return signals.received


async def _unwrapped(job: Awaitable[None]) -> None:
    """Await a job; of a task group that a journal failed in, raise the journal's error."""
    try:
        await job
    except* JournalError as group:
        failed = group.exceptions[0]
    else:
        return
    raise failed
