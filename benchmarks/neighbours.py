"""Client CPU per finished task, compared with other vendors' own clients.

Each client runs in its own environment and process, against a fake of its own API in another
process, with the same number of polls at the same intervals. Start-up is not measured: clients are
created before the clock starts. Each is measured with default settings, and tuned: over aiohttp
where it offers that, with an unlimited connection pool, and without timeouts.
"""

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs

from benchmarks.pairs import Ratio, run_rounds
from benchmarks.peers.contenders import INTERVAL, POLLS, Contender, Runs, contenders
from benchmarks.peers.environments import FOLDER
from benchmarks.peers.formatting import format_distinct, format_range
from benchmarks.tables import print_table

QUESTION = "how much client CPU does a task take, compared with other vendors' clients?"

MAX_RATIO = 1 / 3
"""Target: our CPU time over that of the best of them."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
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
    """Measure, print a row for each variant of each client, and compare with the best of them."""
    ours, *others = contenders(options.environments)
    others = [each for each in others if each.name.startswith(tuple(options.clients))]
    columns = [Column.measure(ours, others, count, options.rounds) for count in options.tasks]
    print(
        f"CPU milliseconds per task of {POLLS} polls, {INTERVAL} s apart: "
        f"median, minimum and maximum of {options.rounds} rounds"
    )
    header = ["client", "variant", "requests per task"]
    for column in columns:
        header += [f"ms at {column.count}", f"ours / it at {column.count} (95 %)"]
    print_table(header, [_row(contender, columns) for contender in (ours, *others)])
    targets_met = [column.print_ratio() for column in columns]
    return all(targets_met)


@attrs.frozen
class Column:
    """All contenders with one number of tasks."""

    count: int
    ours: Contender
    runs: dict[str, Runs]
    figures: dict[str, list[float]]
    """CPU milliseconds per task round by round, NaN where a run failed."""

    @classmethod
    def measure(
        cls, ours: Contender, others: Sequence[Contender], count: int, count_of_rounds: int
    ) -> "Column":
        """Run them."""
        runs = {contender.title: Runs(contender, count) for contender in (ours, *others)}
        return cls(count, ours, runs, run_rounds(runs, count_of_rounds))

    def cells(self, contender: Contender) -> tuple[str, str]:
        """Format the CPU time of a contender with its failures, and our ratio to it."""
        figures = self.figures[contender.title]
        took = format_range([each for each in figures if not math.isnan(each)])
        failed = len(self.runs[contender.title].failures)
        ratio = self._ratio(contender.title)
        return (
            f"{took}, {failed} of {len(figures)} failed" if failed else took,
            "-" if ratio is None or contender == self.ours else str(ratio),
        )

    def print_ratio(self) -> bool:
        """Print failures and our ratio to the best vendor's client; return whether the target is met."""
        for title, runs in self.runs.items():
            for failure, times in Counter(runs.failures).items():
                print(f"failed at {self.count}, {times} times: {title}: {failure}")
        ratios = {
            title: ratio
            for title, runs in self.runs.items()
            if runs.contender.is_vendor_client and (ratio := self._ratio(title)) is not None
        }
        if not ratios:
            print(f"nothing to compare at {self.count}: ours or all others failed")
            return False
        best = max(ratios, key=lambda title: ratios[title].median)
        print(f"ours / best other client at {self.count}: {ratios[best]}, {best}")
        return ratios[best].median < MAX_RATIO and not self.runs[self.ours.title].failures

    def _ratio(self, title: str) -> Ratio | None:
        """Compare the rounds in which neither failed."""
        pairs = zip(self.figures[self.ours.title], self.figures[title], strict=True)
        whole = [pair for pair in pairs if not any(map(math.isnan, pair))]
        return Ratio.of(*zip(*whole, strict=True)) if whole else None


def _row(contender: Contender, columns: Sequence[Column]) -> list[str]:
    sent = [each for column in columns for each in column.runs[contender.title].requests]
    cells = [cell for column in columns for cell in column.cells(contender)]
    return [contender.name, contender.variant, format_distinct(sent), *cells]
