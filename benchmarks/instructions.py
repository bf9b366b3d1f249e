"""Instructions of a process, which hardly differ from run to run, unlike its time.

Counted by valgrind, if it is installed. The difference of a long and a short run is what the work
itself takes.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import checkouts
from benchmarks.checkouts import Environment

MISSING = "valgrind is not installed, so no instructions are counted"
_TOOL = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no")
_COUNT = re.compile(r"I\s+refs:\s+([\d,]+)")


def can_be_counted() -> bool:
    """Tell whether they can be counted here."""
    return shutil.which(_TOOL[0]) is not None


def count(arguments: Sequence[str], environment: Environment) -> int:
    """Return the instructions of a Python process, with its start."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        child = subprocess.run(  # noqa: S603 - our own module
            [*_TOOL, f"--cachegrind-out-file={out}", *checkouts.python(*arguments)],
            env={**environment, "PYTHONHASHSEED": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = _COUNT.search(child.stderr)
    assert found is not None, child.stderr
    return int(found[1].replace(",", ""))


def count_each(arguments: Sequence[str], times: tuple[int, int], environment: Environment) -> float:
    """Return the instructions of one more of what the last argument says how often to do."""
    compiling = checkouts.python(*arguments, "1")
    subprocess.run(compiling, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - as above
    few, many = (count([*arguments, str(each)], environment) for each in times)
    return (many - few) / (times[1] - times[0])
