"""Run the benchmarks: `python -m benchmarks`, or one of them by its name."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from benchmarks import (
    faults_elsewhere,
    long_batch,
    machine,
    neighbours,
    overhead,
    polling,
    rate,
    slots,
    soak,
    startup,
    transfers,
    watching,
)

BENCHMARKS: dict[str, ModuleType] = {
    "overhead": overhead,
    "neighbours": neighbours,
    "faults-elsewhere": faults_elsewhere,
    "startup": startup,
    "slots": slots,
    "transfers": transfers,
    "polling": polling,
    "rate": rate,
    "watching": watching,
    "long-batch": long_batch,
    "soak": soak,
}
"""Modules with `QUESTION`, `add_options(parser)` and `run(options)`, which returns whether the targets
were met."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark or all; return 1 if a target was missed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    print(machine.describe())
    if options.name is not None:
        return int(not BENCHMARKS[options.name].run(options))
    met = [module.run(parser.parse_args([name])) for name, module in BENCHMARKS.items()]
    return int(not all(met))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME", help="all by default")
    for name, module in BENCHMARKS.items():
        module.add_options(names.add_parser(name, help=module.QUESTION, description=module.__doc__))
    return parser


if __name__ == "__main__":
    sys.exit(main())
