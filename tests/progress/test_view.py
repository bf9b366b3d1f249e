"""A view in its block: what a person sees on a terminal, in a pipe, and nowhere."""

import asyncio
import io
import sys
import threading

import anyio
import pytest

from tests.progress.fakes import FakeBatch, failure, many, pending, success
from tests.progress.terminal import Paused, Terminal
from vidgo_async.progress import Mode, View
from vidgo_async.progress.view import HEARTBEAT

pytestmark = pytest.mark.virtual_time


async def drawn(seconds: float = 0.5) -> None:
    """Let a view draw; however slow the machine is, its threads come to their ends."""
    await anyio.sleep(seconds)
    while is_drawing():  # noqa: ASYNC110 - no event tells of it
        await anyio.sleep(0.01)


def is_drawing() -> bool:
    """Tell whether a thread of a view writes."""
    return any(thread.name == "vidgo_async progress" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _waits_for_slow_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the end of a view wait for the terminal for as long as the test may take."""
    monkeypatch.setattr("vidgo_async.progress.view.GRACE", 60.0)


# --- On a terminal --------------------------------------------------------------------------


async def test_bar_on_a_terminal(terminal: Terminal) -> None:
    """On a terminal a bar is there, and gone afterwards; the cursor is hidden meanwhile."""
    async with View(many(500), 1000):
        await drawn()
        assert terminal.lines[0].endswith("0%  0 of 1000")
        assert terminal.lines[1] == "0 done, 0 failed, 500 in flight, 500 queued"
        assert terminal.lines[2] == "  running      99% fox 499"
        assert len(terminal.lines) == 8
        assert not terminal.shows_cursor
    assert terminal.lines == []
    assert terminal.shows_cursor


async def test_failures_above_the_bar(terminal: Terminal) -> None:
    """A failure is printed above the bar as it happens; an end that is good is counted."""
    batch = many(20)
    async with View(batch, 20) as view:
        await drawn()
        batch.finished, batch.failed = 1, 1
        view.add(success())
        view.add(failure())
        await drawn()
        assert terminal.lines[0] == "2 of 20: rain on glass: failed: no fox here"
        assert terminal.lines[2] == "1 done, 1 failed, 18 in flight, 0 queued"
        await drawn()
    assert terminal.lines == ["2 of 20: rain on glass: failed: no fox here"]


async def test_lines_in_order(terminal: Terminal) -> None:
    """Lines and results come in order above the bar, and none is lost or torn."""
    async with View(many(20), 20) as view:
        for number in range(100):
            view.print(f"note {number}")
            view.write(f"result {number}")
            if number % 10 == 0:
                await drawn()
    expected = [line for number in range(100) for line in (f"note {number}", f"result {number}")]
    assert terminal.lines == expected


async def test_long_lines_break(terminal: Terminal) -> None:
    """A line that is longer than the terminal is whole, and the bar below it too."""
    async with View(many(2), 2) as view:
        view.write("x" * 200)
        await drawn()
        assert [len(line) for line in terminal.lines[:3]] == [80, 80, 40]
        assert terminal.lines[4] == "0 done, 0 failed, 2 in flight, 0 queued"
    assert "".join(terminal.lines) == "x" * 200


async def test_lines_of_others(terminal: Terminal) -> None:
    """A line that other code writes to the terminal itself stays, and the bar goes on below."""
    async with View(many(2), 2):
        await drawn()
        terminal.write("WARNING: disk\n")
        await drawn(1.5)
        assert terminal.lines[0] == "WARNING: disk"
        assert terminal.lines[2] == "0 done, 0 failed, 2 in flight, 0 queued"
    assert terminal.lines == ["WARNING: disk"]


async def test_hostile_lines(terminal: Terminal) -> None:
    """Escapes in a line or a result move no cursor."""
    async with View(many(2), 2) as view:
        view.print("\x1b[2J\x1b[Hgone")
        view.write("\rgone\x1b]0;title\x07")
    assert terminal.lines == ["\ufffd[2J\ufffd[Hgone", " gone\ufffd]0;title\ufffd"]


@pytest.mark.parametrize("reflows", [False, True])
async def test_shrinking_terminal(reflows: bool) -> None:
    """After a terminal shrank nothing of the wider bar is left, whether it breaks lines anew."""
    terminal = Terminal(100, 24, reflows=reflows)
    async with View(
        many(500, "a fox in snow, take {}, " + "and so on " * 9), 1000, stream=terminal
    ) as view:
        view.print("before")
        await drawn()
        for columns, rows in (60, 24), (40, 20), (23, 12), (40, 12), (100, 24):
            terminal.resize(columns, rows)
            view.print(f"at {columns}")
            await drawn(1.5)
            shown = terminal.lines
            assert sum("0 done" in line for line in shown) == 1
            assert sum("0 of 1000" in line for line in shown) == 1
            assert all(len(line) < columns for line in shown[-8:])
            assert terminal.shows_cursor is False
    assert terminal.lines == ["before", "at 60", "at 40", "at 23", "at 40", "at 100"]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 24])
async def test_low_terminal(rows: int) -> None:
    """A bar has at most as many lines as the terminal has, less two."""
    terminal = Terminal(40, rows)
    async with View(many(500), 1000, stream=terminal) as view:
        view.print("a line")
        await drawn()
    assert terminal.most <= max(1, rows - 2)
    assert terminal.lines == ["a line"]


async def test_refreshes_only_what_changed(terminal: Terminal) -> None:
    """Where nothing changes a bar is drawn once a second, and else five times."""
    batch = many(500)
    async with View(batch, 1000):
        await drawn(10.1)
        assert 9 <= terminal.frames <= 12
        before = terminal.frames
        for _ in range(50):
            batch.finished += 1
            await drawn(0.2)
        assert 40 <= terminal.frames - before <= 52


async def test_spent(terminal: Terminal) -> None:
    """The caller may tell the credits; unknown ones are not shown."""
    spent: list[float | None] = [7.5]
    async with View(many(2), 2, spent=lambda: spent[0]):
        await drawn()
        assert terminal.lines[1].endswith("0 queued, 7.5 credits")
        spent[0] = None
        await drawn()
        assert terminal.lines[1].endswith("0 queued")


async def test_results_elsewhere(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where standard output is no terminal, results go there as they are, and the bar stays."""
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    async with View(many(2), 2) as view:
        view.write("a\tb")
        await drawn()
        assert len(terminal.lines) == 4
    assert pipe.getvalue() == "a\tb\n"
    assert "a\tb" not in "".join(terminal.writes)


async def test_batch_that_is_gone(terminal: Terminal) -> None:
    """A view keeps no batch alive, and ends with it."""
    batch = FakeBatch(2)
    async with View(batch, 2):
        await drawn()
        assert terminal.lines
        del batch
        await drawn()
        assert terminal.lines == []
        assert terminal.shows_cursor


async def test_started_twice(terminal: Terminal) -> None:
    """A view that is shown may be started again, and stopped when it is not shown."""
    view = View(batch := many(2), 2)
    view.stop()
    for _ in range(2):
        view.start()
        view.start()
        await drawn()
        assert len(terminal.lines) == 4
        await view.aclose()
        assert terminal.lines == []
    assert batch.read == 2


# --- Cancellation ---------------------------------------------------------------------------


@pytest.mark.parametrize("native", [False, True])
async def test_cancelled_block(native: bool, terminal: Terminal) -> None:
    """A cancelled block leaves no bar, and the cursor is shown; lines are written before it ends."""
    batch = many(2)

    async def show() -> None:
        async with View(batch, 2) as view:
            await drawn()
            view.print("a line")
            await anyio.sleep(1000)

    if native:
        shown = asyncio.create_task(show())
        await drawn(1)
        shown.cancel()
        with pytest.raises(asyncio.CancelledError):
            await shown
    else:
        with anyio.move_on_after(1):
            await show()
    assert terminal.lines == ["a line"]
    assert terminal.shows_cursor


# --- Without a terminal ---------------------------------------------------------------------


async def test_lines_in_a_pipe(pipe: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there is a line at each end and every 30 s, even with FORCE_COLOR."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    batch = many(20)
    async with View(batch, 500, mode=Mode.BAR) as view:
        await anyio.sleep(HEARTBEAT - 1)
        assert pipe.getvalue() == ""
        view.add(success(credits=3.5))
        batch.finished = 1
        await anyio.sleep(HEARTBEAT)
        view.add(failure())
        await anyio.sleep(2 * HEARTBEAT)
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "1 of 500: a fox in snow: finished after 0 s, 3.5 credits"
    assert lines[1] == "499 to go: 19 in flight, 480 queued, 1 done, 0 failed"
    assert lines[2] == "2 of 500: rain on glass: failed: no fox here"
    assert len(lines) == 5


async def test_no_progress(terminal: Terminal) -> None:
    """With `NONE` only failures and the caller's lines are there."""
    async with View(many(20), 500, mode=Mode.NONE) as view:
        view.add(success())
        view.add(failure())
        view.print("a line")
        await anyio.sleep(100)
    assert terminal.lines == ["2 of 500: rain on glass: failed: no fox here", "a line"]
    assert "\x1b" not in "".join(terminal.writes)


@pytest.mark.parametrize(
    ("mode", "term", "is_bar"),
    [
        (Mode.AUTO, "xterm", True),
        (Mode.AUTO, "dumb", False),
        (Mode.BAR, "dumb", True),
        (Mode.TEXT, "xterm", False),
    ],
)
async def test_modes(
    mode: Mode, term: str, is_bar: bool, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that says it is dumb has a bar only if that is asked for."""
    monkeypatch.setenv("TERM", term)
    async with View(many(20), 500, mode=mode):
        await drawn()
    assert (terminal.frames > 0) is is_bar


async def test_no_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard streams has a view that writes nothing."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    async with View(many(20), 500) as view:
        view.add(failure())
        view.write("result")
        await anyio.sleep(100)


async def test_ascii_terminal() -> None:
    """On a terminal of plain ASCII a bar, prompts and failures are written without an error."""
    terminal = Terminal(encoding="ascii")
    batch = FakeBatch(1, 0, 0, [pending("日本の狐 ünd")])
    async with View(batch, 2, stream=terminal) as view:
        view.add(failure("日本"))
        await drawn()
        assert terminal.lines[0] == "1 of 2: \\u65e5\\u672c: failed: no fox here"
        assert terminal.lines[1].startswith("-----")
        assert terminal.lines[3] == "  running          ???? ?nd"


async def test_rich_is_missing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich a bar is refused with the name of the extra, and lines need none."""
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ImportError, match=r"pip install 'vidgo_async\[cli\]'"):
        View(many(2), 2)
    async with View(many(2), 2, mode=Mode.TEXT) as view:
        view.print("a line")
    assert terminal.lines == ["a line"]


# --- Terminals that take nothing ------------------------------------------------------------


class Broken(Terminal):
    """A terminal that is gone after a few writes."""

    error: Exception = BrokenPipeError()

    def write(self, text: str, /) -> int:
        if len(self.writes) >= 2:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(5, "no terminal"), ValueError("closed")]
)
async def test_vanished_terminal(error: Exception) -> None:
    """A terminal that vanishes ends the drawing, and nothing else."""
    terminal = Broken()
    terminal.error = error
    batch = many(20)
    async with View(batch, 20, stream=terminal) as view:
        for _ in range(20):
            batch.finished += 1
            view.print("a line")
            await drawn()
    assert len(terminal.writes) == 2


async def test_closed_stream() -> None:
    """A stream that is closed already is none."""
    terminal = Terminal()
    terminal.close()
    async with View(many(20), 20, stream=terminal) as view:
        view.print("a line")
        await drawn()
    assert terminal.writes == []


async def test_paused_terminal_blocks_nothing() -> None:
    """While a terminal is paused the event loop runs on, and lines wait for it in order."""
    terminal = Paused()
    async with View(many(20), 20, stream=terminal) as view:
        await terminal.pause()
        for number in range(100):
            view.print(f"line {number}")
            await asyncio.sleep(0)
        assert terminal.lines == []
        terminal.go_on()
    assert terminal.lines == [f"line {number}" for number in range(100)]


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_end_on_a_paused_terminal(
    is_cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end waits only so long for a paused terminal, which still gets all if it goes on."""
    monkeypatch.setattr("vidgo_async.progress.view.GRACE", 0.1)
    terminal = Paused()
    with anyio.CancelScope() as scope:
        async with View(many(20), 20, stream=terminal) as view:
            await drawn()
            await terminal.pause()
            view.print("a line")
            if is_cancelled:
                scope.cancel()
    assert not terminal.shows_cursor
    terminal.go_on()
    await drawn()
    assert terminal.lines == ["a line"]
    assert terminal.shows_cursor


async def test_slow_reader(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results for a slow reader of a pipe are waited for, unless the caller is cancelled."""
    monkeypatch.setattr("vidgo_async.progress.view.GRACE", 0.1)
    pipe = Paused()
    monkeypatch.setattr(pipe, "isatty", lambda: False)
    monkeypatch.setattr(sys, "stdout", pipe)

    async def show() -> None:
        async with View(many(20), 20) as view:
            await drawn()
            pipe.stop()
            view.write("a result")

    showing = asyncio.create_task(show())
    await asyncio.wait({showing}, timeout=1)
    assert not showing.done()
    assert terminal.lines == []  # the bar does not wait for the pipe
    pipe.go_on()
    await showing
    assert pipe.lines == ["a result"]
    showing = asyncio.create_task(show())
    await asyncio.wait({showing}, timeout=1)
    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing
    pipe.go_on()
