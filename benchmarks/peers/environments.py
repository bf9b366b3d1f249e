"""A virtual environment for each client, since they are many, and none of them is ours to install.

They are made once, in a folder of the user's cache, and made again when what is wanted changes.
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
"""Where `python -m benchmarks` works."""

_KEPT = ("HOME", "LANG", "PATH", "TMPDIR")


def interpreter(folder: Path, name: str, requirements: Sequence[str]) -> Path:
    """Return the Python that has these requirements; install them first if need be."""
    home = folder / name
    python = home / "bin" / "python"
    label = home / "installed.txt"  # written last, so a half-made one is not taken for done
    wanted = "\n".join((sys.version, *requirements))
    if python.exists() and label.exists() and label.read_text() == wanted:
        return python
    print(f"installing {', '.join(requirements)} in {home}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, *requirements], check=True)  # noqa: S603 - our own list
    label.write_text(wanted)
    return python


def version(python: Path, package: str) -> str:
    """Tell which version of a package that Python has."""
    question = f"from importlib.metadata import version; print(version({package!r}))"
    answer = subprocess.run(  # noqa: S603 - our own question
        [python, "-c", question], stdout=subprocess.PIPE, check=True, text=True
    )
    return answer.stdout.strip()


def variables() -> dict[str, str]:
    """Return the environment variables of a client: no proxies, no settings, no real keys."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
