"""The jumping clock: it must jump, and it must not jump over work that is under way."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute, SocketStream

from clock import GRACE, TURN

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
THREAD_WORK = 0.05
"""Real seconds; 100 times what the clock waits before a jump."""


async def in_anyio_thread(func: Callable[[], None]) -> None:
    await anyio.to_thread.run_sync(func)


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
    """A sleep beyond the day that asyncio waits at most at a time is slept to its end."""
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
    """A deadline of anyio's, and one of asyncio's, end a wait for what never comes."""
    began, really_began = anyio.current_time(), time.monotonic()

    with anyio.move_on_after(HOUR) as scope:
        await anyio.sleep_forever()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anyio.Event().wait(), HOUR)

    assert scope.cancelled_caught
    assert anyio.current_time() - began >= 2 * HOUR
    assert time.monotonic() - really_began < 1


async def test_socket_traffic_is_not_overtaken() -> None:
    """A server over loopback answers 500 times, and no 10 s timeout strikes meanwhile."""

    async def echo(stream: SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async with anyio.create_task_group() as group:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        group.start_soon(listener.serve, echo)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
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
    """Data that waits in a socket is seen before the clock jumps to a timer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"ping")

        with anyio.fail_after(10):
            await anyio.wait_readable(ours)


async def test_computing_takes_hardly_any_time() -> None:
    """What holds the loop up for a while is over in a millisecond of the loop's time."""
    began = anyio.current_time()

    time.sleep(THREAD_WORK)  # noqa: ASYNC251 - that is the point
    await asyncio.sleep(0)

    assert anyio.current_time() - began <= 2 * TURN


async def test_a_jump_waits_for_the_grace_time() -> None:
    """Before it jumps, the loop gives events a grace time, in real time, to arrive."""
    really_began = time.monotonic()

    await anyio.sleep(HOUR)

    assert time.monotonic() - really_began >= GRACE


@pytest.mark.parametrize("run", [in_anyio_thread, in_executor, in_asyncio_thread])
async def test_a_thread_is_not_overtaken(
    run: Callable[[Callable[[], None]], Awaitable[None]],
) -> None:
    """The work of a thread ends before a timer that lies 10 s ahead."""
    began = anyio.current_time()

    with anyio.fail_after(10):
        await run(lambda: time.sleep(THREAD_WORK))

    assert anyio.current_time() - began < 10


async def test_it_jumps_again_after_a_thread() -> None:
    """Once a thread has ended, the clock jumps as before."""
    really_began = time.monotonic()

    await anyio.to_thread.run_sync(lambda: None)
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    await anyio.sleep(HOUR)

    assert time.monotonic() - really_began < 1


async def test_a_wait_without_timers_is_real() -> None:
    """With no timer to jump to, the loop waits until another thread calls."""
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
