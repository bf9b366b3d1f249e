"""How late ends are noticed at the session's defaults, by the number of tasks, in virtual time.

A server that takes 0.2 s for each request, and a batch with all tasks in flight, which take 40 to
80 s and are polled every 3 s.
"""

import argparse
import asyncio
import statistics
from typing import Any

import attrs

from benchmarks import virtual
from benchmarks.tables import print_table
from tests.support.sessions import foxes
from vidgo_async import FixedPolling, VidgoSession
from vidgo_async.sandbox import Sandbox, slow

QUESTION = "how late are ends noticed at the default concurrency?"

REQUEST_TIME = 0.2
INTERVAL = 3.0
SECONDS = (40.0, 80.0)
BEFORE: dict[str, Any] = {"max_concurrent_requests": 16}
"""The default before it was raised."""
MAX_LATE = 1.1
"""Target: lateness over that of a few tasks, for as many as the rule of README allows."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--tasks",
        type=int,
        nargs="+",
        default=[100, 200, 600, 1000, 2000],
        metavar="N",
        help="the first is what the others are compared with",
    )


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a row for each number of tasks and concurrency."""
    rows = list[tuple[str, ...]]()
    met = True
    least: float | None = None
    for tasks in options.tasks:
        for name, settings in {"16": BEFORE, "default": {}, "by the rule": _by_rule(tasks)}.items():
            measured = virtual.run(_measure(tasks, settings))
            least = measured.mean if least is None else least
            if name == "by the rule":
                met = met and measured.mean <= MAX_LATE * least
            rows.append((str(tasks), name, *measured.cells()))
    print(f"{REQUEST_TIME:g} s a request, polled every {INTERVAL:g} s; late, in seconds")
    header = ("tasks", "at a time", "polls a second", "polls a task", "late", "p95", "max")
    print_table(header, rows)
    return met


def _by_rule(tasks: int) -> dict[str, Any]:
    return {"max_concurrent_requests": max(1, round(1.4 * REQUEST_TIME * tasks / INTERVAL))}


@attrs.frozen
class Measured:
    """How late the ends of one run were noticed, and how many polls it took."""

    late: list[float]
    polls: int
    seconds: float

    @property
    def mean(self) -> float:
        """Seconds from an end until it is noticed, on average."""
        return statistics.mean(self.late)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row."""
        ordered = sorted(self.late)
        lates = (self.mean, ordered[int(0.95 * len(ordered))], ordered[-1])
        polls = (self.polls / self.seconds, self.polls / len(ordered))
        return (f"{polls[0]:.0f}", f"{polls[1]:.1f}", *(f"{late:.1f}" for late in lates))


async def _measure(tasks: int, settings: dict[str, Any]) -> Measured:
    loop = asyncio.get_running_loop()
    async with Sandbox(seconds=SECONDS, credits=1e9, keepalive=1e9) as sandbox:
        for call in ("submit", "status"):
            sandbox.inject(slow(REQUEST_TIME), call=call, times=None)
        async with VidgoSession(
            sandbox.api_key, base_url=sandbox.url, polling=FixedPolling(INTERVAL), **settings
        ) as vidgo:
            began, late = loop.time(), list[float]()
            batch = vidgo.generate_many(foxes(tasks), max_in_flight=tasks, timeout=None)
            async for outcome in batch:
                if outcome.task is not None:
                    late.append(loop.time() - sandbox.tasks[outcome.task.task_id].ends_at)
            polls, seconds = sandbox.received["status"], loop.time() - began
    return Measured(late, polls, seconds)
