"""What a finished task costs the client's CPU, beside a loop written by hand over aiohttp."""

import argparse
import functools
import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.clients import CLIENTS
from benchmarks.fake import Fake, VidgoApi, served
from benchmarks.pairs import Ratio, rounds
from benchmarks.tables import show

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = "what does a task cost the client's CPU, beside a loop written by hand?"

LOOKS = 10
"""Looks at each task until it is finished."""
INTERVAL = 0.1
"""Seconds between two looks at a task."""
MOST = 1.0
"""Our CPU time over that of the bare loop: the promise."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="default 20")
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[50, 500, 2000], metavar="N", help="started at once"
    )
    parser.add_argument("--loops", nargs="+", default=["asyncio", "uvloop"], metavar="LOOP")


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a row for each number of tasks and kind of loop."""
    rows: list[Sequence[str]] = []
    kept = True
    with served(functools.partial(VidgoApi, LOOKS)) as fake:
        for loop in options.loops:
            for count in options.tasks:
                contenders = {
                    name: functools.partial(_cpu, fake, name, count, loop) for name in CLIENTS
                }
                figures = rounds(contenders, options.rounds)
                ratio = Ratio.of(figures["ours"], figures["bare"])
                kept = kept and ratio.median <= MOST
                rows.append(
                    (
                        loop,
                        str(count),
                        *(f"{statistics.median(figures[name]):.2f}" for name in CLIENTS),
                        str(ratio),
                        str(Ratio.of(figures["tuned"], figures["bare"])),
                    )
                )
    print(f"CPU milliseconds per task of 1 submit and {LOOKS} looks; {options.rounds} rounds")
    show(("loop", "tasks", *CLIENTS, "ours / bare (95 %)", "tuned / bare (95 %)"), rows)
    return kept


def _cpu(fake: Fake, name: str, count: int, loop: str) -> float:
    """Return the CPU milliseconds per task of one run in a new process."""
    arguments = [name, fake.url, str(count), str(INTERVAL), loop]
    child = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.clients", *arguments],
        stdout=subprocess.PIPE,
        check=True,
    )
    requests = fake.requests()
    assert requests == count * (1 + LOOKS), f"{name} sent {requests} requests"
    cpu: float = json.loads(child.stdout)["cpu"]
    return cpu * 1000 / count
