"""What is written down of a submit: before its POST, after it, and whatever is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import (
    InsufficientCreditsError,
    JournalError,
    SubmissionUnknownError,
    Task,
    VidgoError,
    VidgoSession,
)
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.submitter import Submitter
from vidgo_async.requests import PreparedRequest
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time

PREPARED = PreparedRequest(FOX)


class Slate:
    """Keeps what is written, each word after a second."""

    def __init__(self, before: Callable[[], Awaitable[object]] = lambda: anyio.sleep(1)) -> None:
        self.words: list[str] = []
        self._before = before

    @property
    def hands_over(self) -> bool:
        return False

    async def sending(self) -> None:
        await self._before()
        self.words.append("sending")

    async def bought(self, task: Task) -> None:
        await anyio.sleep(1)
        self.words.append(f"bought {task.status}")

    async def not_sent(self, error: VidgoError | None) -> None:
        await anyio.sleep(1)
        self.words.append(f"not sent: {error}")

    async def unknown(self, error: SubmissionUnknownError) -> None:
        await anyio.sleep(1)
        self.words.append("unknown")


def submitter_of(vidgo: VidgoSession) -> Submitter:
    assert vidgo._runtime is not None
    return vidgo._runtime.submitter


async def test_before_and_after() -> None:
    """It is written before the POST that it is sent, and after it what was bought."""
    slate = Slate()
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await submitter_of(vidgo).submit(PREPARED, (), None, record=slate)
        assert slate.words == ["sending", "bought not_started"]


@pytest.mark.parametrize(
    ("seconds", "words", "sold"),
    [
        (0.5, ["sending", "not sent: None"], 0),
        (1.5, ["sending", "bought not_started"], 1),
    ],
)
async def test_a_caller_who_leaves(seconds: float, words: list[str], sold: int) -> None:
    """Whoever leaves while it is written sends nothing, and whoever leaves later loses nothing."""
    slate = Slate()
    async with Sandbox() as sandbox:
        async with open_session(sandbox) as vidgo:
            with anyio.move_on_after(seconds):
                await submitter_of(vidgo).submit(PREPARED, (), None, record=slate)
        assert slate.words == words
        assert (sandbox.sold, len(vidgo.unclaimed)) == (sold, sold)


async def test_a_caller_who_leaves_while_it_cannot_be_written() -> None:
    """There is nothing to take back then."""

    async def fail() -> None:
        await anyio.sleep(1)
        raise JournalError("the disk is full")

    slate = Slate(fail)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with anyio.move_on_after(0.5):
            await submitter_of(vidgo).submit(PREPARED, (), None, record=slate)
        with pytest.raises(JournalError, match="full"):
            await submitter_of(vidgo).submit(PREPARED, (), None, record=slate)
        assert (slate.words, sandbox.received) == ([], {})


async def test_what_is_not_wanted_any_more() -> None:
    """A batch that has to stop meanwhile sends nothing."""
    breaker = Breaker()

    async def stop() -> None:
        await asyncio.sleep(1)
        breaker.record(InsufficientCreditsError("no credits", 402))

    slate = Slate(stop)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(InsufficientCreditsError):
            await submitter_of(vidgo).submit(PREPARED, (), None, breaker=breaker, record=slate)
        assert (slate.words, sandbox.received) == (["sending", "not sent: None"], {})


async def test_all_tasks_are_cancelled_at_once() -> None:
    """As at the end of `asyncio.run`: what was bought is written all the same."""
    slate = Slate()
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        wait = asyncio.create_task(submitter_of(vidgo).submit(PREPARED, (), None, record=slate))
        while not sandbox.sold:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "Recorder" in repr(task) or "bought" in repr(task):
                task.cancel()
        await wait
        await vidgo.aclose()
        assert slate.words == ["sending", "bought not_started"]
