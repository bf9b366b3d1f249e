"""Workers die, sleep and leave at each point: nothing twice, nothing lost, each unknown explained."""

import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.support.program import of
from tests.support.queue_run import DEAD_AFTER, POINTS
from tests.support.queues import PATIENCE, followed, has_sold, ran, states, until
from tests.support.readme import ROOT
from tests.support.sessions import foxes
from tests.support.uploads import PNG, picture
from vidgo_async import GrokImagine, SubmissionUnknownError
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import Sandbox, hang_after, refusal, slow

UNKNOWN = {"before the POST", "with the answer"}
"""The points at which a task may exist of which nobody knows."""
COUNT = 3


@pytest.fixture
async def queue(url: str) -> AsyncIterator[BatchQueue]:
    """A queue whose workers count as dead soon."""
    async with BatchQueue(url, dead_after=DEAD_AFTER) as queue:
        yield queue


@contextlib.asynccontextmanager
async def worker(
    url: str, sandbox: Sandbox, folder: Path, point: str = ""
) -> AsyncIterator[Process]:
    """Run a worker in a process of its own."""
    command = [sys.executable, "-m", "tests.support.queue_run", url, str(folder), point]
    environment = {**os.environ, **of(sandbox)}
    process = await anyio.open_process(command, cwd=ROOT, env=environment, stdout=None, stderr=None)
    async with process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def sold(sandbox: Sandbox) -> Counter[str]:
    """Count sales by prompt."""
    return Counter(task.input["prompt"] for task in sandbox.tasks.values())


async def settle(queue: BatchQueue, sandbox: Sandbox) -> int:
    """Tell of each unknown one what a user finds in the console; return how many there were."""
    found = {task.input["prompt"]: task.task_id for task in sandbox.tasks.values()}
    unknown = await queue.entries("foxes", "unknown")
    for entry in unknown:
        assert isinstance(entry.error, SubmissionUnknownError)
        task_id = found.get(entry.request.input["prompt"])
        if task_id is None:
            await queue.forget(entry)
        else:
            await queue.adopt(entry, task_id)
    return len(unknown)


async def wait_for_state(queue: BatchQueue, *wanted: str) -> None:
    """Wait until the first entry is in one of these states."""
    async with asyncio.timeout(PATIENCE):
        while (await states(queue))[0] not in wanted:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_is_killed(
    point: str, url: str, queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What the table of crash points says of the next worker holds at each of them."""
    images = [picture(tmp_path, "fox.png", PNG)] if point == "in the upload" else None
    await queue.add("foxes", [GrokImagine(prompt="fox 0", image_urls=images)])
    if point == "after a refusal":
        sandbox.inject(refusal(429), call="submit")
    async with worker(url, sandbox, tmp_path / "videos", point) as process:
        assert await process.wait() == -signal.SIGKILL
    assert sandbox.sold <= 1

    (outcome,) = await ran(queue, sandbox, download_to=tmp_path / "videos")
    if point in UNKNOWN:
        assert isinstance(outcome.error, SubmissionUnknownError)
        assert "died before it was answered" in str(outcome.error)
        assert await settle(queue, sandbox) == 1
        (outcome,) = await ran(queue, sandbox, download_to=tmp_path / "videos")
    assert outcome.error is None
    assert sold(sandbox) == {"fox 0": 1}
    assert list((tmp_path / "videos").glob("*.mp4")) == list(outcome.paths)
    assert await states(queue) == ["saved"]


async def test_a_worker_is_killed_before_the_answer(
    url: str, queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each POST in flight is unknown, and was sold once."""
    sandbox.inject(hang_after, call="submit", times=COUNT)
    await queue.add("foxes", foxes(COUNT))
    async with worker(url, sandbox, tmp_path) as process:
        await until(lambda: sandbox.sold == COUNT)
        process.kill()
    outcomes = await ran(queue, sandbox)
    assert all(isinstance(outcome.error, SubmissionUnknownError) for outcome in outcomes)
    assert await settle(queue, sandbox) == COUNT
    assert all(outcome.ok for outcome in await ran(queue, sandbox))
    assert set(sold(sandbox).values()) == {1}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_worker_is_told_to_end(
    how: signal.Signals, url: str, queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Ctrl-C, or a signal that cancels it: POSTs in flight are answered first, so none is unknown."""
    sandbox.inject(slow(0.3), call="submit", times=None)
    await queue.add("foxes", foxes(12))
    async with worker(url, sandbox, tmp_path) as process:
        await until(lambda: sandbox.sold >= 2)
        process.send_signal(how)
        await process.wait()
    assert "unknown" not in await states(queue)
    assert all(outcome.ok for outcome in await ran(queue, sandbox))
    assert set(sold(sandbox).values()) == {1}


async def test_asleep_before_it_sends(
    url: str, queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """It claims again when it wakes, and sends nothing that was taken from it."""
    await queue.add("foxes", foxes(1))
    async with worker(url, sandbox, tmp_path, "before it sends") as process:
        await wait_for_state(queue, "sending")
        (outcome,) = await ran(queue, sandbox)
        assert isinstance(outcome.error, SubmissionUnknownError)
        process.send_signal(signal.SIGCONT)
        assert await process.wait() == 0
    assert sandbox.sold == 0
    await settle(queue, sandbox)
    (outcome,) = await ran(queue, sandbox)
    assert (outcome.ok, sandbox.sold) == (True, 1)


async def test_asleep_while_it_sends(
    url: str, queue: BatchQueue, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What it buys when it wakes is written down, whatever others took it for."""
    await queue.add("foxes", foxes(1))
    async with worker(url, sandbox, tmp_path, "while it sends") as process:
        await wait_for_state(queue, "sending")
        (outcome,) = await ran(queue, sandbox)
        assert isinstance(outcome.error, SubmissionUnknownError)
        process.send_signal(signal.SIGCONT)
        await until(lambda: sandbox.sold)
        await wait_for_state(queue, "ended", "saved", "bought")
        outcomes = await ran(queue, sandbox)
    assert [outcome.ok for outcome in outcomes] == [True]
    assert sandbox.sold == 1


async def test_many_die(url: str, queue: BatchQueue, sandbox: Sandbox, tmp_path: Path) -> None:
    """Two workers on one database, killed again and again: each video once."""
    count = 40
    await queue.add("foxes", foxes(count))
    for number in range(1, 5):
        async with (
            worker(url, sandbox, tmp_path) as first,
            worker(url, sandbox, tmp_path) as second,
        ):
            await until(functools.partial(has_sold, sandbox, 7 * number))
            first.kill()
            second.kill()
    outcomes = await ran(queue, sandbox, download_to=tmp_path)
    unknown = [outcome for outcome in outcomes if not outcome.ok]
    assert all(isinstance(outcome.error, SubmissionUnknownError) for outcome in unknown)
    assert await settle(queue, sandbox) == len(unknown)
    outcomes = await ran(queue, sandbox, download_to=tmp_path)
    assert [outcome.error for outcome in outcomes] == [None] * count
    assert sold(sandbox) == {f"fox {number}": 1 for number in range(count)}
    assert len({path for outcome in outcomes for path in outcome.paths}) == count
    assert len(await followed(queue)) == count
