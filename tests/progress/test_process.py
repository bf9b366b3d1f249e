"""The view in a process of its own on a real pseudo-terminal, with the sandbox."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="there are no pseudo-terminals")

from tests.support.terminals import Screen

ROOT = Path(__file__).parents[2]
BEGIN = """
import asyncio, os
from tests.support.sessions import foxes, open_session
from vidgo_async import FixedPolling
from vidgo_async.progress import progress
from vidgo_async.sandbox import Sandbox

async def main():
    async with Sandbox(seconds=(0.5, 1.5)) as sandbox:
        async with open_session(sandbox, polling=FixedPolling(0.2)) as vidgo:
            batch = vidgo.generate_many(foxes(12), max_in_flight=4)
"""
ALL = """
            async for outcome in progress(batch, total=12):
                print("outcome", outcome.index)
            print("end")
asyncio.run(main())
"""
ALL_SAVED = """
            outcomes = [outcome async for outcome in progress(batch, total=12)]
            open(os.environ["END"], "w").write(str(len(outcomes)))
asyncio.run(main())
"""
ONE = """
            async for outcome in progress(batch, total=12):
                break
asyncio.run(main())
"""
NO_END = """
            kept.append(progress(batch, total=12))
            await anext(kept[0])
            await asyncio.sleep(0.5)
kept = []
asyncio.run(main())
"""


@contextmanager
def started(
    script: str, screen: Screen, **environment: str
) -> Generator["subprocess.Popen[bytes]"]:
    """Run a script on a terminal."""
    env = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", BEGIN + script]
    terminal = screen.descriptor
    with subprocess.Popen(  # noqa: S603 - our own script
        command, env=env, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_all(screen: Screen, process: "subprocess.Popen[bytes]") -> list[list[str]]:
    """Return what was on the screen after each write, until the process ended."""
    seen = list[list[str]]()
    while process.poll() is None:
        if screen.read():
            seen.append(screen.lines)
    while screen.read():
        seen.append(screen.lines)
    return seen


@pytest.fixture
def screen() -> Generator[Screen]:
    """A terminal of 40 columns."""
    screen = Screen(40, 24)
    yield screen
    screen.close()


def bars(seen: Sequence[Sequence[str]]) -> list[str]:
    """Return the bars that were seen."""
    return [line for lines in seen for line in lines if " of 12" in line]


def test_import_costs_nothing() -> None:
    """The import loads neither rich nor IPython."""
    script = "import sys, vidgo_async.progress; assert not {'rich', 'IPython'} & {*sys.modules}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, env=environment, check=False).returncode == 0  # noqa: S603 - ours


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_whole_batch(encoding: str, screen: Screen) -> None:
    """At 40 columns bars and prints come in order, in any encoding, and only prints remain."""
    with started(ALL, screen, PYTHONIOENCODING=encoding) as process:
        seen = read_all(screen, process)
    assert process.returncode == 0
    assert len(bars(seen)) > 3
    assert all(line.startswith("━" if encoding == "utf-8" else "#") for line in bars(seen)[-1:])
    assert any("running" in line or "not_started" in line for lines in seen for line in lines)
    outcomes, end = screen.lines[:-1], screen.lines[-1]
    assert sorted(outcomes) == sorted(f"outcome {number}" for number in range(12))
    assert end == "end"
    assert screen.shows_cursor


def test_terminal_that_shrinks(screen: Screen) -> None:
    """In a terminal that shrinks meanwhile nothing but whole lines and one bar are there."""
    with started(ALL, screen) as process:
        while not any("outcome" in line for line in screen.lines):
            screen.read()
        screen.resize(26, 24)
        seen = read_all(screen, process)
    assert all(len(bars([lines])) <= 1 for lines in seen)
    assert [line for line in screen.lines if not line.startswith("outcome ")] == ["end"]


@pytest.mark.parametrize("script", [ONE, NO_END])
def test_end_in_the_middle(script: str, screen: Screen) -> None:
    """After a `break`, or a loop that ended first, no bar is left and the cursor is there."""
    with started(script, screen) as process:
        seen = read_all(screen, process)
    assert process.returncode == 0
    assert bars(seen)
    assert not bars([screen.lines])
    assert screen.shows_cursor


def test_paused_for_ever(screen: Screen) -> None:
    """On a terminal that stays paused, as with Ctrl-S, the process ends all the same."""
    with started(ONE, screen) as process:
        while not bars([screen.lines]):
            screen.read()
        screen.type(b"\x13")
        began = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - began < 20
    assert not screen.shows_cursor  # it was paused, indeed


def test_terminal_that_is_gone(screen: Screen, tmp_path: Path) -> None:
    """When its terminal is closed, the batch goes on to its end."""
    end = tmp_path / "end"
    with started(ALL_SAVED, screen, END=str(end)) as process:
        while not bars([screen.lines]):
            screen.read()
        screen.close()
        assert process.wait(30) == 0
    assert end.read_text() == "12"
