"""The real program on a real terminal: what a person sees."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="there are no pseudo-terminals")

from tests.support.files import names_in
from tests.support.program import PROGRAM
from tests.support.terminals import Screen

PROMPTS = [f"fox {number} in deep snow, at dawn" for number in range(24)]


@contextlib.contextmanager
def generating(screen: Screen, *options: str) -> Generator["subprocess.Popen[bytes]"]:
    """Run the program on a terminal."""
    terminal = screen.descriptor
    command = [*PROGRAM, "generate", *PROMPTS, "--sandbox", "--max-in-flight", "6", *options]
    env = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(  # noqa: S603 - our own program
        command, env=env, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def see(screen: Screen, is_there: Callable[[list[str]], object]) -> list[str]:
    """Read what comes until it is on the screen."""
    deadline = time.monotonic() + 30
    while not is_there(screen.lines):
        screen.read()
        assert time.monotonic() < deadline, screen.lines
    return screen.lines


def has(text: str) -> Callable[[list[str]], object]:
    return lambda lines: re.search(text, "\n".join(lines))


@pytest.mark.parametrize("columns", [80, 40])
def test_a_bar_above_nothing_and_results_above_it(columns: int, tmp_path: Path) -> None:
    """Files come above the bar, which has the counts and the newest tasks, and goes at the end."""
    screen = Screen(columns, 24)
    with generating(screen, "--out", "films") as process:
        lines = see(screen, has(r"(?s)films/.*of 24.*in flight.*(running|not_started)"))
        assert max(map(len, lines)) <= columns
        see(screen, has("page: films/index.html"))
        assert process.wait() == 0
    assert not has("in flight")(screen.lines)
    assert has("24 of 24 videos saved in films")(screen.lines)
    assert screen.shows_cursor
    assert len(names_in(tmp_path / "films")) == 24
    screen.close()


def test_a_terminal_that_shrinks() -> None:
    """After it was made narrower no line of the bar is longer than it."""
    screen = Screen(100, 24)
    with generating(screen, "--out", "films") as process:
        see(screen, has(r"of 24"))
        screen.resize(40, 12)
        see(screen, has(r"(?s)of 24.*in flight"))
        see(screen, has("page: films/index.html"))
        assert process.wait() == 0
    screen.close()


def test_one_interrupt_and_two() -> None:
    """The first Ctrl-C says what it does, and what a second one does; the second leaves."""
    screen = Screen(100, 24)
    with generating(screen, "--out", "films") as process:
        see(screen, has(r"of 24"))
        process.send_signal(signal.SIGINT)
        see(screen, has(r"stopping: nothing more is bought; \d videos? under way"))
        process.send_signal(signal.SIGINT)
        see(screen, has("gone with the sandbox|0 of 24|of 24 videos saved"))
        assert process.wait() == 130
    see(screen, lambda _: screen.shows_cursor)
    screen.close()
