"""Run the benchmarks: `python -m benchmarks`, or one of them by its name."""

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks import machine, soak

BENCHMARKS: dict[str, Callable[[argparse.Namespace], bool]] = {"soak": soak.run}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return 1 if a promise was not kept."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    print(machine.describe())
    if wanted.name is not None:
        return int(not BENCHMARKS[wanted.name](wanted))
    kept = [run(parser.parse_args([name])) for name, run in BENCHMARKS.items()]
    return int(not all(kept))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME", help="all by default")
    soak.add_options(names.add_parser("soak", help=soak.QUESTION, description=soak.QUESTION))
    return parser


if __name__ == "__main__":
    sys.exit(main())
