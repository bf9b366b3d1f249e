"""Run the benchmarks: `python -m benchmarks`, or one of them by its name."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from benchmarks import (
    chaos,
    faults_elsewhere,
    journal,
    limits,
    long_batch,
    machine,
    neighbours,
    on_time,
    overhead,
    polling,
    queue,
    rate,
    slots,
    soak,
    stalls,
    startup,
    transfers,
    watching,
    webhooks,
)
from benchmarks.checkouts import CheckoutError

BENCHMARKS: dict[str, ModuleType] = {
    "overhead": overhead,
    "neighbours": neighbours,
    "faults-elsewhere": faults_elsewhere,
    "startup": startup,
    "stalls": stalls,
    "slots": slots,
    "transfers": transfers,
    "on-time": on_time,
    "polling": polling,
    "rate": rate,
    "limits": limits,
    "webhooks": webhooks,
    "journal": journal,
    "queue": queue,
    "chaos": chaos,
    "watching": watching,
    "long-batch": long_batch,
    "soak": soak,
}
"""Modules with `QUESTION`, `add_options(parser)` and `run(options)`, which returns whether the targets
were met."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark or all; return 1 if a target was missed, 2 if nothing could be compared."""
    parser = _parser()
    options = parser.parse_args(arguments)
    print(machine.describe())
    all_options = [options] if options.name else [parser.parse_args([name]) for name in BENCHMARKS]
    try:
        met = [BENCHMARKS[each.name].run(each) for each in all_options]
    except CheckoutError as error:
        print(error, file=sys.stderr)
        return 2
    return int(not all(met))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME", help="all by default")
    for name, module in BENCHMARKS.items():
        module.add_options(names.add_parser(name, help=module.QUESTION, description=module.__doc__))
    return parser


if __name__ == "__main__":
    sys.exit(main())
