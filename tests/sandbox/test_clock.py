"""Prove that the clock jumps, and that it does not jump over work that is under way."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute, SocketStream

from vidgo_async.sandbox import jumping_loop
from vidgo_async.sandbox.clock import GRACE, ITERATION_TIME

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
THREAD_WORK = 0.05
"""Real seconds; 100 times what the clock waits before a jump."""


async def in_anyio_thread(func: Callable[[], None]) -> None:
    await anyio.to_thread.run_sync(func)


async def under_an_own_limiter(func: Callable[[], None]) -> None:
    await anyio.to_thread.run_sync(func, limiter=anyio.CapacityLimiter(1))


async def in_executor(func: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, func)


async def in_asyncio_thread(func: Callable[[], None]) -> None:
    await asyncio.to_thread(func)


async def test_an_hour_passes_at_once() -> None:
    """An hour's sleep takes an hour of the loop's time and less than a real second."""
    began, really_began = anyio.current_time(), time.monotonic()

    await anyio.sleep(HOUR)

    assert anyio.current_time() - began == pytest.approx(HOUR, abs=1.0)
    assert time.monotonic() - really_began < 1


async def test_more_than_a_day_passes_at_once() -> None:
    """A sleep beyond the day that asyncio waits at most at a time ends on time."""
    began = anyio.current_time()

    await anyio.sleep(100 * HOUR)

    assert anyio.current_time() - began >= 100 * HOUR


async def test_timers_keep_their_order() -> None:
    """Sleepers wake in the order of their timers, each not before its time."""
    began = anyio.current_time()
    woken: list[tuple[float, float]] = []

    async def sleeper(delay: float) -> None:
        await anyio.sleep(delay)
        woken.append((delay, anyio.current_time() - began))

    async with anyio.create_task_group() as group:
        for delay in (300.0, 0.5, HOUR, 20.0, 299.0):
            group.start_soon(sleeper, delay)

    assert [delay for delay, _ in woken] == [0.5, 20.0, 299.0, 300.0, HOUR]
    assert all(delay <= at < delay + 1 for delay, at in woken)


async def test_deadlines_are_jumped_to() -> None:
    """A deadline of anyio's, and one of asyncio's, end a wait for an event that is never set."""
    began, really_began = anyio.current_time(), time.monotonic()

    with anyio.move_on_after(HOUR) as scope:
        await anyio.sleep_forever()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anyio.Event().wait(), HOUR)

    assert scope.cancelled_caught
    assert anyio.current_time() - began >= 2 * HOUR
    assert time.monotonic() - really_began < 1


async def test_socket_traffic_is_not_overtaken() -> None:
    """A server over loopback answers 500 times, and no 10 s timeout expires meanwhile."""

    async def echo(stream: SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async with anyio.create_task_group() as group:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        group.start_soon(listener.serve, echo)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - unrelated to Django
        began = anyio.current_time()
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            for _ in range(500):
                with anyio.fail_after(10):
                    await client.send(b"ping")
                    assert await client.receive() == b"ping"
        assert anyio.current_time() - began < 10
        group.cancel_scope.cancel()
    await listener.aclose()


async def test_what_has_arrived_is_read_before_a_jump() -> None:
    """Data in a socket is read before the clock jumps to a timer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"ping")

        with anyio.fail_after(10):
            await anyio.wait_readable(ours)


async def test_computing_takes_hardly_any_time() -> None:
    """A callback that blocks the loop takes a millisecond of the loop's time at most."""
    began = anyio.current_time()

    time.sleep(THREAD_WORK)  # noqa: ASYNC251 - blocks on purpose
    await asyncio.sleep(0)

    assert anyio.current_time() - began <= 2 * ITERATION_TIME


async def test_a_jump_waits_for_the_grace_time() -> None:
    """Before a jump the loop waits for events for the grace time, in real time."""
    really_began = time.monotonic()

    await anyio.sleep(HOUR)

    assert time.monotonic() - really_began >= GRACE


async def test_it_starts_at_zero() -> None:
    """The clock's own time does not depend on how long the machine has been up."""
    assert anyio.current_time() < 1


def test_without_grace_runs_are_repeatable() -> None:
    """With no grace and no time for computing, each run measures exactly the same times."""

    async def measure() -> list[float]:
        times = list[float]()
        for delay in (0.1, HOUR, 0.25):
            time.sleep(ITERATION_TIME)  # noqa: ASYNC251 - blocks on purpose
            await asyncio.sleep(delay)
            times.append(asyncio.get_running_loop().time())
        return times

    loop_factory = partial(jumping_loop, grace=0.0, iteration_time=0.0)
    for _ in range(2):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(measure()) == [0.1, HOUR + 0.1, HOUR + 0.1 + 0.25]


RUNS = [in_anyio_thread, under_an_own_limiter, in_executor, in_asyncio_thread]


@pytest.mark.parametrize("run", RUNS)
async def test_a_thread_is_not_overtaken(
    run: Callable[[Callable[[], None]], Awaitable[None]],
) -> None:
    """The work of a thread ends before a timer that lies 10 s ahead."""
    began = anyio.current_time()

    with anyio.fail_after(10):
        await run(lambda: time.sleep(THREAD_WORK))

    assert anyio.current_time() - began < 10


async def test_a_busy_thread_beside_an_idle_one_is_not_overtaken() -> None:
    """The clock waits for a busy thread while another one is idle."""
    began = anyio.current_time()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(under_an_own_limiter, lambda: None)
            group.start_soon(under_an_own_limiter, lambda: time.sleep(THREAD_WORK))

    assert anyio.current_time() - began < 10


async def test_an_abandoned_thread_is_not_overtaken() -> None:
    """The thread of a cancelled task is busy until its work ends."""
    ended = threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(scope.cancel)  # once it began, for else it never begins
        time.sleep(THREAD_WORK)
        ended.set()

    with anyio.CancelScope() as scope:
        await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    await anyio.sleep(HOUR)

    assert ended.is_set()


async def test_a_thread_of_another_loop_does_not_matter() -> None:
    """The clock jumps while a thread is busy for another loop."""
    really_began = time.monotonic()
    started, done = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        done.wait()

    other = threading.Thread(target=anyio.run, args=(anyio.to_thread.run_sync, work))
    other.start()
    started.wait()
    await anyio.sleep(HOUR)

    assert time.monotonic() - really_began < 1
    done.set()
    other.join()


@pytest.mark.parametrize("run", RUNS)
async def test_it_jumps_again_after_a_thread(
    run: Callable[[Callable[[], None]], Awaitable[None]],
) -> None:
    """Once a thread has ended, the clock jumps as before."""
    really_began = time.monotonic()

    await run(lambda: None)
    await anyio.sleep(HOUR)

    assert time.monotonic() - really_began < 1


async def test_a_wait_without_timers_is_real() -> None:
    """Without a timer the loop waits, in real time, for a call from another thread."""
    loop = asyncio.get_running_loop()
    called = asyncio.Event()
    waiting = loop.time()

    def call_back() -> None:
        time.sleep(THREAD_WORK)
        loop.call_soon_threadsafe(called.set)

    thread = threading.Thread(target=call_back)
    thread.start()
    await called.wait()
    thread.join()

    assert loop.time() - waiting < 10
