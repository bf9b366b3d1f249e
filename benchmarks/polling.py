"""How many polls a policy makes, and how late it notices the end of a task, in virtual time.

The figure of merit is their product: polls per task times mean seconds from the end to the poll
that sees it. For fixed polling it is about half the mean duration, whatever the interval; the
setting `patience` moves a policy along a curve of about the same product. A learning policy is
measured after 50 completions, on tasks that teach it nothing more: `--tasks` for each of
`--learners`.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.polling_simulation import (
    ENDS,
    INTERVALS,
    Backoff,
    Durations,
    Figures,
    NonLearning,
    Oracle,
    Progress,
    Recorder,
    Simulation,
    cost_after_learning,
    cost_of,
    lognormal,
    mixed,
)
from benchmarks.tables import print_table
from vidgo_async import AdaptivePolling, FixedPolling

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = "how many polls does a task take, and how late is its end noticed?"

MAX_TO_ORACLE = 1.15
"""Target: product over that of the same policy that knows the true distribution."""
MAX_AFTER_CHANGE = 1.2
"""The same for a server that became twice as slow or fast, `ENDS` completions after that."""
MAX_FAST = 1.6
"""Target: product over that of the oracle, for models that take seconds."""
MAX_USELESS = 1.05
"""Target: product with a meaningless progress over that without; noise is about 0.03."""


@attrs.frozen
class Case:
    """Durations, and the targets for them."""

    name: str
    durations: Durations
    fixed: float
    """Target: product over that of the best fixed interval."""
    backoff: float | None
    """Target: product over that of exponential backoff."""
    model: str = "video"


NARROW, WIDE = lognormal(180, 0.15), lognormal(180, 0.35)
CASES = (
    Case("log-normal, 180 s, sigma 0.35", WIDE, 0.70, 0.60),
    Case("log-normal, 180 s, sigma 0.15", NARROW, 0.45, 0.35),
    Case("images: log-normal, 30 s, sigma 0.35", lognormal(30, 0.35), 0.70, 0.60, "image"),
    Case("images: log-normal, 30 s, sigma 0.15", lognormal(30, 0.15), 0.45, 0.35, "image"),
    Case("sigma 0.35, a tenth 4 times longer", mixed(0.9, WIDE, lognormal(720, 0.35)), 1.1, None),
    Case("sigma 0.15, a tenth 4 times longer", mixed(0.9, NARROW, lognormal(720, 0.15)), 1.1, None),
    Case(
        "half 90 s, half 270 s, sigma 0.15",
        mixed(0.5, lognormal(90, 0.15), lognormal(270, 0.15)),
        1.1,
        None,
    ),
)


def _percent(share: float) -> int:
    return max(0, min(100, int(100 * share)))


TRUTHFUL: dict[str, Progress] = {
    "linear": lambda age, end, _: _percent(age / end),
    "linear, with an error of 5 %": lambda age, end, rng: _percent(age / end + rng.gauss(0, 0.05)),
    "in steps of 25 %": lambda age, end, _: 25 * int(4 * age / end),
    "0 for 40 s of queue, then linear": lambda age, end, _: _percent((age - 40) / max(end - 40, 1)),
    "ever slower": lambda age, end, _: _percent(1 - (1 - age / end) ** 2),
    "99 for the last fifth": lambda age, end, _: min(99, _percent(age / 0.8 / end)),
}
USELESS: dict[str, Progress] = {
    "stuck at 0": lambda *_: 0,
    "stuck at 50": lambda *_: 50,
    "stuck at 99": lambda *_: 99,
    "falling from 90": lambda age, _, __: _percent(0.9 - age / 400),
    "jumping": lambda _, __, rng: rng.randrange(101),
    "0 or 100": lambda _, __, rng: rng.choice((0, 100)),
    "the age alone": lambda age, *_: min(99, _percent(age / 180)),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--learners", type=int, default=120, metavar="N", help="default 120")
    parser.add_argument("--tasks", type=int, default=100, metavar="N", help="for each; default 100")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the curves, SVG or PNG")


def run(options: argparse.Namespace) -> bool:
    """Run all, print the tables, and draw the picture if `--picture` is given."""
    met = _products(options, AdaptivePolling())
    met = _products(options, AdaptivePolling(max_interval=60, patience=1)) and met
    met = _fast(options) and met
    met = _after_change(options) and met
    met = _progress(options) and met
    _at_once()
    _cpu()
    if options.picture is not None:
        from benchmarks import polling_picture  # noqa: PLC0415 - needs the extra `bench`

        polling_picture.draw(options, {case.name: case.durations for case in CASES[:2]})
    return met


# --- Tables -------------------------------------------------------------------------------------


def _products(options: argparse.Namespace, settings: AdaptivePolling) -> bool:
    """Print the cost of each policy; return whether the targets were met."""
    rows: list[Sequence[str]] = []
    met = True
    for case in CASES:
        truth = case.durations
        fixed = [cost_of(truth, FixedPolling(interval), 2000) for interval in INTERVALS]
        interval, best = min(zip(INTERVALS, fixed, strict=True), key=lambda pair: pair[1].product)
        ours = cost_after_learning(Simulation(truth, case.model), options, settings)
        others: tuple[tuple[str, Figures, float | None], ...] = (
            (f"fixed, the best: {interval:g} s", best, case.fixed),
            ("backoff", cost_of(truth, Backoff()), case.backoff),
            ("oracle", cost_of(truth, Oracle(truth, settings), 8000), MAX_TO_ORACLE),
        )
        for name, figures, limit in others:
            ratio = ours.product / figures.product
            is_met = limit is None or ratio <= limit
            met = met and is_met
            target = ("-", "-") if limit is None else (f"{limit:.2f}", "yes" if is_met else "NO")
            rows.append((case.name, name, *_cells(figures), f"{ratio:.2f}", *target))
        rows.append((case.name, f"ours after {ENDS}", *_cells(ours), "", "", ""))
    print(f"\n{settings}, {options.learners} learners")
    print_table((*HEADER, "ours / it", "at most", "met"), rows)
    return met


HEADER = ("durations", "policy", "polls per task", "late, s", "95 % within, s", "product, s")


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.polls:.1f}",
        f"{figures.late:.2f}",
        f"{figures.late_95:.1f}",
        f"{figures.product:.1f}",
    )


def _fast(options: argparse.Namespace) -> bool:
    """Print the cost for models that take seconds; return whether the target was met."""
    rows: list[Sequence[str]] = []
    met = True
    settings = AdaptivePolling(min_interval=0.5)
    for median in (3, 6, 10):
        truth = lognormal(median, 0.2)
        ours = cost_after_learning(Simulation(truth, "image"), options, settings)
        oracle = cost_of(truth, Oracle(truth, settings), 8000)
        fixed = cost_of(truth, FixedPolling(2.0), 2000)
        ratio = ours.product / oracle.product
        met = met and ratio <= MAX_FAST
        name = f"log-normal, {median} s, sigma 0.2"
        rows.append((name, "fixed, 2 s", *_cells(fixed), ""))
        rows.append((name, "oracle", *_cells(oracle), ""))
        rows.append((name, f"ours after {ENDS}", *_cells(ours), f"{ratio:.2f}"))
    print(f"\n{settings}, images; at most {MAX_FAST} times the product of an oracle")
    print_table((*HEADER, "ours / oracle"), rows)
    return met


def _after_change(options: argparse.Namespace) -> bool:
    """Print the cost after a server became twice as slow or twice as fast."""
    rows: list[Sequence[str]] = []
    met = True
    since = (0, 10, 25, ENDS, 2 * ENDS)
    for sigma in (0.35, 0.15):
        for before, after in ((100, 200), (200, 100)):
            simulation, past = (
                Simulation(lognormal(after, sigma)),
                Simulation(lognormal(before, sigma)),
            )
            oracle = cost_of(
                simulation.durations, Oracle(simulation.durations, AdaptivePolling()), 8000
            ).product
            ratios = {
                ends: cost_after_learning(simulation, options, past=past, ends=ends).product
                / oracle
                for ends in since
            }
            met = met and ratios[ENDS] <= MAX_AFTER_CHANGE
            cells = (f"{ratio:.2f}" for ratio in ratios.values())
            rows.append((f"{before} s, then {after} s, sigma {sigma}", *cells))
    print(
        f"\nproduct over that of an oracle for the new durations; at most {MAX_AFTER_CHANGE} after {ENDS}"
    )
    print_table(("durations", *(f"after {ends}" for ends in since)), rows)
    return met


def _progress(options: argparse.Namespace) -> bool:
    """Print how much a truthful progress saves, and how much a meaningless one costs."""
    rows: list[Sequence[str]] = []
    met = True
    without = cost_after_learning(Simulation(WIDE), options)
    rows.append(("none", *_cells(without), "", ""))
    for name, progress in (TRUTHFUL | USELESS).items():
        figures = cost_after_learning(Simulation(WIDE, progress=progress), options)
        ratio = figures.product / without.product
        limit = MAX_USELESS if name in USELESS else 1.0
        met = met and ratio <= limit
        rows.append((name, *_cells(figures), f"{ratio:.2f}", f"{limit:.2f}"))
    print(f"\ntruthful progress, then meaningless progress; {CASES[0].name}")
    print_table(("progress", *HEADER[2:], "over none", "at most"), rows)
    return met


def _at_once() -> None:
    """Print the cost of 500 tasks submitted at once in a session that has learned nothing."""
    rows: list[Sequence[str]] = []
    for name, durations in (("0.35", WIDE), ("0.15", NARROW)):
        policies = {"fixed, 3 s": NonLearning(FixedPolling(3)), "ours": AdaptivePolling().start()}
        for policy, inner in policies.items():
            recorder = Recorder(inner)
            figures = Figures.of(
                Simulation(durations).concurrently(recorder, 500, 500, refill=False)
            )
            seconds = Counter(map(int, recorder.ages))
            busiest, late = max(seconds.values()), max(seconds[n] for n in seconds if n >= 60)
            rows.append((name, policy, *_cells(figures), str(busiest), str(late)))
    print("\n500 tasks submitted at once, median 180 s, nothing learned before")
    peaks = ("most polls in a second", "the same after a minute")
    print_table(("sigma", *HEADER[1:], *peaks), rows)


def _cpu() -> None:
    """Print the CPU time of the policy itself."""
    policy = AdaptivePolling().start()
    recorder = Recorder(policy)
    polls = sum(count for count, _ in Simulation(WIDE).concurrently(recorder, 2000))
    print(
        f"\n{recorder.deciding / polls * 1e6:.1f} us to decide on a poll, "
        f"{recorder.learning / polls * 1e6:.1f} us to learn from one"
    )
