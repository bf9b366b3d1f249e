"""Fixtures of all tests: the event loop, and checks for tasks and blocking calls."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.support.uploads import picture
from vidgo_async.sandbox import jumping_loop

LOOP_ITERATIONS = 3
"""Loop iterations in which a cancelled task or a finaliser must end."""

# Time per example says nothing on a busy machine. In CI a failure must not come and go.
settings.register_profile("vidgo_async", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("vidgo_async")


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run on asyncio, and on the jumping clock where `virtual_time` marks a test or a module."""
    if request.node.get_closest_marker("virtual_time"):
        return "asyncio", {"loop_factory": jumping_loop}
    return "asyncio", {}


@pytest.fixture
async def _runner() -> AsyncIterator[asyncio.Task[Any]]:
    """Give the task in which anyio's plugin runs the test and its async fixtures."""
    task = asyncio.current_task()
    assert task is not None
    yield task
    # The plugin raises what failed in a callback of the loop when a step of its own ends, and
    # this is the last one.
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _leaves_no_task(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an async test that leaves a task running."""
    if "anyio_backend" not in request.fixturenames:
        yield
        return
    runner: asyncio.Task[Any] = request.getfixturevalue("_runner")
    yield
    loop = runner.get_loop()
    for _ in range(LOOP_ITERATIONS):
        loop.run_until_complete(asyncio.sleep(0))
    left = asyncio.all_tasks(loop) - {runner}
    if left:
        pytest.fail("tasks left: " + ", ".join(map(repr, left)), pytrace=False)


@pytest.fixture(autouse=True)
def _blocks_no_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which our code makes a blocking call on the event loop."""
    if "anyio_backend" not in request.fixturenames:
        yield
        return
    with blockbuster_ctx("vidgo_async"):
        yield


@pytest.fixture
def fox(tmp_path: Path) -> Path:
    """A picture file to upload."""
    return picture(tmp_path)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise `KeyboardInterrupt` here and in child processes, as in a terminal.

    Tests that a script runs in the background inherit a SIGINT that is ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)
