"""The picture of the polling benchmark: polls per task against lateness. Needs matplotlib."""

import argparse

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.polling_simulation import (
    ENDS,
    INTERVALS,
    Backoff,
    Durations,
    Oracle,
    Simulation,
    cost_after_learning,
    cost_of,
    optimum,
)
from vidgo_async import AdaptivePolling, FixedPolling

CAPS = (3.0, 5.0, 10.0, 15.0, 30.0)
PATIENCE = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
OURS = f"adaptive after {ENDS}, patience 0.1 to 4 s"


def draw(options: argparse.Namespace, cases: dict[str, Durations]) -> None:
    """Draw polls per task against lateness; equal products lie on a diagonal."""
    mpl.rcParams["svg.hashsalt"] = "polling"  # the same file from the same figures
    mpl.rcParams["svg.fonttype"] = "none"  # text instead of outlines: half the size
    figure = Figure(figsize=(10, 5), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for panel, (name, durations) in zip(panels, cases.items(), strict=True):
        for label, (style, points) in _curves(durations, options).items():
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
        panel.set_title(name)
        panel.set_xlabel("polls per task")
        panel.set_xticks([3, 5, 10, 20, 50, 100], labels=["3", "5", "10", "20", "50", "100"])
        panel.set_yticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("mean seconds from end to notice")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    is_svg = options.picture.suffix == ".svg"
    figure.savefig(options.picture, metadata={"Date": None} if is_svg else None)
    print(f"\nwrote {options.picture}")


def _curves(
    truth: Durations, options: argparse.Namespace
) -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """Return the curves by their labels, each with its style."""
    settings = [AdaptivePolling(patience=patience) for patience in PATIENCE]
    adaptive = [cost_after_learning(Simulation(truth), options, each) for each in settings]
    oracle = [cost_of(truth, Oracle(truth, each)) for each in settings]
    fixed = [cost_of(truth, FixedPolling(interval)) for interval in INTERVALS]
    backoff = [cost_of(truth, Backoff(cap)) for cap in CAPS]
    return {
        "fixed, 2 to 30 s": ("C0s-", [(each.polls, each.late) for each in fixed]),
        "backoff, cap 3 to 30 s": ("C1^-", [(each.polls, each.late) for each in backoff]),
        OURS: ("C2o-", [(each.polls, each.late) for each in adaptive]),
        "the same, knowing the distribution": ("C2:", [(each.polls, each.late) for each in oracle]),
        "optimum, without max_interval": (
            "k--",
            [optimum(truth, patience) for patience in PATIENCE],
        ),
    }
