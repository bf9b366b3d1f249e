"""What callbacks save, and what they cost when they fail, in virtual time.

Real sessions against the sandbox, which really delivers callbacks, over sockets. Tasks take 90 to
300 s; the default policy polls. Lateness is from the end of a task to its outcome.
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

import attrs

from benchmarks.tables import print_table
from tests.support.sessions import foxes
from tests.support.webhooks import called_back
from vidgo_async import AdaptivePolling, VidgoSession
from vidgo_async.sandbox import Callbacks, Sandbox, jumping_loop

QUESTION = "how many polls do callbacks save, and what happens when they are lost or stop?"

SECONDS = (90.0, 300.0)
AFTER = 50
"""Ends after which lateness is to be back to that of polling alone."""
MAX_REQUESTS = 1.5
"""Target: requests for a task after its submit."""
MAX_LATE = 0.5
"""Target: seconds of lateness, on average."""
MAX_RATIO = 1.25
"""Target: lateness after callbacks stopped, of that of polling alone."""


NONE = Callbacks(lost=1.0)


@attrs.frozen
class Result:
    """What came of one batch."""

    polls: float
    """A task."""
    late: list[float]
    """Seconds, in the order of the tasks' ends."""
    after_stop: list[float]
    """The part of them that ended after callbacks stopped."""
    failed: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=200)


def run(options: argparse.Namespace) -> bool:
    """Run all cases; return whether the targets were met."""
    lossy = Callbacks(shape="both", lost=0.3, doubled=1.0, delay=(0.0, 30.0))
    cases = {
        "polling alone": _measure(options, None),
        "callbacks": _measure(options, Callbacks()),
        "30 % lost, the others twice and up to 30 s late": _measure(options, lossy),
        "they stop in mid-batch": _measure(options, Callbacks(), stop=options.tasks // 2),
    }
    _print(cases)
    alone, callbacks, _, stopped = cases.values()
    after = _mean(stopped.after_stop[AFTER:])
    ratio = after / _mean(alone.late)
    print(
        f"more than {AFTER} ends after they stopped: {ratio:.2f} of the lateness of polling alone"
    )
    met = [
        callbacks.polls <= MAX_REQUESTS,
        _mean(callbacks.late) < MAX_LATE,
        ratio <= MAX_RATIO,
        not any(case.failed for case in cases.values()),
    ]
    return all(met)


def _measure(options: argparse.Namespace, callbacks: Callbacks | None, stop: int = 0) -> Result:
    with asyncio.Runner(loop_factory=jumping_loop) as runner:
        return runner.run(_batch(options.tasks, options.in_flight, callbacks, stop))


async def _batch(count: int, in_flight: int, callbacks: Callbacks | None, stop: int) -> Result:
    loop = asyncio.get_running_loop()
    settings = callbacks or NONE
    async with (
        Sandbox(seconds=SECONDS, credits=1e9, callbacks=settings) as sandbox,
        _session(sandbox, callbacks) as vidgo,
    ):
        ends, failed, stopped_at = list[tuple[float, float]](), 0, float("inf")
        async for outcome in vidgo.generate_many(foxes(count), max_in_flight=in_flight):
            failed += not outcome.ok
            if outcome.task is not None:
                end = sandbox.tasks[outcome.task.task_id].ends_at
                ends.append((end, loop.time() - end))
            if len(ends) == stop:
                sandbox.callbacks, stopped_at = NONE, loop.time()
        ends.sort()
        return Result(
            polls=sandbox.received["status"] / count,
            late=[late for _, late in ends],
            after_stop=[late for end, late in ends if end > stopped_at],
            failed=failed + count - sandbox.sold,
        )


@contextlib.asynccontextmanager
async def _session(sandbox: Sandbox, callbacks: Callbacks | None) -> AsyncGenerator[VidgoSession]:
    if callbacks is not None:
        async with called_back(sandbox, polling=AdaptivePolling()) as vidgo:
            yield vidgo
        return
    async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
        yield vidgo


def _print(cases: dict[str, Result]) -> None:
    header = ["case", "polls a task", "late, s", f"first {AFTER} after, s", "later, s", "failed"]
    rows = [
        [
            name,
            f"{case.polls:.2f}",
            f"{_mean(case.late):.2f}",
            f"{_mean(case.after_stop[:AFTER]):.1f}" if case.after_stop else "-",
            f"{_mean(case.after_stop[AFTER:]):.2f}" if case.after_stop else "-",
            str(case.failed),
        ]
        for name, case in cases.items()
    ]
    print_table(header, rows)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
