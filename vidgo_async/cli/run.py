"""Running a job: on the session or the sandbox, until its end or a signal."""

import asyncio
import contextlib
import functools
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import anyio

from vidgo_async._core.errors import JournalError, VidgoError
from vidgo_async._polling.policies import FixedPolling
from vidgo_async._session.session import VidgoSession
from vidgo_async.cli.arguments import BAD_USAGE
from vidgo_async.cli.console import print_line
from vidgo_async.cli.report import Report
from vidgo_async.cli.retries import printed_retries
from vidgo_async.cli.signals import Signals
from vidgo_async.cli.webhooks import Webhook, session_settings

FAILED = 1
SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a program."""

_Item = TypeVar("_Item")
Job = Callable[[VidgoSession], Awaitable[None]]


def run(
    job: Job,
    report: Report,
    session: VidgoSession | None,
    *,
    webhook: Webhook | None = None,
    journal: contextlib.AbstractAsyncContextManager[object] | None = None,
) -> int:
    """Run a job on a session, or on a sandbox; return the exit status."""
    try:
        received = anyio.run(functools.partial(_run, job, report, session, webhook, journal))
    except PortError as error:
        print_line(sys.stderr, f"vidgo-async: {error}")
        return BAD_USAGE
    except (VidgoError, OSError) as error:
        print_line(sys.stderr, f"vidgo-async: {error}")
        return FAILED
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


class PortError(Exception):
    """The port of `--webhook-port` is taken."""


async def _run(
    job: Job,
    report: Report,
    session: VidgoSession | None,
    webhook: Webhook | None,
    journal: contextlib.AbstractAsyncContextManager[object] | None,
) -> int | None:
    """Run a job; return the number of the signal that ended it, if any."""
    signals = Signals()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(signals.caught())
        stack.enter_context(printed_retries(asyncio.get_running_loop().time))
        stack.callback(report.close)
        if webhook is not None:
            await _serve(stack, webhook)
        if journal is not None:  # closed after the session, which writes into it until then
            await stack.enter_async_context(journal)
        vidgo = session or await _sandbox_session(stack, webhook)
        # Read once the session is closed, which gives submits in flight some seconds.
        stack.callback(lambda: report.add_unclaimed(vidgo.unclaimed))
        await stack.enter_async_context(vidgo)
        await signals.run(_unwrapped(job(vidgo)))
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


async def _serve(stack: contextlib.AsyncExitStack, webhook: Webhook) -> None:
    # Imported late, as below.
    from vidgo_async.webhooks.aiohttp import serving  # noqa: PLC0415

    try:
        await stack.enter_async_context(serving(webhook.receiver, webhook.port))
    except OSError as error:
        msg = f"cannot take callbacks on --webhook-port {webhook.port}: {error.strerror}"
        raise PortError(msg) from error


async def _sandbox_session(
    stack: contextlib.AsyncExitStack, webhook: Webhook | None
) -> VidgoSession:
    """Start a sandbox; return a session for it, which no proxy of the environment applies to."""
    # Imported late: only `--sandbox` needs a web server.
    from vidgo_async.sandbox import Callbacks, Sandbox  # noqa: PLC0415

    # Task ids depend on the second and the seed; those of two runs have to differ.
    settings = Callbacks(public=True)  # a tunnel leads through another machine
    server = Sandbox(seed=secrets.randbits(32), callbacks=settings)
    sandbox = await stack.enter_async_context(server)
    # Its videos take a second, which the adaptive policy would have to learn first.
    return VidgoSession(
        sandbox.api_key,
        base_url=sandbox.url,
        polling=FixedPolling(0.5),
        **session_settings(webhook),
    )
