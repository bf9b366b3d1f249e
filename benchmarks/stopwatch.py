"""CPU and wall time of the work of a measured process, without its start-up."""

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable


def measure(work: Callable[[], Awaitable[object]], *, loop: str = "asyncio") -> None:
    """Run `work` once on a loop of that kind, and print what it took, as JSON.

    `cpu` is user and system time of this process with all its threads, `wall` the elapsed time,
    both in seconds; `peak` is the peak resident memory, in KiB.
    """
    gc.collect()
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        cpu, wall = time.process_time(), time.perf_counter()
        runner.run(_as_coroutine(work))
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({**took, "peak": peak}, sys.stdout)


async def _as_coroutine(work: Callable[[], Awaitable[object]]) -> None:
    await work()


def _loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if kind == "asyncio":
        return None
    import uvloop  # noqa: PLC0415 - installed by the extra `bench` only

    return uvloop.new_event_loop
