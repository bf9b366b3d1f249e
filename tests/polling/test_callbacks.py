"""A callback leads to a poll; while callbacks come, polls are a safety net."""

import asyncio
from typing import Any

import anyio
import pytest

from tests.support.sessions import FOX, foxes
from tests.support.webhooks import TOKEN, called_back, flat, tell, told_session
from vidgo_async import (
    AdaptivePolling,
    FixedPolling,
    GrokImagine,
    Task,
    TaskTimeoutError,
    VidgoSession,
    WebhookReceiver,
)
from vidgo_async._polling import callbacks
from vidgo_async.sandbox import (
    Callbacks,
    Sandbox,
    after,
    answer,
    changed,
    failed_at_once,
    refusal,
    slow,
)

pytestmark = pytest.mark.virtual_time


async def lateness(vidgo: VidgoSession, sandbox: Sandbox, count: int) -> list[float]:
    """Generate that many videos; return for each how late its end was noticed, in seconds."""
    late: list[float] = []
    async for outcome in vidgo.generate_many(foxes(count), max_in_flight=50):
        assert outcome.error is None
        late.append(anyio.current_time() - sandbox.tasks[outcome.task.task_id].ends_at)
    return late


# --- One callback ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["finished", "failed", "a_new_word"])
async def test_a_callback_leads_to_a_poll(status: str) -> None:
    """The task is polled at once, and its end is known from that poll."""
    async with Sandbox(seconds=(100, 100)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(100)
            before = sandbox.received["status"]
            await tell(receiver, task.task_id, status)
            ended_at = anyio.current_time()

        assert (before, sandbox.received["status"]) == (0, 1)
        assert sandbox.tasks[task.task_id].ends_at - ended_at < 0.1


@pytest.mark.parametrize("status", ["not_started", "running"])
async def test_what_has_not_ended_is_not_polled(status: str) -> None:
    """A callback that tells of no end changes nothing."""
    async with Sandbox(seconds=(100, 100)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo:
            task = await vidgo.submit(FOX)
            async with anyio.create_task_group() as group:
                group.start_soon(tell, receiver, task.task_id, status)
                with pytest.raises(TaskTimeoutError):
                    await vidgo.wait(task, timeout=50)

        assert sandbox.received["status"] == 1  # just before the deadline


async def test_a_status_that_lags_is_polled_again_soon() -> None:
    """After "not yet" polls follow soon, at 0.5, 1 and 2 s, until the status shows the end."""
    async with Sandbox(seconds=(60, 60)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(57)
            await tell(receiver, task.task_id)
            began = anyio.current_time()

        assert sandbox.received["status"] == 4
        assert anyio.current_time() - began == pytest.approx(3.5, abs=0.3)


async def test_a_wrong_callback_costs_five_polls() -> None:
    """Then pacing goes on as before; a flood of such callbacks costs 5 polls in 12 seconds."""
    async with Sandbox(seconds=(250, 250)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(50)
            await tell(receiver, task.task_id)
            await anyio.sleep(50)
            first = sandbox.received["status"]
            for _ in range(500):
                await tell(receiver, task.task_id)
                await anyio.sleep(0.1)
            later = sandbox.received["status"]
            await anyio.sleep(80)
            assert sandbox.received["status"] <= later + 10
            group.cancel_scope.cancel()

        assert first == 5
        assert later - first <= 21


@pytest.mark.parametrize("lag", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("seconds_before", [30.0, 6.0])
async def test_the_right_callback_after_a_wrong_one(lag: float, seconds_before: float) -> None:
    """It leads to as many polls, whether the wrong one is dealt with or not."""
    async with Sandbox(seconds=(60, 60)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(60 - lag - seconds_before)
            await tell(receiver, task.task_id)
            await anyio.sleep(seconds_before)
            await tell(receiver, task.task_id)

        assert anyio.current_time() < 60 + 7


async def test_a_wrong_callback_and_short_waits() -> None:
    """A wrong callback costs no polls in later waits."""
    async with Sandbox(seconds=(5000, 5000)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo:
            task = await vidgo.submit(FOX)
            await tell(receiver, task.task_id)
            for _ in range(200):
                with pytest.raises(TaskTimeoutError):
                    await vidgo.wait(task, timeout=1)
        assert sandbox.received["status"] <= 7


@pytest.mark.parametrize(
    ("fault", "most"),
    [
        (answer(502), 6),
        (refusal(503, headers={"Retry-After": "20"}), 3),
        (changed(files=[]), 16),
    ],
)
async def test_repeated_callbacks_do_not_hurry_polls_that_fail(fault: Any, most: int) -> None:
    """Backoff and `Retry-After` hold, and files that are late are polled for as before."""
    async with Sandbox(seconds=(1, 1)) as sandbox:
        sandbox.inject(fault, call="status", times=None)
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(1)
            for _ in range(300):
                await tell(receiver, task.task_id)
                await anyio.sleep(0.1)
            group.cancel_scope.cancel()
        assert sandbox.received["status"] <= most


async def test_callbacks_slow_no_policy_down() -> None:
    """Where the policy polls oftener than a callback asks for, it goes on to."""
    async with Sandbox(seconds=(30, 30)) as sandbox:
        receiver, vidgo = told_session(sandbox, polling=FixedPolling(0.5))
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX, callback_url="https://elsewhere.example/")
            wait = asyncio.create_task(vidgo.wait(task))

            async def tell_often() -> None:
                while not wait.done():
                    await tell(receiver, task.task_id)
                    await anyio.sleep(1)

            group.start_soon(tell_often)
            await wait
            assert anyio.current_time() < 31


async def test_a_callback_during_a_poll_is_not_lost() -> None:
    """The poll in flight may have been answered before the end: one more follows at once."""
    async with Sandbox(seconds=(10, 10)) as sandbox:
        sandbox.inject(slow(4), call="status")
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task.task_id)  # a bare id is polled at once
            await anyio.sleep(2)
            await tell(receiver, task.task_id)
            await anyio.sleep(8)
            assert sandbox.received["status"] >= 4


@pytest.mark.parametrize("fault", [refusal(429), answer(502), refusal(500)])
async def test_a_poll_that_fails_is_sent_again_soon(fault: Any) -> None:
    """The failure of the poll that a callback led to does not cost the safety net's minutes."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        sandbox.inject(fault, call="status", times=3)
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(20)
            await tell(receiver, task.task_id)

        assert anyio.current_time() < 40


async def test_a_poll_of_the_safety_net_that_fails_is_sent_again_soon() -> None:
    """It does not wait for the next rare one."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        sandbox.inject(answer(502), call="status", times=2)
        _, vidgo = told_session(sandbox)
        async with vidgo:
            await vidgo.generate(FOX)
            assert 300 < anyio.current_time() < 375


async def test_a_callback_before_the_wait() -> None:
    """A task that was reported before somebody waits for it is polled at once."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo:
            task = await vidgo.submit(FOX)
            await anyio.sleep(30)
            await tell(receiver, task.task_id)
            assert sandbox.received["status"] == 0
            assert (await vidgo.wait(task)).finished
            assert anyio.current_time() < 30.5


async def test_a_callback_between_two_waits() -> None:
    """So is one that was reported after its last waiter left."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo:
            task = await vidgo.submit(FOX)
            with pytest.raises(TaskTimeoutError):
                await vidgo.wait(task, timeout=10)
            await anyio.sleep(15)
            await tell(receiver, task.task_id)
            assert (await vidgo.wait(task)).finished
            assert anyio.current_time() < 25.5


async def test_an_end_that_was_seen_is_polled_at_once() -> None:
    """Whoever waits for an old value of a task that ended does not wait for the safety net."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo:
            task = await vidgo.submit(FOX)
            await anyio.sleep(20)
            await vidgo.wait(task.task_id)
            began = anyio.current_time()
            await vidgo.wait(task)
            assert anyio.current_time() - began < 0.5
            await tell(receiver, task.task_id)  # harmless

        assert sandbox.received["status"] == 2


async def test_a_callback_before_the_answer() -> None:
    """A callback that beats the answer to its submit is matched with it."""
    unknown: list[str] = []
    async with Sandbox(seconds=(1, 1)) as sandbox:
        sandbox.inject(after(slow(5)))
        receiver, vidgo = told_session(sandbox, unknown.append)
        async with vidgo, anyio.create_task_group() as group:
            group.start_soon(vidgo.generate, FOX)
            await anyio.sleep(3)
            (task_id,) = sandbox.tasks
            await tell(receiver, task_id)
            await anyio.sleep(2.5)

        assert sandbox.received["status"] == 1
        assert anyio.current_time() < 6
        assert unknown == []


async def test_a_task_that_failed_at_once() -> None:
    """A submit that is answered with `failed` is polled at once: the reason is only there."""
    async with Sandbox() as sandbox:
        sandbox.inject(changed(status="failed"))
        _, vidgo = told_session(sandbox)
        async with vidgo:
            await vidgo.wait((await vidgo.submit(FOX)).task_id)
            assert anyio.current_time() < 10


async def test_a_wait_that_ends_while_its_poll_has_no_permit() -> None:
    """The task is polled for its next waiter (a poll that was never sent is not in flight)."""
    async with Sandbox(seconds=(5, 5)) as sandbox:
        sandbox.inject(slow(8), call="status")
        async with told_session(sandbox, max_concurrent_requests=1)[1] as vidgo:
            task = await vidgo.submit(FOX)
            async with anyio.create_task_group() as group:
                group.start_soon(vidgo.get_task, task.task_id)
                await anyio.sleep(1)
                with anyio.move_on_after(5):
                    await vidgo.wait(task.task_id)
            assert (await vidgo.wait(task.task_id, timeout=60)).finished


async def test_a_bare_id_has_the_age_of_its_task() -> None:
    """A task that was bought here is known by its id too: it is not polled every few seconds."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo:
            for _ in range(6):
                task = await vidgo.submit(FOX)
                async with anyio.create_task_group() as group:
                    group.start_soon(vidgo.wait, task.task_id)
                    await anyio.sleep(20)
                    await tell(receiver, task.task_id)
            before, began = sandbox.received["status"], anyio.current_time()
            await vidgo.wait((await vidgo.submit(FOX)).task_id)
            assert sandbox.received["status"] - before <= 3
            assert 30 < anyio.current_time() - began < 45


async def test_other_tasks_are_polled_as_usual() -> None:
    """Tasks whose callback goes elsewhere, or of other sessions, keep the policy's pace."""
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, VidgoSession(sandbox.api_key, base_url=sandbox.url) as other:
            elsewhere = await vidgo.submit(FOX, callback_url="https://app.example/hook")
            foreign = await other.submit(FOX)
            await vidgo.wait(elsewhere)
            await vidgo.wait(foreign)
            assert anyio.current_time() < 25
            again = await vidgo.submit(FOX, callback_url=receiver.callback_url("http://[::1]/"))
            began = anyio.current_time()
            await vidgo.wait(again)
            assert anyio.current_time() - began > 300


# --- The safety net -------------------------------------------------------------------------


async def test_the_first_poll_of_an_unknown_kind() -> None:
    """It comes after 300 s, and further ones rarely."""
    async with Sandbox(seconds=(2000, 2000)) as sandbox:
        _, vidgo = told_session(sandbox)
        async with vidgo:
            task = await vidgo.submit(FOX)
            ages: list[float] = []
            for timeout in (295, 375, 1175):
                with pytest.raises(TaskTimeoutError):
                    await vidgo.wait(task, timeout=timeout)
                ages.append(sandbox.received["status"])

    assert ages[0] == 1  # just before the deadline
    assert ages[2] <= 9


async def test_polls_are_hardly_needed() -> None:
    """With callbacks a task costs little more than one poll, and its end is noticed at once."""
    async with (
        Sandbox(seconds=(90, 300)) as sandbox,
        called_back(sandbox, polling=AdaptivePolling()) as vidgo,
    ):
        late = await lateness(vidgo, sandbox, 300)

        assert sandbox.received["status"] <= 1.5 * 300
        assert sum(late) / 300 < 0.5


async def test_callbacks_that_never_came() -> None:
    """Where no callback comes at all, the first missing one ends the reliance on them."""
    async with (
        Sandbox(seconds=(30, 40), callbacks=Callbacks(lost=1.0)) as sandbox,
        called_back(sandbox, polling=AdaptivePolling()) as vidgo,
    ):
        late = await lateness(vidgo, sandbox, 150)

        assert max(late[:50]) < 400
        assert sum(late[100:]) / 50 < 10


async def test_callbacks_that_stop_and_come_again() -> None:
    """Within 50 ends of either polls are as many, and as late, as they should be."""
    async with (
        Sandbox(seconds=(90, 300)) as sandbox,
        called_back(sandbox, polling=AdaptivePolling()) as vidgo,
    ):
        await lateness(vidgo, sandbox, 200)
        sandbox.callbacks = Callbacks(lost=1.0)
        late = await lateness(vidgo, sandbox, 200)
        sandbox.callbacks = Callbacks()
        await lateness(vidgo, sandbox, 50)
        before = sandbox.received["status"]
        recovered = await lateness(vidgo, sandbox, 200)

        assert sum(late[50:]) / 150 < 8
        assert sandbox.received["status"] - before <= 1.6 * 200
        assert sum(recovered) / 200 < 0.5


@pytest.mark.parametrize("delay", [0.0, 30.0])
async def test_lost_doubled_and_late(delay: float) -> None:
    """With 30 % lost, all others doubled and late, every request ends exactly once."""
    callbacks = Callbacks(lost=0.3, doubled=1.0, delay=(delay, 2 * delay), shape="both")
    async with (
        # aiohttp gives idle connections up by real time, the sandbox would by the virtual one.
        Sandbox(seconds=(90, 300), callbacks=callbacks, keepalive=3600.0) as sandbox,
        called_back(sandbox, polling=AdaptivePolling()) as vidgo,
    ):
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(200), max_in_flight=64)]

        assert sorted(outcome.index for outcome in outcomes) == list(range(200))
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        assert sandbox.sold == 200


async def test_an_interval_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `VIDGO_POLL_INTERVAL` is set, as in tests, callbacks have to prove themselves first."""
    monkeypatch.setenv("VIDGO_POLL_INTERVAL", "1")
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox, polling=None)
        async with vidgo, anyio.create_task_group() as group:
            await vidgo.generate(FOX)
            assert anyio.current_time() < 22
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(20)
            await tell(receiver, task.task_id)
            await anyio.sleep(1)
            before = sandbox.received["status"]
            for _ in range(20):
                task = await vidgo.submit(FOX)
                group.start_soon(vidgo.wait, task)
                await anyio.sleep(20)
                await tell(receiver, task.task_id)
            late = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, late)
            await anyio.sleep(19)
            before = sandbox.received["status"]
            await anyio.sleep(10)
            assert sandbox.received["status"] == before
            await tell(receiver, late.task_id)


async def test_what_polls_saw_is_no_callback() -> None:
    """Waiting again for ended tasks, and tasks that fail at once, are no reason to rely on them."""
    async with Sandbox(seconds=(5, 5)) as sandbox:
        _, vidgo = told_session(sandbox, polling=FixedPolling(2.0))
        async with vidgo:
            task = await vidgo.generate(FOX)  # found by the safety net: none came
            await anyio.sleep(10)
            for _ in range(30):
                await vidgo.wait(task.task_id)
            sandbox.inject(failed_at_once(), times=20)
            for _ in range(20):
                await vidgo.wait(await vidgo.submit(FOX))
            began = anyio.current_time()
            await vidgo.generate(FOX)
            assert anyio.current_time() - began < 10


@pytest.mark.parametrize("delay", [0.0, 3.0])
async def test_a_few_lost_callbacks_are_tolerated(delay: float) -> None:
    """With one in a hundred lost, and all a little late, polls stay rare."""
    callbacks = Callbacks(lost=0.01, delay=(0.0, delay))
    async with (
        Sandbox(seconds=(90, 300), callbacks=callbacks, credits=1e6) as sandbox,
        called_back(sandbox, polling=AdaptivePolling()) as vidgo,
    ):
        await lateness(vidgo, sandbox, 400)
        assert sandbox.received["status"] <= 1.5 * 400


async def test_a_status_that_lags_for_long_is_no_missing_callback() -> None:
    """An end that was reported counts as reported, whatever the polls said then."""
    async with Sandbox(seconds=(30, 30)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            for _ in range(3):
                task = await vidgo.submit(FOX)
                group.start_soon(vidgo.wait, task)
                await anyio.sleep(10)
                await tell(receiver, task.task_id)
            await anyio.sleep(700)
            before = sandbox.received["status"]
            task = await vidgo.submit(FOX)
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(35)
            assert sandbox.received["status"] == before


async def test_more_tasks_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that was forgotten is polled all the same when it is reported, or late."""
    monkeypatch.setattr(callbacks, "MAX_KNOWN", 2)
    async with Sandbox(seconds=(20, 20)) as sandbox:
        receiver, vidgo = told_session(sandbox)
        async with vidgo, anyio.create_task_group() as group:
            tasks = list[Task]()
            for _ in range(4):
                tasks.append(await vidgo.submit(FOX))
                group.start_soon(vidgo.wait, tasks[-1])
                await anyio.sleep(0.1)
            await anyio.sleep(20)
            for task in tasks[:3]:
                await tell(receiver, task.task_id)
            await anyio.sleep(1)
            assert sandbox.received["status"] == 3
        assert anyio.current_time() < 390


async def test_no_probe_goes_to_a_task_without_callback() -> None:
    """What is polled as usual needs no probe, however old it is."""
    async with Sandbox(seconds=(5, 5)) as sandbox, called_back(sandbox) as vidgo:
        slow_one = GrokImagine(prompt="slow")
        task = await vidgo.submit(slow_one, callback_url="https://elsewhere.example/")
        running = changed(status="running")
        sandbox.inject(running, call="status", task_id=task.task_id, times=None)
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.wait, task)
            await anyio.sleep(60)
            await lateness(vidgo, sandbox, 12)
            before = sandbox.received["status"]
            await anyio.sleep(10)
            assert sandbox.received["status"] - before <= 5  # every two seconds, as the policy says
            group.cancel_scope.cancel()


async def test_nothing_is_polled_after_the_last_end() -> None:
    """The silence after a batch means nothing."""
    async with Sandbox(seconds=(5, 5)) as sandbox, called_back(sandbox) as vidgo:
        await lateness(vidgo, sandbox, 10)
        before = sandbox.received["status"]
        await anyio.sleep(100)
        assert sandbox.received["status"] == before


# --- What is learned ------------------------------------------------------------------------


class Pupil:
    """A policy that writes down what it is taught."""

    def __init__(self) -> None:
        self.lessons: list[tuple[str, float, float, bool]] = []

    def next_delay(self, task: Task, age: float | None) -> float:
        return 5.0

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        self.lessons.append((after.task_id, earliest, latest, after.done))


async def test_what_is_learned_is_true() -> None:
    """Of tasks that only callbacks told of the policy learns nothing, and of others no lie."""
    pupil = Pupil()
    async with Sandbox(seconds=(90, 300)) as sandbox, called_back(sandbox, polling=pupil) as vidgo:
        await lateness(vidgo, sandbox, 120)
        assert pupil.lessons == []
        sandbox.callbacks = Callbacks(lost=1.0)
        await lateness(vidgo, sandbox, 120)

        assert len({task_id for task_id, *_ in pupil.lessons}) > 60
        for task_id, earliest, latest, done in pupil.lessons:
            seconds = sandbox.tasks[task_id].seconds
            assert earliest - 0.2 < seconds if done else latest < seconds + 0.2
            assert latest - earliest < 7  # none of them goes by the safety net's waits


async def test_one_missing_callback_is_found_late_and_forgiven() -> None:
    """Where callbacks come after some 20 s, a lost one costs some 35 s, and nothing more."""
    async with Sandbox(seconds=(18, 20)) as sandbox, called_back(sandbox) as vidgo:
        await lateness(vidgo, sandbox, 25)
        sandbox.callbacks = Callbacks(lost=1.0)
        began = anyio.current_time()
        await vidgo.generate(FOX)
        assert 30 < anyio.current_time() - began < 45
        sandbox.callbacks = Callbacks()
        before = sandbox.received["status"]
        late = await lateness(vidgo, sandbox, 19)

        assert sandbox.received["status"] - before <= 21
        assert max(late) < 0.5


# --- Closing --------------------------------------------------------------------------------


async def test_closing_while_a_callback_may_still_come() -> None:
    """A session that closes just after an end leaves no timer behind."""
    async with Sandbox(seconds=(1, 1)) as sandbox:
        receiver, vidgo = told_session(sandbox, polling=FixedPolling(1.0))
        async with vidgo:
            task = await vidgo.submit(FOX)
            await anyio.sleep(1)
            await vidgo.wait(task.task_id)
        await receiver.handle(flat(task.task_id), TOKEN)
        await asyncio.sleep(10)

        assert sandbox.received["status"] == 1


async def test_closed_sessions_are_told_nothing() -> None:
    """A callback after closing costs nothing, and its id is unknown."""
    unknown: list[str] = []
    receiver = WebhookReceiver(TOKEN, unknown.append)
    async with Sandbox(seconds=(1, 1)) as sandbox:
        async with VidgoSession(
            sandbox.api_key, base_url=sandbox.url, webhooks=receiver, callback_url="http://a/"
        ) as vidgo:
            task = await vidgo.submit(FOX)
        await tell(receiver, task.task_id)

        assert sandbox.received["status"] == 0
        assert unknown == [task.task_id]
