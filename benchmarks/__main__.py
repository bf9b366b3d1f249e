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
"""Each a module with `QUESTION`, `add_options(parser)` and `run(options)`: whether it was kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return 1 if a promise was not kept."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    print(machine.describe())
    if wanted.name is not None:
        return int(not BENCHMARKS[wanted.name].run(wanted))
    kept = [module.run(parser.parse_args([name])) for name, module in BENCHMARKS.items()]
    return int(not all(kept))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME", help="all by default")
    for name, module in BENCHMARKS.items():
        module.add_options(names.add_parser(name, help=module.QUESTION, description=module.__doc__))
    return parser


if __name__ == "__main__":
    sys.exit(main())
