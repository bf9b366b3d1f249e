"""How long `import vidgo_async` takes, beside what it is built on.

Each import is made in a new process, in turn, of modules compiled before, as pip does when it
installs. The promise is about the import alone; beside it stands the whole process, interpreter
included.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

from benchmarks.pairs import Ratio, rounds
from benchmarks.tables import show

QUESTION = "how long does the import take, beside that of aiohttp?"

OURS, BARE, PARTS = "vidgo_async", "aiohttp", "aiohttp, attrs, cattrs, anyio"
CONTENDERS = (OURS, BARE, PARTS)
MOST = 1.2
"""Our import over that of aiohttp alone: the promise."""
HEAVIEST = 12
"""Modules that are named."""
CHILD = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="default 30")


def run(options: argparse.Namespace) -> bool:
    """Measure, and print the times, the ratios, and where ours go."""
    starts: dict[str, list[Start]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as compiled:
        environment = _environment(compiled)
        contenders = {
            name: functools.partial(_keep, starts[name], name, environment) for name in CONTENDERS
        }
        for name in CONTENDERS:
            _start(name, environment)  # which compiles everything
        rounds(contenders, options.rounds)
        known, ours = (_import_times(name, environment) for name in (BARE, OURS))
    print(f"milliseconds, median of {options.rounds} processes each; ratios with their 95 %")
    show(
        ("what", *CONTENDERS, "ours / aiohttp", "ours / parts"),
        [(what, *_row(starts, figure)) for what, figure in FIGURES.items()],
    )
    _print_heaviest({name: spent for name, spent in ours.items() if name not in known})
    walls = ([start.import_wall for start in starts[name]] for name in (OURS, BARE))
    return Ratio.of(*walls).median <= MOST


def _environment(compiled: str) -> dict[str, str]:
    """Let nothing of the caller's environment keep modules from being compiled once for all."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPYCACHEPREFIX": compiled}


# --- One process ----------------------------------------------------------------------------


@attrs.frozen
class Start:
    """What one process took, in seconds."""

    import_wall: float
    import_cpu: float
    process_wall: float
    process_cpu: float


FIGURES: dict[str, Callable[[Start], float]] = {
    "import, wall": lambda start: start.import_wall,
    "import, CPU": lambda start: start.import_cpu,
    "process, wall": lambda start: start.process_wall,
    "process, CPU": lambda start: start.process_cpu,
}


def _start(name: str, environment: Mapping[str, str]) -> Start:
    begin = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", CHILD.format(name)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        printed = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"import {name} failed"
    import_wall, import_cpu = map(float, printed.split())
    return Start(import_wall, import_cpu, wall, usage.ru_utime + usage.ru_stime)


def _keep(starts: list[Start], name: str, environment: Mapping[str, str]) -> float:
    starts.append(_start(name, environment))
    return starts[-1].import_wall


def _row(starts: Mapping[str, Sequence[Start]], figure: Callable[[Start], float]) -> list[str]:
    figures = {name: [figure(start) for start in starts[name]] for name in CONTENDERS}
    return [
        *(f"{1000 * statistics.median(figures[name]):.1f}" for name in CONTENDERS),
        str(Ratio.of(figures[OURS], figures[BARE])),
        str(Ratio.of(figures[OURS], figures[PARTS])),
    ]


# --- Where it goes --------------------------------------------------------------------------


def _print_heaviest(ours: Mapping[str, int]) -> None:
    """Print what we import and aiohttp does not: by package, and the heaviest modules."""
    packages = Counter[str]()
    modules = Counter(name.partition(".")[0] for name in ours)
    for name, spent in ours.items():
        packages[name.partition(".")[0]] += spent
    print(f"\nbeyond aiohttp, by one run with -X importtime, which is slower: {len(ours)} modules")
    show(
        ("package", "modules", "ms"),
        [
            (name, str(modules[name]), f"{spent / 1000:.1f}")
            for name, spent in packages.most_common(HEAVIEST)
        ],
    )
    print()
    heaviest = Counter(ours).most_common(HEAVIEST)
    show(
        ("module", "ms of its own"),
        [(name, f"{spent / 1000:.1f}") for name, spent in heaviest],
    )


def _import_times(name: str, environment: Mapping[str, str]) -> dict[str, int]:
    """Return the microseconds that each module took by itself."""
    child = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-X", "importtime", "-c", f"import {name}"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows = [line.removeprefix("import time:").split("|") for line in child.stderr.splitlines()[1:]]
    return {module.strip(): int(spent) for spent, _, module in rows}
