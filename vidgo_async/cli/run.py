"""Running a job: on the session or the sandbox, until its end or a signal."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import anyio

from vidgo_async._polling.policies import FixedPolling
from vidgo_async._session.session import VidgoSession
from vidgo_async.cli.report import Report
from vidgo_async.cli.retries import printed_retries
from vidgo_async.cli.signals import Signals

SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a program."""

_Item = TypeVar("_Item")
Job = Callable[[VidgoSession], Awaitable[None]]


def run(job: Job, report: Report, session: VidgoSession | None) -> int:
    """Run a job on a session, or on a sandbox; return the exit status."""
    received = anyio.run(functools.partial(_run, job, report, session))
    if received is not None:
        return SIGNALLED + received
    return int(report.failed > 0)


def for_each(
    call: Callable[[VidgoSession, _Item], Coroutine[Any, Any, None]], items: Sequence[_Item]
) -> Job:
    """Make a job of one call for each item, all at once."""

    async def job(vidgo: VidgoSession) -> None:
        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(call, vidgo, item)

    return job


async def _run(job: Job, report: Report, session: VidgoSession | None) -> int | None:
    """Run a job; return the number of the signal that ended it, if any."""
    signals = Signals()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(signals.caught())
        stack.enter_context(printed_retries(asyncio.get_running_loop().time))
        stack.callback(report.close)
        vidgo = session or await _sandbox_session(stack)
        # Read once the session is closed, which gives submits in flight some seconds.
        stack.callback(lambda: report.add_unclaimed(vidgo.unclaimed))
        await stack.enter_async_context(vidgo)
        await signals.run(job(vidgo))
    return signals.received


async def _sandbox_session(stack: contextlib.AsyncExitStack) -> VidgoSession:
    """Start a sandbox; return a session for it, which no proxy of the environment applies to."""
    # Imported late: only `--sandbox` needs a web server.
    from vidgo_async.sandbox import Sandbox  # noqa: PLC0415

    # Task ids depend on the second and the seed; those of two runs have to differ.
    sandbox = await stack.enter_async_context(Sandbox(seed=secrets.randbits(32)))
    # Its videos take a second, which the adaptive policy would have to learn first.
    return VidgoSession(sandbox.api_key, base_url=sandbox.url, polling=FixedPolling(0.5))
