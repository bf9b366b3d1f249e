"""Fixtures of the tests of the command line."""

import asyncio
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.program import Program, Start
from vidgo_async.sandbox import Sandbox, jumping_loop


@pytest.fixture(autouse=True)
def _interruptible(interruptible: None) -> None:
    """Let every test of the program press Ctrl-C."""


@pytest.fixture(autouse=True)
def _terminable() -> Generator[None]:
    """Let the program and its processes get SIGTERM and SIGHUP, also where the tests ignore them."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) is signal.SIG_DFL
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files out of the repository, and a user's own key, address and proxy out of the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("VIDGO_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Generator[Start]:
    """Give a function that starts a server, and returns the program set up for it."""
    with asyncio.Runner(loop_factory=jumping_loop) as runner:
        sandboxes = list[Sandbox]()

        def start_one(**settings: Any) -> Program:
            # aiohttp tells by the real clock how long a connection is idle, and the server by this
            # one: after a jump it would close connections that the client takes for fresh.
            sandbox = Sandbox(**{"seconds": (120.0, 120.0), "keepalive": 3600.0, **settings})
            runner.run(sandbox.__aenter__())
            sandboxes.append(sandbox)
            monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
            monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)
            monkeypatch.setattr(anyio, "run", lambda job: runner.run(job()))
            return Program(sandbox, runner, capsys)

        yield start_one
        for sandbox in sandboxes:
            runner.run(sandbox.__aexit__(None, None, None))


@pytest.fixture
def program(start: Start) -> Program:
    """Give the program, set up for a server whose videos take two minutes."""
    return start()
