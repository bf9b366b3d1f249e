"""Long work in pieces: the loop runs others between them."""

import asyncio
from itertools import pairwise

import anyio
import pytest

from vidgo_async._core.pieces import AT_ONCE, Pieces

MANY = 3 * AT_ONCE + 1


class Turns:
    """Counts the iterations of the loop meanwhile."""

    def __init__(self) -> None:
        self.count = 0
        self._handle = asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self.count += 1
        self._handle = asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._handle.cancel()


def _is_done(pieces: Pieces[int]) -> bool:
    return pieces.done  # asked here, since a type checker takes the first answer for the last


async def test_others_run_between_the_pieces() -> None:
    """The first piece is handled at once, each other in an iteration of its own, in order."""
    turns = Turns()
    seen = list[tuple[int, int]]()
    pieces = Pieces(range(MANY), lambda item: seen.append((item, turns.count)))
    assert len(seen) == AT_ONCE
    assert not _is_done(pieces)
    await pieces.wait()
    turns.stop()
    assert _is_done(pieces)
    assert [item for item, _ in seen] == list(range(MANY))
    firsts = [turn for _, turn in seen[::AT_ONCE]]
    assert len(firsts) == 4
    assert all(before < after for before, after in pairwise(firsts))


async def test_few_items_are_handled_at_once() -> None:
    """What fits in a piece needs no loop, and what follows is called at once."""
    seen, then = list[int](), list[str]()
    pieces = Pieces(range(5), seen.append)
    pieces.then(lambda: then.append("then"))
    assert (seen, then, pieces.done) == ([0, 1, 2, 3, 4], ["then"], True)
    await pieces.wait()


async def test_what_follows_is_called_at_the_end() -> None:
    """It is called once, after the last item, even if the pieces come out even."""
    seen = list[object]()
    pieces = Pieces(range(2 * AT_ONCE), seen.append)
    pieces.then(lambda: seen.append("then"))
    await anyio.sleep(0.01)
    assert seen == [*range(2 * AT_ONCE), "then"]


async def test_stopped_work_handles_no_more() -> None:
    """Nothing more is handled, and nothing is called back."""
    seen = list[object]()
    pieces = Pieces(range(MANY), seen.append)
    pieces.then(lambda: seen.append("then"))
    pieces.stop()
    await anyio.sleep(0.01)
    assert seen == list(range(AT_ONCE))
    assert pieces.done


async def test_a_bug_is_told_and_ends_the_work() -> None:
    """In the first piece and in a later one alike."""
    for bad in (0, MANY - 1):
        bugs = list[BaseException]()
        handled = list[int]()

        def handle(item: int, bad: int = bad, handled: list[int] = handled) -> None:
            if item == bad:
                raise ZeroDivisionError
            handled.append(item)

        pieces = Pieces(range(MANY), handle, bugs.append)
        await anyio.sleep(0.01)
        assert pieces.done
        assert [type(bug) for bug in bugs] == [ZeroDivisionError]
        assert handled == list(range(bad))


def test_ctrl_c_goes_on_its_way() -> None:
    """It is told like a bug, and raised."""
    bugs = list[BaseException]()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pieces([1], interrupt, bugs.append)
    assert [type(bug) for bug in bugs] == [KeyboardInterrupt]


async def test_without_a_hearer_a_bug_harms_no_other_item() -> None:
    """The loop is told of it, and the other items are handled."""
    told = list[object]()
    handled = list[int]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def handle(item: int) -> None:
        if item == AT_ONCE:
            raise ZeroDivisionError
        handled.append(item)

    await Pieces(range(MANY), handle).wait()
    assert handled == [item for item in range(MANY) if item != AT_ONCE]
    assert len(told) == 1


async def test_a_cancelled_wait_waits_on() -> None:
    """The work is done when the cancellation comes through."""
    seen = list[int]()
    pieces = Pieces(range(MANY), seen.append)
    waiting = asyncio.create_task(pieces.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(seen) == MANY


async def test_several_may_wait_and_a_stop_ends_their_wait() -> None:
    """All that wait are woken, at the end and when it is stopped."""
    for stops in (False, True):
        pieces = Pieces(range(MANY), lambda _: None)
        waiting = [asyncio.create_task(pieces.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        if stops:
            pieces.stop()
        with anyio.fail_after(1):
            await asyncio.gather(*waiting)
        await pieces.wait()
