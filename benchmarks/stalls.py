"""The longest steps of the event loop while a session begins, works, leaves and closes.

A step is one callback, or one resumption of a coroutine: while it runs, nothing else of the app
does. CPU time is measured, and what the garbage collector takes is printed apart.
"""

import argparse
import functools
import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from benchmarks import checkouts
from benchmarks.checkouts import OURS, Environment
from benchmarks.fake_server import FakeServer, VidgoApi, serve
from benchmarks.pairs import run_rounds
from benchmarks.tables import print_table

QUESTION = "how long is the host's event loop held?"

MANY = ("watch", "adaptive", "ids", "close")
"""Scenes that are measured with a hundred thousand tasks too."""
SOME = ("close-waits", "close-batch", "submit-many", "leave-submit-many", "batch", "leave-batch")
FEW = ("gc-not-frozen", "gc-frozen")
"""Scenes with two thousand, which show what `gc.freeze` spares."""
LARGE = {"large-input": 20, "data-url": 20, "large-answers": 8, "large-sale": 7}
"""Scenes of large bodies, with their MiB."""
MAX_STEPS = {10_000: 10.0, 100_000: 50.0}
"""Targets: milliseconds of one step, by the number of tasks."""
MAX_OF_A_BODY = 10.0
NAMED = 3
"""Steps of a scene that are named."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default 3")
    parser.add_argument("--scenes", nargs="+", metavar="NAME", help="all by default")
    checkouts.add_option(parser)


def run(options: argparse.Namespace) -> bool:
    """Measure, and print the longest steps of each scene by name: the medians over the rounds."""
    scenes = [each for each in _scenes() if not options.scenes or each[0] in options.scenes]
    rows = list[Sequence[str]]()
    met = True
    with checkouts.environments(options.against) as sides, serve(StallApi) as server:
        for name, count, target in scenes:
            contenders = {
                side: functools.partial(_measure, server, name, count, environment)
                for side, environment in sides.items()
            }
            for side, runs in run_rounds(contenders, options.rounds).items():
                median = sorted(runs, key=lambda each: each.longest_step)[len(runs) // 2]
                met = met and (side != OURS or median.longest_step <= target)
                # Whether a full collection falls into a run is up to chance.
                collection = f"{1000 * max(each.collection for each in runs):.1f}"
                cells = (*median.cells(), collection, f"{target:g}")
                rows.append((name, f"{count:,}", side, *cells))
    print("milliseconds of CPU, medians; a turn is all steps of one iteration of the loop")
    print("GC: the longest collection of all rounds")
    header = ("scene", "size", "side", "longest", "its name", "next", "turn", "GC", "at most")
    print_table(header, rows)
    return met


def _scenes() -> list[tuple[str, int, float]]:
    """Return the name, the size and the target of each."""
    tens, hundreds = MAX_STEPS
    return [
        *((name, count, MAX_STEPS[count]) for name in MANY for count in (tens, hundreds)),
        *((name, tens, MAX_STEPS[tens]) for name in SOME),
        *((name, 2_000, MAX_STEPS[tens]) for name in FEW),
        *((name, size, MAX_OF_A_BODY) for name, size in LARGE.items()),
    ]


@attrs.frozen
class Stalls:
    """What one run found, in seconds."""

    longest: Mapping[str, float]
    turn: float
    collection: float

    @property
    def longest_step(self) -> float:
        """Milliseconds."""
        return 1000 * max(self.longest.values(), default=0.0)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row."""
        steps = sorted(self.longest.items(), key=lambda step: -step[1])
        first = steps[0][0] if steps else "-"
        others = (f"{name} {1000 * seconds:.1f}" for name, seconds in steps[1:NAMED])
        turn = f"{1000 * self.turn:.1f}"
        return (f"{self.longest_step:.1f}", first, ", ".join(others) or "-", turn)


def _measure(server: FakeServer, name: str, count: int, environment: Environment) -> Stalls:
    child = subprocess.run(  # noqa: S603 - our own module
        checkouts.python("-m", "benchmarks.stall_scenes", name, server.url, str(count)),
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Stalls(**json.loads(child.stdout))


# --- The server -----------------------------------------------------------------------------


class StallApi:
    """Tasks that finish at their second poll, and answers that are absurdly large."""

    def __init__(self) -> None:
        self._api = VidgoApi(2)
        file = {"file_url": "https://storage.example/fox.mp4", "file_type": "video"}
        self._large = {
            "task-text": b"x" * 8_000_000,
            "task-files": _status(files=[file] * 13_000),
            "task-wrong-files": _status(files=[{"file_type": "video"}] * 13_000),
        }
        self._sale = _status(note=["fox"] * 1_000_000)

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Accept a task or an upload, or return the state of a task."""
        if path.startswith("/api/common/upload"):
            return _envelope(success=True, file_url="https://files.example/fox.png")
        if b'"large-sale"' in body[:100]:
            return self._sale
        large = self._large.get(path.rpartition("/")[2])
        return large or self._api.answer(method, path, body)


def _status(**fields: Any) -> bytes:
    return _envelope(task_id="task-1", status="finished", **fields)


def _envelope(**data: Any) -> bytes:
    return json.dumps({"code": 200, "data": data}).encode()
