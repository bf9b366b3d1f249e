"""What a finished task costs the CPU in other services' own clients, beside ours.

Each client runs in an environment and a process of its own, against a fake of its own service in
another one, with as many looks at as even intervals. Start-up is left out: clients are made before
the clock starts. Each does this as it comes, and tuned: over aiohttp where it offers that, with a
pool without limits, and without the timeouts that a full one would run into.
"""

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs

from benchmarks.pairs import Ratio, rounds
from benchmarks.peers.contenders import INTERVAL, LOOKS, Contender, Runs, contenders
from benchmarks.peers.environments import FOLDER
from benchmarks.peers.words import spread, steady
from benchmarks.tables import show

QUESTION = "what does a task cost other services' own clients, beside ours?"

MOST = 1 / 3
"""Our CPU time over that of the best neighbour: the promise."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[50, 500], metavar="N", help="started at once"
    )
    parser.add_argument(
        "--clients", nargs="+", default=[""], metavar="NAME", help="only these beside ours"
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where the clients are installed, default %(default)s",
    )


def run(options: argparse.Namespace) -> bool:
    """Measure, print a row for each client in each form, and compare with the best of them."""
    ours, *others = contenders(options.environments)
    others = [each for each in others if each.name.startswith(tuple(options.clients))]
    columns = [Column.measured(ours, others, count, options.rounds) for count in options.tasks]
    print(
        f"CPU milliseconds per task of {LOOKS} looks, {INTERVAL} s apart: "
        f"the median, and the least and the most of {options.rounds} rounds"
    )
    header = ["client", "form", "requests per task"]
    for column in columns:
        header += [f"ms at {column.count}", f"ours / it at {column.count} (95 %)"]
    show(header, [_row(contender, columns) for contender in (ours, *others)])
    verdicts = [column.verdict() for column in columns]
    return all(verdicts)


@attrs.frozen
class Column:
    """All contenders with one number of tasks."""

    count: int
    ours: Contender
    runs: dict[str, Runs]
    figures: dict[str, list[float]]
    """CPU milliseconds per task round by round, NaN where a run failed."""

    @classmethod
    def measured(
        cls, ours: Contender, others: Sequence[Contender], count: int, turns: int
    ) -> "Column":
        """Run them."""
        runs = {contender.title: Runs(contender, count) for contender in (ours, *others)}
        return cls(count, ours, runs, rounds(runs, turns))

    def cells(self, contender: Contender) -> tuple[str, str]:
        """Write what a contender took, with its failures, and what we took beside it."""
        figures = self.figures[contender.title]
        took = spread([each for each in figures if not math.isnan(each)])
        failed = len(self.runs[contender.title].failures)
        ratio = self._ratio(contender.title)
        return (
            f"{took}, {failed} of {len(figures)} failed" if failed else took,
            "-" if ratio is None or contender == self.ours else str(ratio),
        )

    def verdict(self) -> bool:
        """Print what failed, and tell whether we stay far below the best neighbour."""
        for title, runs in self.runs.items():
            for failure, times in Counter(runs.failures).items():
                print(f"failed at {self.count}, {times} times: {title}: {failure}")
        ratios = {
            title: ratio
            for title, runs in self.runs.items()
            if runs.contender.neighbour and (ratio := self._ratio(title)) is not None
        }
        if not ratios:
            print(f"nothing to compare at {self.count}: ours or all neighbours failed")
            return False
        best = max(ratios, key=lambda title: ratios[title].median)
        print(f"ours / best neighbour at {self.count}: {ratios[best]}, {best}")
        return ratios[best].median < MOST and not self.runs[self.ours.title].failures

    def _ratio(self, title: str) -> Ratio | None:
        """Compare the rounds in which neither failed."""
        pairs = zip(self.figures[self.ours.title], self.figures[title], strict=True)
        whole = [pair for pair in pairs if not any(map(math.isnan, pair))]
        return Ratio.of(*zip(*whole, strict=True)) if whole else None


def _row(contender: Contender, columns: Sequence[Column]) -> list[str]:
    sent = [each for column in columns for each in column.runs[contender.title].requests]
    cells = [cell for column in columns for cell in column.cells(contender)]
    return [contender.name, contender.form, steady(sent), *cells]
