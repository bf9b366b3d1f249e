"""`progress`: the batch's own rules hold, and the view ends with it."""

import asyncio
import inspect
import io
import sys
from collections.abc import AsyncGenerator, Iterator

import anyio
import pytest

from tests.progress.terminal import Paused, Terminal
from tests.support.sessions import foxes, open_session
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.progress import Mode, Progress, progress
from vidgo_async.sandbox import Sandbox, refusal

say = print
"""What users do in the body of the loop."""
pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def sandbox() -> AsyncGenerator[Sandbox]:
    """A server whose tasks take ten seconds."""
    async with Sandbox(seconds=(10.0, 10.0)) as sandbox:
        yield sandbox


@pytest.fixture
async def vidgo(sandbox: Sandbox) -> AsyncGenerator[VidgoSession]:
    """A session for it."""
    async with open_session(sandbox) as vidgo:
        yield vidgo


async def test_every_outcome(vidgo: VidgoSession, sandbox: Sandbox, terminal: Terminal) -> None:
    """All outcomes come, with their view meanwhile and none afterwards."""
    sandbox.inject(refusal(400), call="submit")
    shown = progress(vidgo.generate_many(foxes(5), max_in_flight=2), total=5)
    outcomes = []
    async for outcome in shown:
        outcomes.append(outcome)
        await anyio.sleep(1)
        if len(outcomes) == 3:
            assert terminal.lines[0].startswith("1 of 5: fox 0: failed: ")
            assert terminal.lines[1].endswith("60%  3 of 5")
            assert terminal.lines[2].startswith("2 done, 1 failed, 2 in flight, 0 queued, about ")
            assert terminal.lines[-2].startswith("  not_started")
            assert terminal.lines[-2].endswith(" fox 4")
    assert {outcome.index for outcome in outcomes} == {*range(5)}
    assert len(terminal.lines) == 1
    assert terminal.shows_cursor


def test_is_no_generator() -> None:
    """It can be dropped and cancelled anywhere: it is no async generator (PEP 789)."""
    assert not inspect.isasyncgenfunction(progress)
    assert not inspect.isasyncgenfunction(Progress.__anext__)


async def test_break(vidgo: VidgoSession, sandbox: Sandbox, terminal: Terminal) -> None:
    """After a `break` the view ends, the batch stops, and what it bought is unclaimed."""
    async for _ in progress(vidgo.generate_many(foxes(50), max_in_flight=4)):
        break
    await anyio.sleep(100)
    assert (sandbox.sold, len(vidgo.unclaimed)) == (4, 3)
    assert terminal.lines == []
    assert terminal.shows_cursor


async def test_block(vidgo: VidgoSession, sandbox: Sandbox, terminal: Terminal) -> None:
    """The end of its block is the end of the batch and of the view, also by an exception."""
    batch = vidgo.generate_many(foxes(50), max_in_flight=4)
    with pytest.raises(ZeroDivisionError):
        async with progress(batch, 50) as shown:
            async for _ in shown:
                raise ZeroDivisionError
    assert terminal.lines == []
    assert terminal.shows_cursor
    await anyio.sleep(100)
    assert sandbox.sold == 4


async def test_paused_terminal(vidgo: VidgoSession, sandbox: Sandbox) -> None:
    """While the view waits for a paused terminal, the batch of a block that ended is stopped."""
    terminal, paused = Paused(), anyio.Event()

    async def take_one() -> None:
        batch = vidgo.generate_many(foxes(50), max_in_flight=4)
        async with progress(batch, 50, stream=terminal) as shown:
            async for _ in shown:
                await terminal.pause()
                paused.set()
                break

    taking = asyncio.create_task(take_one())
    await paused.wait()
    await asyncio.wait({taking}, timeout=1)
    assert not taking.done()
    assert len(vidgo.unclaimed) == sandbox.sold - 1
    terminal.go_on()
    await taking
    assert (terminal.lines, terminal.shows_cursor) == ([], True)


async def test_cancelled_and_kept(
    vidgo: VidgoSession, sandbox: Sandbox, terminal: Terminal
) -> None:
    """A cancellation ends the view and pauses the batch; the next `anext` goes on with both."""
    shown = progress(vidgo.generate_many(foxes(2)), 2)
    with anyio.move_on_after(3):
        await anext(shown)
    assert terminal.lines == []
    assert terminal.shows_cursor
    await anyio.sleep(3)
    taking = asyncio.create_task(anext(shown))
    await anyio.sleep(0.5)
    assert terminal.lines[0].endswith("0%  0 of 2")
    await taking
    assert [outcome.ok async for outcome in shown] == [True]
    assert terminal.lines == []


async def test_closed_coroutine(vidgo: VidgoSession, terminal: Terminal) -> None:
    """A coroutine that is closed while it waits for an outcome closes without a complaint."""
    shown = progress(vidgo.generate_many(foxes(2)), 2)
    step = shown.__anext__()
    waiting = step.send(None)
    assert waiting is not None
    step.close()
    del shown
    await anyio.sleep(1)
    assert terminal.lines == []


async def test_error_of_the_requests(vidgo: VidgoSession, terminal: Terminal) -> None:
    """What the iterable raises comes unchanged, and after all outcomes."""

    def broken() -> Iterator[GrokImagine]:
        yield GrokImagine(prompt="a fox")
        raise ZeroDivisionError

    taken = 0
    with pytest.raises(ZeroDivisionError):
        async for _ in progress(vidgo.generate_many(broken())):
            taken += 1
    assert taken == 1
    assert terminal.lines == []


async def test_mode_and_stream(vidgo: VidgoSession, terminal: Terminal) -> None:
    """The mode and the stream may be given: lines in a file, say."""
    file = io.StringIO()
    batch = vidgo.generate_many(foxes(2))
    outcomes = [each async for each in progress(batch, 2, mode=Mode.TEXT, stream=file)]
    lines = file.getvalue().splitlines()
    assert len(outcomes) == 2
    assert [line[:12] for line in lines] == ["1 of 2: fox ", "2 of 2: fox "]
    assert terminal.writes == []


# --- What is printed meanwhile ----------------------------------------------------------------


async def test_prints_go_above_the_bar(vidgo: VidgoSession, terminal: Terminal) -> None:
    """What other code prints is above the bar, whole and in order; the streams are put back."""
    expected = list[str]()
    async for outcome in progress(vidgo.generate_many(foxes(5), max_in_flight=2), total=5):
        say("outcome", outcome.index)
        say("part", end=" ", file=sys.stderr)
        await anyio.sleep(0.5)
        say("and part", file=sys.stderr)
        assert sys.stdout is not terminal
        expected += [f"outcome {outcome.index}", "part and part"]
    assert terminal.lines == expected
    assert sys.stdout is terminal
    assert sys.stderr is terminal


async def test_prints_of_threads(vidgo: VidgoSession, terminal: Terminal) -> None:
    """Threads may print too."""
    async for outcome in progress(vidgo.generate_many(foxes(2)), 2):
        await anyio.to_thread.run_sync(say, "outcome", outcome.index)
    assert sorted(terminal.lines) == ["outcome 0", "outcome 1"]


async def test_half_a_line(vidgo: VidgoSession, terminal: Terminal) -> None:
    """A line without an end is shown when it is flushed, or when the view ends."""
    async for _ in progress(vidgo.generate_many(foxes(1)), 1):
        say("sure?", end="", flush=True)
        await anyio.sleep(0.5)
        assert terminal.lines[0] == "sure?"
        say("the rest", end="")
    assert terminal.lines == ["sure?", "the rest"]


async def test_kept_stream(vidgo: VidgoSession, terminal: Terminal) -> None:
    """A stream that was kept, as by a logging handler, goes on to the terminal; so do its traits."""
    kept = sys.stdout
    async for _ in progress(vidgo.generate_many(foxes(1)), 1):
        kept = sys.stdout
        assert (kept.isatty(), kept.writable(), kept.encoding) == (True, True, "utf-8")
        with pytest.raises(OSError, match="fileno"):
            kept.fileno()
        with pytest.raises(AttributeError):
            _ = kept.buffer
    assert kept is not terminal
    say("later", file=kept, flush=True)
    assert terminal.lines == ["later"]


async def test_stream_replaced_meanwhile(vidgo: VidgoSession, terminal: Terminal) -> None:
    """A stream that other code put in place is left there."""
    other = io.StringIO()
    async for _ in progress(vidgo.generate_many(foxes(1)), 1):
        sys.stdout = other
    assert sys.stdout is other
    assert sys.stderr is terminal


def test_prints_after_the_loop(terminal: Terminal) -> None:
    """A view that outlives its loop is erased with it, and what is printed then is not lost."""
    kept = list[object]()

    async def main() -> None:
        async with Sandbox(seconds=(60.0, 60.0)) as sandbox, open_session(sandbox) as vidgo:
            shown = progress(vidgo.generate_many(foxes(1)), 1)
            await shown.__aenter__()
            await anyio.sleep(0.5)
            assert len(terminal.lines) == 3
            kept.append((shown, sys.stdout))

    asyncio.run(main())
    say("later")
    assert terminal.lines[-1] == "later"
    assert sys.stdout is terminal


@pytest.mark.parametrize("is_late", [False, True])
async def test_two_at_once(is_late: bool, vidgo: VidgoSession, terminal: Terminal) -> None:
    """Of two views on one terminal the second prints its lines above the bar of the first."""
    first = progress(vidgo.generate_many(foxes(3)), 3)
    second = None if is_late else progress(vidgo.generate_many(foxes(2)), 2)
    async with first:
        await anyio.sleep(0.5)
        second = second or progress(vidgo.generate_many(foxes(2)), 2)
        async for _ in second:
            pass
        await anyio.sleep(1)
        assert [line[:12] for line in terminal.lines[:2]] == ["1 of 2: fox ", "2 of 2: fox "]
        assert terminal.lines[2].endswith(" of 3")
        assert terminal.lines[3].split(",")[1] == " 0 failed"
    assert len(terminal.lines) == 2
    assert terminal.shows_cursor
