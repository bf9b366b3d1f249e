"""How long a poll may take: learned from the polls before it."""

import pytest

from tests.support.sessions import FOX, open_session
from vidgo_async import TaskTimeoutError
from vidgo_async._polling.poll_timeout import (
    FACTOR,
    FIRST_TIMEOUT,
    MIN_TIMEOUT,
    PollTimeout,
)
from vidgo_async.sandbox import Sandbox


def test_a_fast_server_gets_the_least_time() -> None:
    """Where responses come fast, a hung poll is given up after a second."""
    timeout = PollTimeout(10.0)
    assert timeout.of(0) == FIRST_TIMEOUT
    timeout.record(0.05)
    assert timeout.of(0) == MIN_TIMEOUT


@pytest.mark.parametrize("timeouts", [0, 1, 10_000])
def test_no_poll_gets_more_than_the_request_timeout(timeouts: int) -> None:
    """A `request_timeout` below the least time of a poll bounds it all the same."""
    timeout = PollTimeout(0.5)
    assert timeout.of(timeouts) == 0.5
    timeout.record(0.05)
    assert timeout.of(timeouts) == 0.5


def test_a_slow_server_gets_more_time() -> None:
    """A poll may take a few times as long as usual."""
    timeout = PollTimeout(10.0)
    for _ in range(20):
        timeout.record(2.0)
    assert timeout.of(0) == pytest.approx(FACTOR * 2.0)


def test_each_timeout_doubles_the_time() -> None:
    """A task whose polls time out gets more time, up to the most that there is."""
    timeout = PollTimeout(10.0)
    timeout.record(0.05)
    assert [timeout.of(timeouts) for timeouts in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.virtual_time
async def test_polls_that_were_not_answered_teach_nothing() -> None:
    """A refused connection takes a moment, and says nothing of how long responses take."""
    async with Sandbox(seconds=(100, 100)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.submit(FOX)
        async with sandbox.refusing():
            with pytest.raises(TaskTimeoutError):
                await vidgo.wait(task, timeout=30)
            assert vidgo._runtime is not None
            assert vidgo._runtime.poller._timeout.of(0) == FIRST_TIMEOUT
