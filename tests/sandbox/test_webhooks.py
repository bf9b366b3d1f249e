"""Callbacks of the sandbox: really delivered, in both documented ways."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import anyio
import pytest
from aiohttp import web

from tests.support.raw_client import running
from tests.support.servers import serving
from vidgo_async.sandbox import Callbacks, Sandbox

pytestmark = pytest.mark.virtual_time


class Listener:
    """A server that takes callbacks, and answers with the given statuses, then 200."""

    def __init__(self, *statuses: int, hang: float = 0.0) -> None:
        self.bodies: list[Any] = []
        self.times: list[float] = []
        self.statuses = list(statuses)
        self.hang = hang
        self.app = web.Application()
        self.app.router.add_post("/hook", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        self.times.append(anyio.current_time())
        self.bodies.append(json.loads(await request.read()))
        await anyio.sleep(self.hang)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


async def sent(listener: Listener, callbacks: Callbacks, seconds: float, **wishes: Any) -> Sandbox:
    """Buy one task, and let that much time pass."""
    async with serving(web.AppRunner(listener.app, handler_cancellation=True)) as host:
        async with running(seconds=(10, 10), callbacks=callbacks, **wishes) as raw:
            await raw.submit(
                "grok-imagine", input={"prompt": "x"}, callback_url=f"http://{host}/hook"
            )
            await anyio.sleep(seconds)
        return raw.sandbox


# --- What is sent ---------------------------------------------------------------------------


async def test_both_shapes() -> None:
    """The newest one is the task alone without progress, the older one the envelope of a poll."""
    flat, envelope = Listener(), Listener()
    await sent(flat, Callbacks(), 11)
    await sent(envelope, Callbacks(shape="envelope"), 11)

    (task,), (wrapped,) = flat.bodies, envelope.bodies
    assert set(wrapped) == {"code", "data"}
    assert wrapped["code"] == 200
    assert "progress" not in task
    assert {"progress", *task} == set(wrapped["data"])
    assert task["status"] == wrapped["data"]["status"] == "finished"
    assert task["files"][0]["file_url"].startswith("http://127.0.0.1:")


async def test_a_callback_is_what_a_poll_shows() -> None:
    """Its fields are those of the status, and it is sent when the task ends."""
    listener = Listener()
    async with (
        serving(web.AppRunner(listener.app, handler_cancellation=True)) as host,
        running(seconds=(10, 10)) as raw,
    ):
        reply = await raw.submit(callback_url=f"http://{host}/hook")
        await anyio.sleep(11)
        status = (await raw.status(reply.data["task_id"])).data
    del status["progress"]

    assert listener.bodies == [status]
    assert 9.9 < listener.times[0] < 10.2


async def test_a_failed_task_is_reported() -> None:
    """Failures are ends too."""
    listener = Listener()
    await sent(listener, Callbacks(), 11, failure_rate=1.0)
    assert (listener.bodies[0]["status"], listener.bodies[0]["files"]) == ("failed", [])
    assert listener.bodies[0]["error_message"]


async def test_without_a_callback_url_nothing_is_sent() -> None:
    """Nor to an address beyond this machine, unless that is asked for."""
    async with running(seconds=(1, 1)) as raw:
        await raw.submit()
        await raw.submit(callback_url="https://app.example/hook")
        await anyio.sleep(60)
        assert raw.sandbox.callback_attempts == []


@pytest.mark.parametrize(
    ("url", "is_called"),
    [
        ("http://127.0.0.1:9/", True),
        ("http://127.8.9.1/", True),
        ("http://[::1]:9/", True),
        ("http://localhost/", True),
        ("http://app.localhost/", True),
        ("http://10.0.0.1/", False),
        ("https://app.example/", False),
        ("http://localhost.example/", False),
    ],
)
def test_which_addresses_are_called(url: str, is_called: bool) -> None:
    """Those of this machine; others only with `public`."""
    assert Callbacks().may_call(url) is is_called
    assert Callbacks(public=True).may_call(url)


# --- How often ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "statuses", "pauses"),
    [
        ("flat", [200], []),
        ("flat", [204], []),
        ("flat", [500] * 9, [1, 2, 4, 8, 16]),
        ("flat", [503, 200], [1]),
        ("flat", [404, 200], []),
        ("envelope", [500] * 9, [1, 2, 4]),
        ("envelope", [404, 200], [1]),
        ("envelope", [302], []),
    ],
)
async def test_attempts(shape: Any, statuses: list[int], pauses: list[float]) -> None:
    """As often and as far apart as the documents say, until it is answered."""
    listener = Listener(*statuses)
    sandbox = await sent(listener, Callbacks(shape=shape), 60)

    gaps = [later - earlier for earlier, later in pairwise(listener.times)]
    assert gaps == pytest.approx(pauses, abs=0.1)
    attempts = sandbox.callback_attempts
    assert [each.status for each in attempts] == statuses[: len(attempts)]
    assert [each.number for each in attempts] == list(range(1, len(pauses) + 2))
    assert {each.shape for each in attempts} == {shape}


@pytest.mark.parametrize(("shape", "seconds"), [("flat", 30), ("envelope", 10)])
async def test_an_answer_that_does_not_come(shape: Any, seconds: float) -> None:
    """It is waited for as long as the document says, and the attempt repeated."""
    listener = Listener(hang=100)
    sandbox = await sent(listener, Callbacks(shape=shape), 2 * seconds + 14)

    assert listener.times[1] - listener.times[0] == pytest.approx(seconds + 1, abs=1.1)
    assert [each.status for each in sandbox.callback_attempts[:2]] == [None, None]


async def test_an_address_at_which_nothing_listens() -> None:
    """All attempts are recorded; the sandbox closes in the middle of them."""
    async with running(seconds=(1, 1)) as raw:
        await raw.submit(callback_url="http://127.0.0.1:9/")
        await anyio.sleep(5)
        assert [each.status for each in raw.sandbox.callback_attempts] == [None, None, None]
        assert "127.0.0.1:9" not in repr(raw.sandbox.callback_attempts)


# --- What goes wrong ------------------------------------------------------------------------


async def buy(count: int, listener: Listener, **settings: Any) -> Sandbox:
    async with serving(web.AppRunner(listener.app, handler_cancellation=True)) as host:
        async with running(seconds=(10, 20), credits=1e6, callbacks=Callbacks(**settings)) as raw:
            for _ in range(count):
                await raw.submit(callback_url=f"http://{host}/hook")
            await anyio.sleep(100)
        return raw.sandbox


async def test_lost_and_doubled() -> None:
    """Shares are lost and doubled; the seed decides which."""
    first, second = Listener(), Listener()
    sandbox = await buy(100, first, lost=0.3, doubled=0.5)
    await buy(100, second, lost=0.3, doubled=0.5)

    counts = Counter(body["task_id"] for body in first.bodies)
    assert 60 <= len(counts) <= 80
    assert 20 <= sum(count == 2 for count in counts.values()) <= 50
    assert len(first.bodies) == len(sandbox.callback_attempts) == len(second.bodies)


async def test_late_and_out_of_order() -> None:
    """Delays put callbacks out of order."""
    listener = Listener()
    sandbox = await buy(50, listener, delay=(5, 30), shape="both")
    late = [
        each.sent_at - sandbox.tasks[each.task_id].ends_at for each in sandbox.callback_attempts
    ]
    ends = [sandbox.tasks[each.task_id].ends_at for each in sandbox.callback_attempts]

    assert min(late) >= 5
    assert max(late) < 30.5
    assert ends != sorted(ends)
    assert {each.shape for each in sandbox.callback_attempts} == {"flat", "envelope"}


async def test_settings_can_change() -> None:
    """Callbacks that stop: the settings count that hold when a task ends."""
    listener = Listener()
    async with (
        serving(web.AppRunner(listener.app, handler_cancellation=True)) as host,
        running(seconds=(10, 10)) as raw,
    ):
        await raw.submit(callback_url=f"http://{host}/hook")
        await anyio.sleep(11)
        raw.sandbox.callbacks = Callbacks(lost=1.0)
        await raw.submit(callback_url=f"http://{host}/hook")
        await anyio.sleep(11)
        assert raw.sandbox.callbacks.lost == 1.0

    assert len(listener.bodies) == 1


async def test_once_more_too_early_and_forged() -> None:
    """`send_callback` sends whatever a test asks for."""
    listener = Listener()
    async with (
        serving(web.AppRunner(listener.app, handler_cancellation=True)) as host,
        running(seconds=(10, 10)) as raw,
    ):
        url = f"http://{host}/hook"
        task_id = (await raw.submit(callback_url=url)).data["task_id"]
        assert await raw.sandbox.send_callback(task_id) == 200
        assert await raw.sandbox.send_callback(task_id, status="finished") == 200
        forged = {"status": "finished", "files": [{"file_url": "http://evil/"}]}
        await raw.sandbox.send_callback("forged", url=url, shape="envelope", **forged)
        with pytest.raises(ValueError, match="url"):
            await raw.sandbox.send_callback("forged")
        other = (await raw.submit()).data["task_id"]
        with pytest.raises(ValueError, match="url"):
            await raw.sandbox.send_callback(other)
        assert await raw.sandbox.send_callback(task_id, url="http://127.0.0.1:9/") is None

    assert [body.get("status") for body in listener.bodies[:2]] == ["not_started", "finished"]
    assert listener.bodies[2] == {"code": 200, "data": {"task_id": "forged", **forged}}


@pytest.mark.parametrize(
    "settings",
    [{"lost": 1.1}, {"lost": -0.1}, {"doubled": 2}, {"delay": (2, 1)}, {"shape": "round"}],
)
def test_bad_settings(settings: Any) -> None:
    """A value out of its range is refused, and named."""
    with pytest.raises(ValueError, match=next(iter(settings))):
        Callbacks(**settings)
