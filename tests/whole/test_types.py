"""Type checkers accept what users write: each block of the READMEs, and `tests/typing`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.readme import ROOT, as_module, python_blocks

READMES = [
    "README.md",
    "benchmarks/README.md",
    "vidgo_async/journal/README.md",
    "vidgo_async/queue/README.md",
    "vidgo_async/sandbox/README.md",
    "vidgo_async/webhooks/README.md",
]
CHECKERS = {
    # Without a configuration, but for the bodies of functions without annotations.
    "mypy": ["--config-file=", "--cache-dir=.cache", "--check-untyped-defs"],
    "pyright": ["--pythonpath", sys.executable],
}


@pytest.fixture(params=CHECKERS)
def checker(request: pytest.FixtureRequest) -> list[str]:
    """The command of a type checker."""
    name: str = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: it is in the extra `lint`")
    return [sys.executable, "-m", name, *CHECKERS[name]]


def checked(checker: list[str], folder: Path, *paths: Path | str) -> str:
    """Return the errors that a type checker reports, if any."""
    ended = subprocess.run(  # noqa: S603 - our own command
        [*checker, *paths], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


@pytest.mark.timeout(300)  # the checkers read aiohttp too
def test_what_users_write_is_accepted(checker: list[str], tmp_path: Path) -> None:
    """No block of a README, and no call in `tests/typing`, is a type error."""
    for readme in READMES:
        for number, block in enumerate(python_blocks(readme)):
            name = f"{Path(readme).parent.name or 'main'}_{number}.py"
            (tmp_path / name).write_text(as_module(block))
    assert list(tmp_path.iterdir())
    assert checked(checker, tmp_path, ".", ROOT / "tests/typing/api.py") == ""


@pytest.mark.timeout(300)
def test_an_unchecked_outcome_is_an_error(checker: list[str], tmp_path: Path) -> None:
    """The checkers do look: a task used before `error` was compared is refused."""
    (tmp_path / "wrong.py").write_text(
        "from vidgo_async import Outcome\ndef files(outcome: Outcome):\n    outcome.task.files\n"
    )
    assert "files" in checked(checker, tmp_path, "wrong.py")
