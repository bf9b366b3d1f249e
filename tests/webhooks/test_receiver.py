"""What a receiver does with callbacks: to whom they go, and what is unknown."""

import asyncio
import gc
import threading
from typing import Any

import anyio
import pytest

from tests.support.sessions import FOX, foxes, open_session
from tests.support.webhooks import NOWHERE, TOKEN, envelope, flat, tell, told_session
from vidgo_async import VidgoSession, WebhookReceiver
from vidgo_async.sandbox import Sandbox, after, slow

pytestmark = pytest.mark.virtual_time


async def test_handle_returns_what_the_body_says() -> None:
    """A framework of one's own gets the task, in either shape."""
    receiver = WebhookReceiver(TOKEN)
    assert (await receiver.handle(flat("a", "failed"), TOKEN)).failed
    assert (await receiver.handle(envelope("b"), TOKEN)).task_id == "b"


# --- Unknown ids ----------------------------------------------------------------------------


async def test_unknown_ids_cost_no_request() -> None:
    """Ids that the session neither bought nor watches are handed to the app."""
    unknown: list[str] = []
    async with Sandbox() as sandbox:
        receiver, vidgo = told_session(sandbox, unknown.append)
        async with vidgo:
            for number in range(1000):
                await tell(receiver, f"forged-{number}")
            await anyio.sleep(10)

        assert len(unknown) == 1000
        assert sandbox.received == {}


async def test_a_flood_of_forged_callbacks() -> None:
    """100,000 of them, during a batch, cost no request and no memory, and disturb nothing."""
    memory: list[int] = []
    async with Sandbox(seconds=(90, 300)) as sandbox:
        sandbox.inject(after(slow(290)), skip=19)  # so that a POST is open
        receiver, vidgo = told_session(sandbox, request_timeout=300)

        async def flood() -> None:
            for number in range(100_000):
                await receiver.handle(flat(f"forged-{number}"), TOKEN)
                if number % 1000 == 0:
                    await anyio.sleep(0.5)
                    memory.append(len(gc.get_objects()))

        async with vidgo, anyio.create_task_group() as group:
            group.start_soon(flood)
            stream = vidgo.generate_many(foxes(20), max_in_flight=20)
            outcomes = [outcome async for outcome in stream]

        assert all(outcome.ok for outcome in outcomes)
        assert sandbox.received["status"] <= 2 * 20
        assert max(memory[2:]) - memory[2] < 1000


async def test_an_async_on_unknown() -> None:
    """It runs behind the answer, which does not wait for it."""
    unknown: list[str] = []
    go = asyncio.Event()

    async def hand_over(task_id: str) -> None:
        await go.wait()
        unknown.append(task_id)

    receiver = WebhookReceiver(TOKEN, hand_over)
    await tell(receiver, "a")
    await tell(receiver, "b")
    assert unknown == []
    go.set()
    await anyio.sleep(1)
    assert unknown == ["a", "b"]


async def test_on_unknown_can_be_set_later() -> None:
    """`on_unknown` is a plain attribute."""
    receiver, unknown = WebhookReceiver(TOKEN), list[str]()
    await tell(receiver, "a")
    receiver.on_unknown = unknown.append
    await tell(receiver, "b")
    assert unknown == ["b"]


def _plain(task_id: str) -> None:
    raise RuntimeError(task_id)


async def _async(task_id: str) -> None:
    raise RuntimeError(task_id)


def _cancelled(task_id: str) -> None:
    raise asyncio.CancelledError(task_id)


@pytest.mark.parametrize("on_unknown", [_plain, _async, _cancelled])
async def test_an_on_unknown_that_fails(on_unknown: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The callback is answered all the same, and the failure is logged once."""
    receiver = WebhookReceiver(TOKEN, on_unknown)
    for _ in range(3):
        assert (await receiver.handle(flat("a"), TOKEN)).finished
    await anyio.sleep(1)

    (record,) = caplog.records
    assert "on_unknown failed" in record.message
    assert record.exc_info


async def test_an_on_unknown_that_does_not_keep_up(caplog: pytest.LogCaptureFixture) -> None:
    """At most a thousand calls run at once; ids beyond that are dropped, and that is logged."""
    started, go = list[str](), asyncio.Event()

    async def hang(task_id: str) -> None:
        started.append(task_id)
        await go.wait()

    receiver = WebhookReceiver(TOKEN, hang)
    for number in range(1500):
        await tell(receiver, f"{number}")
    await anyio.sleep(1)
    go.set()
    await anyio.sleep(1)

    assert len(started) == 1000
    assert [record.message for record in caplog.records] == [
        "on_unknown does not keep up: some ids are dropped (not logged again)"
    ]


async def test_foreign_ids_during_a_submit() -> None:
    """An id that came while a POST was open is handed over when that POST ended without it."""
    unknown: list[str] = []
    async with Sandbox() as sandbox:
        sandbox.inject(slow(5))
        receiver, vidgo = told_session(sandbox, unknown.append)
        async with vidgo, anyio.create_task_group() as group:
            group.start_soon(vidgo.submit, FOX)
            await anyio.sleep(2)
            await tell(receiver, "foreign")
            assert unknown == []
            await anyio.sleep(4)
            assert unknown == ["foreign"]


async def test_hints_of_other_processes() -> None:
    """A hint leads to a poll where its task is known, and to nothing elsewhere."""
    unknown: list[str] = []
    async with Sandbox(seconds=(100, 100)) as sandbox:
        receiver, vidgo = told_session(sandbox, unknown.append)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(100)
            receiver.hint("foreign")
            receiver.hint(task.task_id)

        assert sandbox.received["status"] == 1
        assert unknown == []


def _leaving(task_id: str) -> None:
    raise SystemExit(task_id)


async def test_an_on_unknown_that_ends_the_program() -> None:
    """What is to end the program does."""
    with pytest.raises(SystemExit):
        await tell(WebhookReceiver(TOKEN, _leaving), "a")


async def test_an_on_unknown_that_fails_costs_no_purchase() -> None:
    """It may be called when a submit was answered, whose task the caller gets all the same."""
    async with Sandbox() as sandbox:
        sandbox.inject(slow(5))
        receiver, vidgo = told_session(sandbox, _cancelled)
        async with vidgo, anyio.create_task_group() as group:
            group.start_soon(vidgo.submit, FOX)
            await anyio.sleep(2)
            await tell(receiver, "foreign")
        assert vidgo.unclaimed == ()


# --- Several sessions -----------------------------------------------------------------------


async def test_one_receiver_serves_several_sessions() -> None:
    """Each callback leads to a poll of the session that knows its task, and of no other."""
    receiver = WebhookReceiver(TOKEN)
    async with Sandbox(seconds=(10, 10)) as one, Sandbox(seconds=(10, 10), seed=1) as two:
        async with (
            open_session(one, webhooks=receiver, callback_url=NOWHERE) as first,
            open_session(two, webhooks=receiver, callback_url=NOWHERE) as second,
            anyio.create_task_group() as group,
        ):
            tasks = [await first.submit(FOX), await second.submit(FOX)]
            group.start_soon(first.wait, tasks[0])
            group.start_soon(second.wait, tasks[1])
            await anyio.sleep(10)
            for task in tasks:
                await tell(receiver, task.task_id)

        assert one.received["status"] == two.received["status"] == 1


async def test_two_sessions_that_watch_one_task() -> None:
    """Both poll it."""
    receiver = WebhookReceiver(TOKEN)
    async with Sandbox(seconds=(100, 100)) as sandbox:
        async with (
            open_session(sandbox, webhooks=receiver, callback_url=NOWHERE) as first,
            open_session(sandbox, webhooks=receiver, callback_url=NOWHERE) as second,
            anyio.create_task_group() as group,
        ):
            task = await first.submit(FOX)
            group.start_soon(first.wait, task)
            group.start_soon(second.wait, task)
            await anyio.sleep(100)
            before = sandbox.received["status"]
            await tell(receiver, task.task_id)

        assert sandbox.received["status"] - before == 2


def test_sessions_of_two_loops_are_refused() -> None:
    """One receiver belongs to one event loop; the error says what to do."""
    receiver = WebhookReceiver(TOKEN)

    async def enter() -> None:
        async with VidgoSession("a-key-for-tests", webhooks=receiver):
            ready.set()
            await asyncio.to_thread(done.wait)

    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(enter(),))
    thread.start()
    ready.wait()
    try:

        async def enter_too() -> None:
            async with VidgoSession("a-key-for-tests", webhooks=receiver):
                raise AssertionError

        with pytest.raises(RuntimeError, match="one event loop"):
            asyncio.run(enter_too())
    finally:
        done.set()
        thread.join()


class Left:
    """A session that was not closed before its loop was."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    def poll_now(self, task_id: str) -> bool:
        raise AssertionError(task_id)


def test_a_session_that_was_never_closed() -> None:
    """A session whose loop ended is forgotten, so that the next loop may use the receiver."""
    receiver = WebhookReceiver(TOKEN)

    async def leave() -> None:
        receiver.sessions.join(Left())

    async def enter() -> None:
        async with VidgoSession("a-key-for-tests", webhooks=receiver):
            await tell(receiver, "a")

    asyncio.run(leave())
    asyncio.run(enter())


def test_a_callback_in_another_loop() -> None:
    """A server in a thread of its own may take the callbacks."""
    receiver = WebhookReceiver(TOKEN)

    async def main() -> int:
        async with Sandbox(seconds=(0.05, 0.05)) as sandbox:
            async with (
                open_session(sandbox, webhooks=receiver, callback_url=NOWHERE) as vidgo,
                anyio.create_task_group() as group,
            ):
                task = await vidgo.submit(FOX)
                group.start_soon(vidgo.wait, task)
                await anyio.sleep(0.05)
                await asyncio.to_thread(asyncio.run, tell(receiver, task.task_id))
            return sandbox.received["status"]

    assert asyncio.run(main()) == 1
    asyncio.run(tell(receiver, "a"))  # its sessions are gone


@pytest.mark.parametrize("webhooks", ["a-token-for-tests-1234", object(), WebhookReceiver])
def test_what_is_no_receiver(webhooks: Any) -> None:
    """`webhooks` takes a receiver, and says so before anything is bought."""
    with pytest.raises(TypeError, match="WebhookReceiver"):
        VidgoSession("a-key-for-tests", webhooks=webhooks)
