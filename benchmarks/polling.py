"""How many looks a policy needs, and how late they notice the end, in virtual time.

The figure of merit is their product, looks per task times mean seconds from end to look. Whatever
the interval, fixed polling comes to about half the mean duration; patience only moves a policy
along a curve of much the same product. Learned policies are judged after 50 completions, on tasks
that teach them nothing more, as many as `--tasks` for each of `--learners`.
"""

import argparse
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.polling_world import (
    Backoff,
    Deaf,
    Durations,
    Figures,
    Progress,
    Spy,
    Told,
    World,
    lognormal,
    mixed,
    optimum,
)
from benchmarks.tables import show
from vidgo_async._polling.adaptive import AdaptivePolling
from vidgo_async._polling.policies import FixedPolling, PollingPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = "how many looks does a task take, and how late is its end noticed?"

ENDS = 50
"""Completions that a policy learns from before it is judged."""
TOLD = 1.15
"""The most of the product over that of the same policy told the true distribution."""
SLOWER = 1.2
"""The same for a server that became twice as slow, after as many completions again."""
IGNORED = 1.05
"""The most of the product with a useless progress over that without; noise is some 0.03."""
INTERVALS = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0)
"""Seconds, up to the longest wait of `AdaptivePolling`. Far beyond it, where one look comes after
nearly all ends, the product falls again (to 66 s for sigma 0.15), but ends are noticed a minute
late."""
CAPS = (3.0, 5.0, 10.0, 15.0, 30.0)
PATIENCE = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


@attrs.frozen
class Case:
    """Durations, and the promises made for them."""

    name: str
    durations: Durations
    fixed: float
    """The most of the product over that of any fixed interval."""
    backoff: float | None
    """The most of the product over that of exponential backoff."""
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


def _whole(part: float) -> int:
    return max(0, min(100, int(100 * part)))


TRUTHFUL: dict[str, Progress] = {
    "linear": lambda age, end, _: _whole(age / end),
    "linear, with an error of 5 %": lambda age, end, chance: _whole(
        age / end + chance.gauss(0, 0.05)
    ),
    "in steps of 25 %": lambda age, end, _: 25 * int(4 * age / end),
    "0 for 40 s of queue, then linear": lambda age, end, _: _whole((age - 40) / max(end - 40, 1)),
    "ever slower": lambda age, end, _: _whole(1 - (1 - age / end) ** 2),
    "99 for the last fifth": lambda age, end, _: min(99, _whole(age / 0.8 / end)),
}
USELESS: dict[str, Progress] = {
    "stuck at 0": lambda *_: 0,
    "stuck at 50": lambda *_: 50,
    "stuck at 99": lambda *_: 99,
    "falling from 90": lambda age, _, __: _whole(0.9 - age / 400),
    "jumping": lambda _, __, chance: chance.randrange(101),
    "0 or 100": lambda _, __, chance: chance.choice((0, 100)),
    "the age alone": lambda age, *_: min(99, _whole(age / 180)),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--learners", type=int, default=40, metavar="N", help="default 40")
    parser.add_argument("--tasks", type=int, default=100, metavar="N", help="for each; default 100")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the curves, SVG or PNG")


def run(options: argparse.Namespace) -> bool:
    """Run all, print the tables, and draw the picture if asked."""
    kept = _merit(options, AdaptivePolling())
    kept = _merit(options, AdaptivePolling(max_interval=60, patience=1)) and kept
    kept = _slower(options) and kept
    kept = _progress(options) and kept
    _at_once()
    _cost()
    if options.picture is not None:
        _draw(options)
    return kept


def _learned(
    world: World,
    options: argparse.Namespace,
    settings: AdaptivePolling | None = None,
    past: World | None = None,
    ends: int = ENDS,
) -> Figures:
    """Return what learners cost after that many completions, of another world before those."""
    seen: list[tuple[int, float]] = []
    for seed in range(options.learners):
        policy = (settings or AdaptivePolling()).start()
        chance = random.Random(seed)
        if past is not None:
            list(attrs.evolve(past, chance=chance).together(policy, 2 * ENDS))
        now = attrs.evolve(world, chance=chance)
        list(now.together(policy, ends))
        seen.extend(now.alone(policy, options.tasks))
    return Figures.of(seen)


def _alone(durations: Durations, policy: PollingPolicy, count: int = 4000) -> Figures:
    return Figures.of(World(durations).alone(policy, count))


# --- Tables -------------------------------------------------------------------------------------


def _merit(options: argparse.Namespace, settings: AdaptivePolling) -> bool:
    """Print what each policy costs; return whether the promises were kept."""
    rows: list[Sequence[str]] = []
    kept = True
    for case in CASES:
        truth = case.durations
        fixed = [_alone(truth, FixedPolling(interval), 2000) for interval in INTERVALS]
        interval, best = min(zip(INTERVALS, fixed, strict=True), key=lambda pair: pair[1].product)
        ours = _learned(World(truth, case.model), options, settings)
        others: tuple[tuple[str, Figures, float | None], ...] = (
            (f"fixed, the best: {interval:g} s", best, case.fixed),
            ("backoff", _alone(truth, Backoff()), case.backoff),
            ("told the truth", _alone(truth, Told(truth, settings), 8000), TOLD),
        )
        for name, figures, most in others:
            ratio = ours.product / figures.product
            holds = most is None or ratio <= most
            kept = kept and holds
            promise = ("-", "-") if most is None else (f"{most:.2f}", "yes" if holds else "NO")
            rows.append((case.name, name, *_cells(figures), f"{ratio:.2f}", *promise))
        rows.append((case.name, f"ours after {ENDS}", *_cells(ours), "", "", ""))
    print(f"\n{settings}, {options.learners} learners")
    show((*HEADER, "ours / it", "at most", "kept"), rows)
    return kept


HEADER = ("durations", "policy", "looks per task", "late, s", "95 % within, s", "product, s")


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        f"{figures.polls:.1f}",
        f"{figures.late:.2f}",
        f"{figures.late_95:.1f}",
        f"{figures.product:.1f}",
    )


def _slower(options: argparse.Namespace) -> bool:
    """Print how a server is followed that becomes twice as slow or twice as fast."""
    rows: list[Sequence[str]] = []
    kept = True
    since = (0, 10, 25, ENDS, 2 * ENDS)
    for sigma in (0.35, 0.15):
        for before, after in ((100, 200), (200, 100)):
            world, past = World(lognormal(after, sigma)), World(lognormal(before, sigma))
            told = _alone(world.durations, Told(world.durations, AdaptivePolling()), 8000).product
            ratios = {
                ends: _learned(world, options, past=past, ends=ends).product / told
                for ends in since
            }
            kept = kept and ratios[ENDS] <= SLOWER
            cells = (f"{ratio:.2f}" for ratio in ratios.values())
            rows.append((f"{before} s, then {after} s, sigma {sigma}", *cells))
    print(f"\nproduct over that of a policy told the new truth; at most {SLOWER} after {ENDS}")
    show(("durations", *(f"after {ends}" for ends in since)), rows)
    return kept


def _progress(options: argparse.Namespace) -> bool:
    """Print what progress is worth where it is truthful, and costs where it is not."""
    rows: list[Sequence[str]] = []
    kept = True
    without = _learned(World(WIDE), options)
    rows.append(("none", *_cells(without), "", ""))
    for name, progress in (TRUTHFUL | USELESS).items():
        figures = _learned(World(WIDE, progress=progress), options)
        ratio = figures.product / without.product
        most = IGNORED if name in USELESS else 1.0
        kept = kept and ratio <= most
        rows.append((name, *_cells(figures), f"{ratio:.2f}", f"{most:.2f}"))
    print(f"\nprogress that tells much, and progress that tells nothing; {CASES[0].name}")
    show(("progress", *HEADER[2:], "to none", "at most"), rows)
    return kept


def _at_once() -> None:
    """Print how 500 tasks fare that are submitted together to a session that knows nothing."""
    rows: list[Sequence[str]] = []
    for name, durations in (("0.35", WIDE), ("0.15", NARROW)):
        policies = {"fixed, 3 s": Deaf(FixedPolling(3)), "ours": AdaptivePolling().start()}
        for policy, watched in policies.items():
            spy = Spy(watched)
            figures = Figures.of(World(durations).together(spy, 500, 500, refill=False))
            seconds = Counter(map(int, spy.ages))
            busiest, late = max(seconds.values()), max(seconds[n] for n in seconds if n >= 60)
            rows.append((name, policy, *_cells(figures), str(busiest), str(late)))
    print("\n500 tasks submitted together, median 180 s, nothing learned before")
    peaks = ("most looks in a second", "the same after a minute")
    show(("sigma", *HEADER[1:], *peaks), rows)


def _cost() -> None:
    """Print what the policy costs the client's CPU."""
    policy = AdaptivePolling().start()
    spy = Spy(policy)
    looks = sum(count for count, _ in World(WIDE).together(spy, 2000))
    print(
        f"\n{spy.deciding / looks * 1e6:.1f} us to decide on a look, "
        f"{spy.learning / looks * 1e6:.1f} us to learn from one"
    )


# --- The picture --------------------------------------------------------------------------------


def _draw(options: argparse.Namespace) -> None:
    """Draw looks per task against lateness; on these axes a product is a diagonal."""
    import matplotlib as mpl  # noqa: PLC0415 - only for who wants the picture
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "polling"  # the same file from the same figures
    mpl.rcParams["svg.fonttype"] = "none"  # letters as letters: half the size
    figure = Figure(figsize=(10, 5), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for panel, case in zip(panels, CASES[:2], strict=True):
        for label, (style, points) in _curves(case.durations, options).items():
            panel.loglog(*zip(*points, strict=True), style, label=label, markersize=5)
            if label == OURS:
                default = points[PATIENCE.index(AdaptivePolling().patience)]
                panel.annotate(
                    "default",
                    default,
                    (-45, -45),
                    textcoords="offset points",
                    arrowprops={"arrowstyle": "->"},
                )
        panel.set_title(case.name)
        panel.set_xlabel("looks per task")
        panel.set_xticks([3, 5, 10, 20, 50, 100], labels=["3", "5", "10", "20", "50", "100"])
        panel.set_yticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds from end to notice, mean")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    is_svg = options.picture.suffix == ".svg"
    figure.savefig(options.picture, metadata={"Date": None} if is_svg else None)
    print(f"\nsee {options.picture}")


OURS = f"adaptive after {ENDS}, patience 0.1 to 4 s"


def _curves(
    truth: Durations, options: argparse.Namespace
) -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """Return the curves by their labels, each with its style."""
    settings = [AdaptivePolling(patience=patience) for patience in PATIENCE]
    adaptive = [_learned(World(truth), options, each) for each in settings]
    told = [_alone(truth, Told(truth, each)) for each in settings]
    fixed = [_alone(truth, FixedPolling(interval)) for interval in INTERVALS]
    backoff = [_alone(truth, Backoff(cap)) for cap in CAPS]
    return {
        "fixed, 2 to 30 s": ("C0s-", [(each.polls, each.late) for each in fixed]),
        "backoff, cap 3 to 30 s": ("C1^-", [(each.polls, each.late) for each in backoff]),
        OURS: ("C2o-", [(each.polls, each.late) for each in adaptive]),
        "the same, told the truth": ("C2:", [(each.polls, each.late) for each in told]),
        "the optimum, with no longest interval": (
            "k--",
            [optimum(truth, patience) for patience in PATIENCE],
        ),
    }
