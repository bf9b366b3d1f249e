"""Client CPU per finished task, compared with a hand-written loop over aiohttp."""

import argparse
import functools
import json
import statistics
import subprocess
from typing import TYPE_CHECKING

from benchmarks import checkouts
from benchmarks.checkouts import OTHER, OURS, Environment
from benchmarks.clients import CLIENTS
from benchmarks.fake_server import FakeServer, VidgoApi, serve
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = "how much client CPU does a task take, compared with a hand-written loop?"

POLLS = 10
"""Polls of each task until it is finished."""
INTERVAL = 0.1
"""Seconds between two polls of a task."""
MAX_RATIO = 1.0
"""Target: our CPU time over that of the bare loop."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="default 20")
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[50, 500, 2000], metavar="N", help="started at once"
    )
    parser.add_argument("--loops", nargs="+", default=["asyncio", "uvloop"], metavar="LOOP")
    checkouts.add_option(parser)


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a row for each event loop and number of tasks."""
    rows: list[Sequence[str]] = []
    met = True
    with (
        checkouts.environments(options.against) as sides,
        serve(functools.partial(VidgoApi, POLLS)) as server,
    ):
        clients = _clients(sides)
        for loop in options.loops:
            for count in options.tasks:
                contenders = {
                    name: functools.partial(_cpu, server, client, environment, (count, loop))
                    for name, (client, environment) in clients.items()
                }
                cpu = run_rounds(contenders, options.rounds)
                ratio = Ratio.of(cpu[OURS], cpu["bare"])
                met = met and ratio.median <= MAX_RATIO
                medians = (f"{statistics.median(cpu[name]):.2f}" for name in clients)
                rows.append((loop, str(count), *medians, str(ratio), _second_ratio(cpu)))
    print(f"CPU milliseconds per task of 1 submit and {POLLS} polls; {options.rounds} rounds")
    second = "tuned / bare" if options.against is None else "ours / other"
    print_table(("loop", "tasks", *clients, "ours / bare (95 %)", f"{second} (95 %)"), rows)
    return met


def _clients(sides: dict[str, Environment]) -> dict[str, tuple[str, Environment]]:
    """Return the name of each contender, its client, and the checkout that it imports."""
    ours = sides[OURS]
    if OTHER not in sides:
        return {name: (name, ours) for name in CLIENTS}
    return {OURS: ("ours", ours), OTHER: ("ours", sides[OTHER]), "bare": ("bare", ours)}


def _second_ratio(cpu: dict[str, list[float]]) -> str:
    if OTHER in cpu:
        return str(Ratio.of(cpu[OURS], cpu[OTHER]))
    return str(Ratio.of(cpu["tuned"], cpu["bare"]))


def _cpu(server: FakeServer, client: str, environment: Environment, size: tuple[int, str]) -> float:
    """Return the CPU milliseconds per task of one run in a new process."""
    count, loop = size
    arguments = [client, server.url, str(count), str(INTERVAL), loop]
    child = subprocess.run(  # noqa: S603 - our own module
        checkouts.python("-m", "benchmarks.clients", *arguments),
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    requests = server.take_request_count()
    assert requests == count * (1 + POLLS), f"{client} sent {requests} requests"
    cpu: float = json.loads(child.stdout)["cpu"]
    return cpu * 1000 / count
