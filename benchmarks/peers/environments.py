"""A virtual environment for each client, so that their requirements cannot conflict.

They are created once, in the user's cache folder, and again when the requirements change.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("~/.cache/vidgo_async-benchmarks").expanduser()
ROOT = Path(__file__).parents[2]
"""The working directory of all measured processes."""

_KEPT = ("HOME", "LANG", "PATH", "TMPDIR")


def interpreter(folder: Path, name: str, requirements: Sequence[str]) -> Path:
    """Return a Python that has these requirements; install them first if needed."""
    environment = folder / name
    python = environment / "bin" / "python"
    marker = (
        environment / "installed.txt"
    )  # written last, so that an interrupted installation is repeated
    expected = "\n".join((sys.version, *requirements))
    if python.exists() and marker.exists() and marker.read_text() == expected:
        return python
    print(f"installing {', '.join(requirements)} in {environment}", file=sys.stderr)
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, *requirements], check=True)  # noqa: S603 - our own list
    marker.write_text(expected)
    return python


def version(python: Path, package: str) -> str:
    """Return the version of a package that is installed for that Python."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    child = subprocess.run(  # noqa: S603 - our own code
        [python, "-c", code], stdout=subprocess.PIPE, check=True, text=True
    )
    return child.stdout.strip()


def variables() -> dict[str, str]:
    """Return the environment variables of a client: no proxies, no settings, no real keys."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
