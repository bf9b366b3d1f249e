"""In the process of a client that is measured: the CPU time of its work, start-up left out."""

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable


def measure(work: Callable[[], Awaitable[object]], *, loop: str = "asyncio") -> None:
    """Run `work` once on a loop of that kind, and print what it took, as JSON.

    `cpu` is user and system time of this process with all its threads, `wall` the time that
    passed, both in seconds; `peak` the most memory that was resident, in KiB.
    """
    gc.collect()
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        cpu, wall = time.process_time(), time.perf_counter()
        runner.run(_awaited(work))
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({**took, "peak": peak}, sys.stdout)


async def _awaited(work: Callable[[], Awaitable[object]]) -> None:
    await work()


def _loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if kind == "asyncio":
        return None
    import uvloop  # noqa: PLC0415 - only where it is asked for

    return uvloop.new_event_loop
