"""A loop that was blocked, or a process that was stopped: what came meanwhile is read first.

In real time, with a server in a thread of its own: its answer lies in the socket while the loop
stands still for longer than the timeout.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.support.sessions import FOX, open_session
from vidgo_async import (
    FixedPolling,
    SubmissionUnknownError,
    TaskTimeoutError,
    TransportTimeoutError,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox, after, hang, slow

TIMEOUT = 0.4
BLOCKED = 1.1


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def sandbox(portal: BlockingPortal) -> Iterator[Sandbox]:
    with portal.wrap_async_context_manager(Sandbox(seconds=(0.01, 0.02))) as sandbox:
        yield sandbox


async def blocked_while(call: Awaitable[Any]) -> Any:
    """Block the loop once a call was sent, until long after its answer came."""
    job = asyncio.ensure_future(call)
    await anyio.sleep(0.15)
    time.sleep(BLOCKED)  # noqa: ASYNC251 - what the test is about
    began = time.monotonic()
    try:
        return await job
    finally:
        assert time.monotonic() - began < 1  # a deadline holds within a second of that


async def bought(vidgo: VidgoSession) -> str:
    return (await vidgo.submit(FOX)).task_id


CALLS: dict[str, tuple[str, Callable[[VidgoSession, str], Awaitable[Any]]]] = {
    "submit": ("submit", lambda vidgo, _: vidgo.submit(FOX)),
    "generate": ("submit", lambda vidgo, _: vidgo.generate(FOX, timeout=TIMEOUT + 0.2)),
    "get_task": ("status", lambda vidgo, task_id: vidgo.get_task(task_id)),
    "wait": ("status", lambda vidgo, task_id: vidgo.wait(task_id, timeout=TIMEOUT)),
    "balance": ("balance", lambda vidgo, _: vidgo.balance()),
}


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_in_the_socket_is_read(
    name: str, sandbox: Sandbox, portal: BlockingPortal
) -> None:
    """What the server answered in time counts, although the timeout passed unseen."""
    path, call = CALLS[name]
    settings = {"request_timeout": TIMEOUT, "polling": FixedPolling(0.1)}
    async with open_session(sandbox, **settings) as vidgo:
        task_id = await bought(vidgo)
        await vidgo.balance()  # the connection is up
        await anyio.sleep(0.1)
        sold = sandbox.sold
        portal.call(partial(sandbox.inject, after(slow(0.25)), call=path))
        result = await blocked_while(call(vidgo, task_id))
        assert result is not None
        assert sandbox.sold - sold == (path == "submit")
        assert vidgo.unclaimed == ()


async def test_what_never_came_times_out_all_the_same(
    sandbox: Sandbox, portal: BlockingPortal
) -> None:
    """Where no answer lies in the socket, a late timeout is one."""
    async with open_session(sandbox, request_timeout=TIMEOUT) as vidgo:
        task_id = await bought(vidgo)
        for name in ("submit", "balance", "status"):
            portal.call(partial(sandbox.inject, hang, call=name, times=None))
        with pytest.raises(SubmissionUnknownError):
            await blocked_while(vidgo.submit(FOX))
        with pytest.raises(TransportTimeoutError):
            await blocked_while(vidgo.balance())
        with pytest.raises(TaskTimeoutError):
            await blocked_while(vidgo.wait(task_id, timeout=TIMEOUT))


async def test_wait_makes_its_final_poll_however_late(sandbox: Sandbox) -> None:
    """A task that ended while the loop stood still is found by the final poll."""
    async with open_session(sandbox, polling=FixedPolling(60.0)) as vidgo:
        task = await vidgo.submit(FOX)
        assert (await blocked_while(vidgo.wait(task, timeout=1.0))).finished


async def test_a_download_goes_on_after_a_stop(
    sandbox: Sandbox, tmp_path: Path, portal: BlockingPortal
) -> None:
    """Bytes that came while the loop stood still are written, without another request."""
    async with open_session(sandbox, polling=FixedPolling(0.1)) as vidgo:
        task = await vidgo.generate(FOX)
        portal.call(partial(sandbox.inject, after(slow(0.25)), call="file"))
        path = await blocked_while(vidgo.download(task.files[0], tmp_path / "fox.mp4"))
        assert path.stat().st_size > 1000
        assert sandbox.received["file"] == 1
