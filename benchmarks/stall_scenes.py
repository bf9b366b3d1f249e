"""What the benchmark of stalls measures, each scene in a process of its own.

`python -m benchmarks.stall_scenes NAME URL COUNT` prints the longest steps of the loop as JSON.
"""

import asyncio
import base64
import contextlib
import gc
import json
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread
import attrs

from benchmarks import steps
from vidgo_async import (
    AdaptivePolling,
    FixedPolling,
    GenerationRequest,
    GrokImagine,
    PollingPolicy,
    Request,
    Task,
    VidgoError,
    VidgoSession,
)

KEY = "a-key-for-a-fake-server"
MIB = 2**20
NOT_FROZEN = "gc-not-frozen"
"""The one scene in which the collector goes through all imported modules, again and again."""
SECONDS = 3.0
"""How long what was begun goes on."""


def _session(url: str, polling: PollingPolicy | None = None) -> VidgoSession:
    return VidgoSession(KEY, base_url=url, polling=polling or FixedPolling(1.0))


def _tasks(count: int) -> list[Task]:
    """Make tasks that were bought just now."""
    now = datetime.now(UTC)
    return [
        Task(f"task-unified-{number:010d}-fake0000", "running", submitted_at=now)
        for number in range(count)
    ]


def _ids(count: int) -> list[str]:
    return [task.task_id for task in _tasks(count)]


def _foxes(count: int) -> list[Request]:
    return [GrokImagine(prompt=f"fox {number}") for number in range(count)]


def _note(mib: int) -> Request:
    return GenerationRequest("any", {"note": "x" * (mib * MIB)})


def _picture(mib: int) -> Request:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(mib * MIB)
    link = "data:image/png;base64," + base64.b64encode(picture).decode()
    return GenerationRequest("any", {"image_url": link})


def _kinds(_: int) -> list[str]:
    return ["task-text", "task-files", "task-wrong-files"]


def _large_sale(_: int) -> Request:
    return GenerationRequest("large-sale", {})


@contextlib.asynccontextmanager
async def _one_more(vidgo: VidgoSession) -> AsyncGenerator[None]:
    """Have another consumer, so that the poller is not left with nothing to do."""
    other = vidgo.as_completed(["task-other"])
    async with other:
        yield


async def _watch_and_leave(
    url: str, tasks: Sequence[Task | str], polling: PollingPolicy | None = None
) -> None:
    async with _session(url, polling) as vidgo, _one_more(vidgo):
        async with vidgo.as_completed(tasks):
            await asyncio.sleep(SECONDS)
        await asyncio.sleep(SECONDS)


async def watch(url: str, tasks: Sequence[Task | str]) -> None:
    """Begin and leave an `as_completed` with a fixed interval."""
    await _watch_and_leave(url, tasks, FixedPolling(600.0))


async def adaptive(url: str, tasks: Sequence[Task | str]) -> None:
    """Begin and leave an `as_completed` with the default policy."""
    await _watch_and_leave(url, tasks, AdaptivePolling())


async def close(url: str, tasks: Sequence[Task]) -> None:
    """Close a session that watches tasks."""
    async with _session(url, FixedPolling(600.0)) as vidgo:
        consumer = asyncio.create_task(_take(vidgo, tasks))
        await asyncio.sleep(SECONDS)
    await consumer


async def _take(vidgo: VidgoSession, tasks: Sequence[Task]) -> None:
    with contextlib.suppress(VidgoError):
        async for _ in vidgo.as_completed(tasks):
            pass


async def close_waits(url: str, tasks: Sequence[Task]) -> None:
    """Close a session in which each task has a `wait` of its own."""
    waits = list[asyncio.Task[None]]()
    async with _session(url, FixedPolling(600.0)) as vidgo:
        for task in tasks:
            waits.append(asyncio.create_task(_wait(vidgo, task)))
            await asyncio.sleep(0)
        await asyncio.sleep(SECONDS)
    for wait in waits:
        await wait


async def _wait(vidgo: VidgoSession, task: Task) -> None:
    with contextlib.suppress(VidgoError):
        await vidgo.wait(task)


async def submit_many(url: str, requests: Sequence[Request]) -> None:
    """`submit_many` over a list."""
    async with _session(url) as vidgo:
        assert len(await vidgo.submit_many(requests)) == len(requests)


async def leave_submit_many(url: str, requests: Sequence[Request]) -> None:
    """Leave it when some are bought."""
    async with _session(url) as vidgo:
        buying = asyncio.create_task(vidgo.submit_many(requests))
        await asyncio.sleep(1)
        assert buying.cancel()
        await asyncio.wait({buying})


async def batch(url: str, requests: Sequence[Request]) -> None:
    """`generate_many` over a list, all in flight, to its end."""
    finished = 0
    async with _session(url) as vidgo:
        async for outcome in vidgo.generate_many(requests, max_in_flight=len(requests)):
            finished += outcome.ok
    assert finished == len(requests)


async def small_batch(url: str, requests: Sequence[Request]) -> None:
    """`generate_many` with few in flight, to show the collector's part."""
    async with _session(url, FixedPolling(0.1)) as vidgo:
        async for outcome in vidgo.generate_many(requests, max_in_flight=64):
            assert outcome.ok


async def leave_batch(url: str, requests: Sequence[Request]) -> None:
    """Leave such a batch when all is bought."""
    async with _session(url, FixedPolling(600.0)) as vidgo:
        batch = vidgo.generate_many(requests, max_in_flight=len(requests))
        async with batch:
            while batch.submitted < len(requests):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.1)


async def close_batch(url: str, requests: Sequence[Request]) -> None:
    """Close a session with such a batch."""
    async with _session(url, FixedPolling(600.0)) as vidgo:
        batch = vidgo.generate_many(requests, max_in_flight=len(requests))
        await batch.__aenter__()
        while batch.submitted < len(requests):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.1)


async def submit(url: str, request: Request) -> None:
    """Submit a request with something large in it, or whose answer is large."""
    async with _session(url) as vidgo:
        await vidgo.submit(request)


async def poll(url: str, ids: Sequence[str]) -> None:
    """Poll tasks whose status answers are absurdly large."""
    async with _session(url) as vidgo:
        for task_id in ids:
            with contextlib.suppress(VidgoError):
                await vidgo.get_task(task_id)


SCENES: dict[str, tuple[Callable[[int], Any], Callable[[str, Any], Awaitable[None]]]] = {
    "watch": (_tasks, watch),
    "adaptive": (_tasks, adaptive),
    "ids": (_ids, watch),
    "close": (_tasks, close),
    "close-waits": (_tasks, close_waits),
    "close-batch": (_foxes, close_batch),
    "submit-many": (_foxes, submit_many),
    "leave-submit-many": (_foxes, leave_submit_many),
    "batch": (_foxes, batch),
    "leave-batch": (_foxes, leave_batch),
    NOT_FROZEN: (_foxes, small_batch),
    "gc-frozen": (_foxes, small_batch),
    "large-input": (_note, submit),
    "data-url": (_picture, submit),
    "large-answers": (_kinds, poll),
    "large-sale": (_large_sale, submit),
}
"""What makes the input of a scene, which is not measured, and the scene."""


async def main(name: str, url: str, size: int) -> None:
    """Measure one scene."""
    logging.getLogger("vidgo_async").setLevel(logging.ERROR)
    prepare, scene = SCENES[name]
    given = prepare(size)
    # What is loaded with the first use, such as anyio's part for asyncio, is no stall of a session.
    await submit_many(url, _foxes(2))
    await anyio.to_thread.run_sync(int)
    gc.collect()
    if name != NOT_FROZEN:
        gc.freeze()
    found = steps.Steps()
    with steps.watched(found):
        await asyncio.create_task(_play(scene, url, given))
    json.dump(attrs.asdict(found), sys.stdout)


async def _play(scene: Callable[[str, Any], Awaitable[None]], url: str, given: Any) -> None:
    await scene(url, given)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
