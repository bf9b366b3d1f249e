"""Streams: files and pipes, their encodings and their ends; and what a view takes them for."""

import asyncio
import io
import os
import select
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import pytest

from tests.progress.terminal import Terminal
from vidgo_async.progress.modes import Mode, find_place, fitting, is_terminal
from vidgo_async.progress.output import FALLBACK, Output
from vidgo_async.progress.screen import Screen
from vidgo_async.progress.writer import Writer, _DaemonThreads

LONG = "a fox in snow\n" * 100_000


@contextmanager
def pipe(encoding: str = "utf-8") -> Generator[tuple[int, TextIO]]:
    """Give the reading end of a pipe, and a stream for the other."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding=encoding) as stream:
        yield reader, stream
    os.close(reader)


@pytest.mark.parametrize("is_blocking", [True, False])
def test_all_is_written(is_blocking: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe holds is written to its end, also if another process made it non-blocking."""
    is_full = threading.Event()
    real = select.select

    def waiting(*arguments: Any) -> Any:
        is_full.set()
        return real(*arguments)

    monkeypatch.setattr(select, "select", waiting)
    with pipe() as (reader, stream):
        os.set_blocking(stream.fileno(), is_blocking)
        writing = threading.Thread(target=Output(stream).write, args=(LONG,))
        writing.start()
        assert is_blocking or is_full.wait(30)
        found = b""
        while len(found) < len(LONG):
            found += os.read(reader, 100_000)
        writing.join()
    assert found.decode() == LONG


def test_what_was_written_before_comes_first() -> None:
    """What lies in the stream's own buffer comes before a line of the view."""
    with pipe() as (reader, stream):
        stream.write("first, ")
        Output(stream).write("second")
        assert os.read(reader, 100) == b"first, second"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"\\u72d0 \\xfc\\u2026"),
        ("cp1252", b"\\u72d0 \xfc\x85"),
        ("utf-8", "狐 ü…".encode()),
    ],
)
def test_encodings(encoding: str, expected: bytes) -> None:
    """What an encoding lacks is escaped, as are halves of pairs."""
    with pipe(encoding) as (reader, stream):
        Output(stream).write("狐 ü…")
        assert os.read(reader, 100) == expected
        Output(stream).write("\ud83d")
        assert os.read(reader, 100) == b"\\ud83d"


def test_closed_pipe() -> None:
    """A pipe whose reader is gone takes no more, without an error."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        output = Output(stream)
        output.write("lost")
        output.write("lost too")
    Output(stream).write("closed")


def test_other_streams_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, and where a stream is no file, text goes to the stream itself."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="cp1252")
    monkeypatch.setattr("vidgo_async.progress.output.os.name", "nt")
    output = Output(stream)
    monkeypatch.undo()
    output.write("狐 ü")
    assert written.getvalue() == b"\\u72d0 \xfc"


def test_size() -> None:
    """A terminal tells its size; what tells none, or zero, counts as 80 by 24."""
    terminal, screen = os.openpty()
    with os.fdopen(screen, "w") as stream:
        assert Output(stream).size() == FALLBACK  # a new one tells zero
        set_size(screen, 100, 40)
        assert Output(stream).size() == (100, 40)
    os.close(terminal)
    assert Output(stream).size() == Output(None).size() == FALLBACK


def set_size(descriptor: int, columns: int, rows: int) -> None:
    termios = pytest.importorskip("termios", reason="there are no such terminals")
    termios.tcsetwinsize(descriptor, (rows, columns))


def test_same_streams(tmp_path: Path) -> None:
    """Two terminals are taken for one, and two streams for one file where they lead to it."""
    path = tmp_path / "log"
    with path.open("w") as first, path.open("a") as second, Path(os.devnull).open("w") as null:
        assert Output(first).is_same_as(Output(second))
        assert not Output(first).is_same_as(Output(null))
        assert not Output(first).is_same_as(Output(io.StringIO()))
        assert not Output(first).is_same_as(Output(None))
    stream = io.StringIO()
    assert Output(stream).is_same_as(Output(stream))
    assert Output(Terminal()).is_same_as(Output(Terminal()))


def test_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the background of a shell no bar is drawn; where there is no shell it is."""
    terminal = Terminal()
    assert not Output(terminal).is_in_background()
    with pipe() as (_, stream):
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
        assert not Output(stream).is_in_background()
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
        assert Output(stream).is_in_background()
        drawing = Screen(Output(stream), lambda _: pytest.fail("a bar"))
        drawing.draw(None)  # type: ignore[arg-type]
        monkeypatch.delattr(os, "tcgetpgrp")
        assert not Output(stream).is_in_background()


# --- Places and modes -----------------------------------------------------------------------


def test_closed_terminal_is_none() -> None:
    """A stream that is closed, or is not there, is no terminal."""
    closed = io.StringIO()
    closed.close()
    assert [is_terminal(each) for each in (Terminal(), closed, None)] == [True, False, False]


@pytest.mark.parametrize("is_legacy", [True, False, None])
def test_legacy_windows(is_legacy: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old console of Windows gets lines; without rich that is not known, and a bar asks for it."""
    rich = ModuleType("rich.console")
    rich.detect_legacy_windows = lambda: is_legacy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rich.console", None if is_legacy is None else rich)
    monkeypatch.setattr("vidgo_async.progress.modes.os.name", "nt")
    place = find_place(Terminal(), None)
    monkeypatch.undo()
    assert fitting(Mode.AUTO, place) is (Mode.TEXT if is_legacy else Mode.BAR)


# --- The writer -----------------------------------------------------------------------------


async def test_error_in_a_job() -> None:
    """An error that is ours reaches the handler of the loop, and what follows is written."""
    reported = list[object]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: reported.append(context["exception"])
    )
    done = list[str]()
    error = ZeroDivisionError()

    def fail() -> None:
        raise error

    writer = Writer()
    writer.add(fail)
    writer.add(lambda: done.append("next"))
    await writer.wait_idle()
    assert (reported, done) == ([error], ["next"])


def test_a_thread_after_the_loop() -> None:
    """Once the loop is closed a job is run at once."""

    async def new_writer() -> Writer:
        return Writer()

    writer = asyncio.run(new_writer())
    done = list[str]()
    writer.add_from_thread(lambda: done.append("job"))
    assert done == ["job"]


def test_exit_waits_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit of the process waits for what is being written, but not for ever."""
    monkeypatch.setattr("vidgo_async.progress.writer.EXIT_GRACE", 0.01)
    threads, go_on = _DaemonThreads(), threading.Event()
    job = threads.submit(go_on.wait)
    threads.join()
    assert not job.done()
    go_on.set()
    monkeypatch.undo()
    threads.join()
    assert job.done()
