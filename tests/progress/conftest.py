"""Fixtures of the live view."""

import io
import sys
from collections.abc import Generator

import pytest

from tests.progress.terminal import Terminal
from vidgo_async.progress.output import Output


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the surroundings of the tests say of terminals."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM", "TTY_COMPATIBLE":
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a `Terminal` for its size."""
    real = Output.size

    def size(output: Output) -> tuple[int, int]:
        return output.stream.size if isinstance(output.stream, Terminal) else real(output)

    monkeypatch.setattr(Output, "size", size)


@pytest.fixture
def terminal() -> Terminal:
    """A terminal of 80 columns that standard output and standard error lead to."""
    return Terminal()


@pytest.fixture
def pipe() -> io.StringIO:
    """Standard output and standard error, which lead to no terminal."""
    return io.StringIO()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Put them in place: after pytest has done so with its own."""
    stream = pyfuncitem.funcargs.get("terminal") or pyfuncitem.funcargs.get("pipe")
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(stream, io.StringIO):
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
        return (yield)
