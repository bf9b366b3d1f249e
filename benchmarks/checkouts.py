"""Which checkout of the library a measured process imports, so that two can be compared in one run.

Each benchmark of this kind measures clients in processes of their own. `PYTHONPATH` of such a
process starts with a folder that holds nothing but a link to the checkout's `vidgo_async`; the
modules of `benchmarks` are always those of this checkout. Both sides use public names only.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS, OTHER = "ours", "other"
PACKAGE = "vidgo_async"

Environment = Mapping[str, str]
"""The environment variables of a measured process."""


class CheckoutError(Exception):
    """A checkout that cannot be measured, because a process would import something else."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--against`."""
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help=f"another checkout of {PACKAGE}: measure both in the same rounds",
    )


@contextlib.contextmanager
def environments(against: Path | None) -> Generator[dict[str, Environment]]:
    """Give the variables for processes that import this checkout, and the other one if named.

    Raises:
        CheckoutError: A process with these variables would import another package.
    """
    checkouts = {OURS: ROOT} if against is None else {OURS: ROOT, OTHER: against}
    packages = {name: (folder / PACKAGE).resolve() for name, folder in checkouts.items()}
    if len(set(packages.values())) < len(packages):
        msg = f"both sides are the same folder: {packages[OURS]}"
        raise CheckoutError(msg)
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            name: _environment(Path(folder) / name, package) for name, package in packages.items()
        }
        for name, environment in sides.items():
            _check_import(environment, packages[name])
        if against is not None:
            print("\n".join(f"{name:<10} {package}" for name, package in packages.items()))
        yield sides


def python(*arguments: str) -> Sequence[str]:
    """Return the command of a measured process.

    `-P` keeps the working directory, which may hold this checkout, out of the import path.
    """
    return [sys.executable, "-P", *arguments]


def _environment(folder: Path, package: Path) -> Environment:
    folder.mkdir()
    (folder / PACKAGE).symlink_to(package, target_is_directory=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**inherited, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


def _check_import(environment: Environment, package: Path) -> None:
    """Check which folder is imported: the hook of an editable install may come first."""
    child = subprocess.run(  # noqa: S603 - our own question
        python("-c", f"import {PACKAGE}; print({PACKAGE}.__file__)"),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    imported = Path(child.stdout.strip()).resolve().parent
    if imported != package:
        msg = f"{package} was to be measured, but {imported} was imported"
        raise CheckoutError(msg)
