"""What a task costs the client, compared with a hand-written loop over aiohttp.

First the instructions of single exchanges, over a server in the same process: they hardly differ from
run to run. Then the CPU time of whole batches over sockets, by ratios within interleaved rounds.
"""

import argparse
import functools
import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs

from benchmarks import checkouts, exchanges, instructions
from benchmarks.checkouts import OURS, Environment
from benchmarks.fake_server import FakeServer, VidgoApi, serve
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.tables import print_table

QUESTION = "how much does a task cost the client, compared with a hand-written loop?"

COUNTED = (200, 700)
"""Exchanges of the short and of the long run."""
MAX_INSTRUCTIONS = {exchanges.SAME: 1.0, exchanges.CHANGED: 1.28, exchanges.SUBMIT: 1.7}
"""Targets: our instructions over those of the bare loop."""


@attrs.frozen
class Case:
    """One size of batch."""

    tasks: int
    """All started at once."""
    interval: float
    """Seconds between two polls of a task."""
    polls: int
    """Polls of each task until it is finished."""
    rounds: int
    most: Mapping[str, float]
    """Targets: our CPU time over that of other loops."""


CASES = (
    Case(50, 0.1, 10, 14, {"bare": 1.15}),
    Case(400, 0.1, 10, 8, {"bare": 1.05}),
    Case(100, 3.0, 5, 3, {"bare": 1.0, "polite": 0.6}),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, metavar="N", help="by default 3 to 14")
    parser.add_argument("--loop", default="asyncio", help="asyncio or uvloop; default asyncio")
    parser.add_argument("--only", choices=["instructions", "time"], help="default both")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1.0,
        metavar="F",
        help="how many times a target of instructions may be exceeded; default 1",
    )
    checkouts.add_option(parser)


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a table of instructions and one of times."""
    met = True
    with checkouts.environments(options.against) as sides:
        if options.only != "time":
            met = _count(sides, options.tolerance)
        if options.only != "instructions":
            met = _time(sides, options.rounds, options.loop) and met
    return met


# --- Instructions ---------------------------------------------------------------------------


def _count(sides: Mapping[str, Environment], tolerance: float) -> bool:
    if not instructions.can_be_counted():
        print(instructions.MISSING)
        return True
    clients = {
        **{side: ("ours", each) for side, each in sides.items()},
        "bare": ("bare", sides[OURS]),
    }
    with ThreadPoolExecutor() as pool:
        counts = {
            (name, kind): pool.submit(_count_one, client, kind, environment)
            for name, (client, environment) in clients.items()
            for kind in exchanges.KINDS
        }
    rows = list[Sequence[str]]()
    met = True
    for kind, most in MAX_INSTRUCTIONS.items():
        found = {name: counts[name, kind].result() for name in clients}
        met = met and found[OURS] <= tolerance * most * found["bare"]
        thousands = (f"{count / 1000:.0f}" for count in found.values())
        ratios = (f"{found[name] / found['bare']:.2f}" for name in sides)
        rows.append((kind, *thousands, *ratios, f"{most:g}"))
    print("thousands of instructions of one exchange, over a server in the same process")
    print_table(("", *clients, *(f"{side} / bare" for side in sides), "at most"), rows)
    print()
    return met


def _count_one(client: str, kind: str, environment: Environment) -> float:
    arguments = ["-m", "benchmarks.exchanges", client, kind]
    return instructions.count_each(arguments, COUNTED, environment)


# --- Time -----------------------------------------------------------------------------------


def _time(sides: Mapping[str, Environment], rounds: int | None, loop: str) -> bool:
    ours = sides[OURS]
    clients = {
        **{side: ("ours", environment) for side, environment in sides.items()},
        **{name: (name, ours) for name in ("bare", "polite", "tuned")},
    }
    rows = list[Sequence[str]]()
    met = True
    for case in CASES:
        with serve(functools.partial(VidgoApi, case.polls)) as server:
            contenders = {
                name: functools.partial(_cpu, server, client, environment, (case, loop))
                for name, (client, environment) in clients.items()
            }
            cpu = run_rounds(contenders, rounds or case.rounds)
        ratios = {name: Ratio.of(cpu[OURS], cpu[name]) for name in clients if name != OURS}
        met = met and all(ratios[name].median <= most for name, most in case.most.items())
        rows.append(
            (
                f"{case.tasks} tasks, {case.interval:g} s, {case.polls} polls",
                *(f"{statistics.median(cpu[name]):.2f}" for name in clients),
                *(_cell(ratio, case.most.get(name)) for name, ratio in ratios.items()),
            )
        )
    print(f"CPU milliseconds a task of one submit and its polls, {loop}; targets in brackets")
    others = (f"ours / {name}" for name in clients if name != OURS)
    print_table(("", *clients, *others), rows)
    return met


def _cell(ratio: Ratio, most: float | None) -> str:
    return f"{ratio}" if most is None else f"{ratio} [{most:g}]"


def _cpu(
    server: FakeServer, client: str, environment: Environment, size: tuple[Case, str]
) -> float:
    """Return the CPU milliseconds per task of one run in a new process."""
    case, loop = size
    arguments = [client, server.url, str(case.tasks), str(case.interval), loop]
    child = subprocess.run(  # noqa: S603 - our own module
        checkouts.python("-m", "benchmarks.clients", *arguments),
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    requests = server.take_request_count()
    assert requests == case.tasks * (1 + case.polls), f"{client} sent {requests} requests"
    cpu: float = json.loads(child.stdout)["cpu"]
    return cpu * 1000 / case.tasks
