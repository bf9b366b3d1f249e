"""How long `import vidgo_async` takes, compared with the libraries that it is built on.

Each import is made in a new process, from modules compiled before, as pip does when it installs.
The target is about the import alone; the whole process, interpreter included, is printed too.
"""

import argparse
import functools
import os
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

from benchmarks import checkouts, instructions
from benchmarks.checkouts import OTHER, OURS, Environment
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.tables import print_table

QUESTION = "how long does the import take, compared with that of aiohttp?"

PACKAGE = f"{checkouts.PACKAGE}; {checkouts.PACKAGE}.VidgoSession"
"""What is imported of ours: its names are loaded with the first one that is used."""
BARE, PARTS = "aiohttp", "aiohttp, attrs, cattrs, anyio"
MAX_RATIO = 1.2
"""Target: our import over that of aiohttp alone."""
HEAVIEST = 12
"""Modules that are named."""
CHILD = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="default 30")
    checkouts.add_option(parser)


def run(options: argparse.Namespace) -> bool:
    """Measure, and print the times, the ratios, and the heaviest modules."""
    with (
        tempfile.TemporaryDirectory() as compiled,
        checkouts.environments(options.against) as sides,
    ):
        compiling = {
            name: {**each, "PYTHONPYCACHEPREFIX": compiled} for name, each in sides.items()
        }
        ours = compiling[OURS]
        imports = {
            **{name: (PACKAGE, environment) for name, environment in compiling.items()},
            **{name: (name, ours) for name in (BARE, PARTS)},
        }
        contenders = {name: functools.partial(_start, *each) for name, each in imports.items()}
        for compile_all in contenders.values():
            compile_all()
        counts = _count(imports)
        starts = run_rounds(contenders, options.rounds)
        known, times = (_import_times(name, ours) for name in (BARE, PACKAGE))
    _print_times(starts, options.rounds)
    _print_counts(counts)
    _print_heaviest({name: spent for name, spent in times.items() if name not in known})
    if counts:
        return counts[OURS] <= MAX_RATIO * counts[BARE]
    walls = ([start.import_wall for start in starts[name]] for name in (OURS, BARE))
    return Ratio.of(*walls).median <= MAX_RATIO


# --- Instructions ---------------------------------------------------------------------------


def _count(imports: Mapping[str, tuple[str, Environment]]) -> dict[str, int]:
    """Return the instructions of each import, without the interpreter's own; nothing if not counted."""
    if not instructions.can_be_counted():
        return {}
    counts = dict[str, int]()
    for name, (modules, environment) in imports.items():
        start = instructions.count(["-c", "pass"], environment)
        counts[name] = instructions.count(["-c", f"import {modules}"], environment) - start
    return counts


def _print_counts(counts: Mapping[str, int]) -> None:
    print()
    if not counts:
        print(instructions.MISSING)
        return
    print("instructions of the import; at most", MAX_RATIO, "times those of aiohttp")
    print_table(
        ("", "millions", "ours / this"),
        [
            (name, f"{count / 1e6:.0f}", f"{counts[OURS] / count:.3f}")
            for name, count in counts.items()
        ],
    )


# --- One process ----------------------------------------------------------------------------


@attrs.frozen
class Start:
    """What one process took, in seconds."""

    import_wall: float
    import_cpu: float
    process_wall: float
    process_cpu: float


def _start(modules: str, environment: Environment) -> Start:
    begin = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own
        checkouts.python("-c", CHILD.format(modules)),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        printed = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"import {modules} failed"
    import_wall, import_cpu = map(float, printed.split())
    return Start(import_wall, import_cpu, wall, usage.ru_utime + usage.ru_stime)


# --- Times and ratios -----------------------------------------------------------------------

FIGURES: dict[str, Callable[[Start], float]] = {
    "import, wall": lambda start: start.import_wall,
    "import, CPU": lambda start: start.import_cpu,
    "process, wall": lambda start: start.process_wall,
    "process, CPU": lambda start: start.process_cpu,
}


def _print_times(starts: Mapping[str, Sequence[Start]], count: int) -> None:
    others = [name for name in (OTHER, BARE, PARTS) if name in starts]
    ratios = (f"ours / {'parts' if name == PARTS else name}" for name in others)
    print(f"milliseconds, median of {count} processes each; ratios with their 95 %")
    print_table(
        ("what", *starts, *ratios),
        [(what, *_row(starts, others, figure)) for what, figure in FIGURES.items()],
    )


def _row(
    starts: Mapping[str, Sequence[Start]], others: Sequence[str], figure: Callable[[Start], float]
) -> list[str]:
    figures = {name: [figure(start) for start in each] for name, each in starts.items()}
    return [
        *(f"{1000 * statistics.median(each):.1f}" for each in figures.values()),
        *(str(Ratio.of(figures[OURS], figures[name])) for name in others),
    ]


# --- The heaviest modules -------------------------------------------------------------------


def _print_heaviest(times: Mapping[str, int]) -> None:
    """Print what our import adds to that of aiohttp: by package, and the heaviest modules."""
    packages = Counter[str]()
    modules = Counter(name.partition(".")[0] for name in times)
    for name, spent in times.items():
        packages[name.partition(".")[0]] += spent
    print(f"\nbeyond aiohttp, by one run with -X importtime, which is slower: {len(times)} modules")
    print_table(
        ("package", "modules", "ms"),
        [
            (name, str(modules[name]), f"{spent / 1000:.1f}")
            for name, spent in packages.most_common(HEAVIEST)
        ],
    )
    print()
    heaviest = Counter(times).most_common(HEAVIEST)
    print_table(
        ("module", "ms of its own"),
        [(name, f"{spent / 1000:.1f}") for name, spent in heaviest],
    )


def _import_times(name: str, environment: Environment) -> dict[str, int]:
    """Return the microseconds that each module took by itself."""
    child = subprocess.run(  # noqa: S603 - our own module
        checkouts.python("-X", "importtime", "-c", f"import {name}"),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows = [line.removeprefix("import time:").split("|") for line in child.stderr.splitlines()[1:]]
    return {module.strip(): int(spent) for spent, _, module in rows}
