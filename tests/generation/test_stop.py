"""`Batch.stop`: nothing more is bought, and what was bought is yielded."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from tests.support.faults import SAFE_503, InFlight
from tests.support.sessions import FOX, foxes, open_session
from tests.support.uploads import PNG, picture
from vidgo_async import (
    Batch,
    GrokImagine,
    Journal,
    NotSentError,
    Outcome,
    RetryPolicy,
    SubmissionUnknownError,
    Task,
)
from vidgo_async.sandbox import Sandbox, answer, failed_at_once, hang_after, reset_after, slow

pytestmark = pytest.mark.virtual_time


def endless() -> Iterator[GrokImagine]:
    while True:
        yield FOX


async def outcomes_of(batch: Batch) -> list[Outcome]:
    return [outcome async for outcome in batch]


def bought(outcomes: list[Outcome]) -> set[str]:
    return {outcome.task.task_id for outcome in outcomes if outcome.error is None}


async def test_what_was_bought_is_yielded_and_nothing_more_is_bought() -> None:
    """After `stop` an endless batch sends nothing, and ends once all that it bought is yielded."""
    async with (
        Sandbox(seconds=(60, 60)) as sandbox,
        open_session(sandbox) as vidgo,
        vidgo.generate_many(endless(), max_in_flight=5) as batch,
    ):
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(30)
        batch.stop()
        batch.stop()
        outcomes = await reading
        assert sandbox.received["submit"] == sandbox.sold == 5
        assert bought(outcomes) == set(sandbox.tasks)
        assert len(outcomes) == 5
        assert await outcomes_of(batch) == []
    assert vidgo.unclaimed == ()


async def test_a_batch_that_was_stopped_first_buys_nothing() -> None:
    """`stop` before the first outcome is asked for ends the batch without a request."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(3))
        batch.stop()
        assert await outcomes_of(batch) == []
        assert sandbox.received["submit"] == 0


async def test_a_post_in_flight_is_awaited() -> None:
    """What is being sent at `stop` is bought, and yielded when it ends."""
    held = InFlight()
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(held, "submit", times=None)
        batch = vidgo.generate_many(foxes(2))
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(1)
        assert held.count == 2
        batch.stop()
        held.release()
        assert bought(await reading) == set(sandbox.tasks)
        assert sandbox.sold == 2


@pytest.mark.parametrize("seconds", [1, 30, 250])
async def test_a_submit_that_waits_to_be_sent_is_not_sent(seconds: float) -> None:
    """One that was refused by the rate limit, or by a busy service, ends at once: `NotSentError`."""
    # aiohttp tells by the real clock how long a connection is idle, and the server by the jumping one.
    async with (
        Sandbox(keepalive=3600.0) as sandbox,
        open_session(sandbox, retry=RetryPolicy(timeout=300)) as vidgo,
    ):
        sandbox.inject(answer(429), "submit", times=None, skip=3)
        sandbox.inject(answer(503, SAFE_503), "submit", times=3)
        batch = vidgo.generate_many(foxes(5), max_in_flight=3)
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(seconds)
        batch.stop()
        stopped_at = anyio.current_time()
        outcomes = await reading
        assert anyio.current_time() - stopped_at < 0.1
        assert [type(outcome.error) for outcome in outcomes] == [NotSentError] * 3
        assert all(outcome.task is None for outcome in outcomes)
        assert sandbox.sold == 0
    assert vidgo.unclaimed == ()


async def test_requests_behind_the_limit_of_submits_are_not_sent() -> None:
    """With one submit a minute, those read and not sent end at once."""
    async with (
        Sandbox(seconds=(5, 5)) as sandbox,
        open_session(sandbox, max_submits_per_second=1 / 60) as vidgo,
    ):
        batch = vidgo.generate_many(foxes(40), max_in_flight=8)
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(10)
        batch.stop()
        outcomes = await reading
        assert 0 < sandbox.sold < len(outcomes) <= 8 + sandbox.sold
        assert len(bought(outcomes)) == sandbox.sold == sandbox.received["submit"]


async def test_requests_that_wait_for_an_upload_or_for_room_are_not_sent(tmp_path: Path) -> None:
    """One whose picture is being uploaded, and one that waits for room after it, buy nothing."""
    held = InFlight()
    pictures = [picture(tmp_path, f"{n}.png", PNG + bytes([n])) for n in range(3)]
    async with Sandbox(seconds=(600, 600)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(
            [GrokImagine(prompt="fox", image_urls=[each]) for each in pictures], max_in_flight=1
        )
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(60)
        assert sandbox.sold == 1
        sandbox.inject(held, "upload", times=None)
        await anyio.sleep(60)
        batch.stop()
        outcomes = await reading
        assert len(bought(outcomes)) == sandbox.sold == 1
        assert all(isinstance(each.error, NotSentError) for each in outcomes if each.error)
        held.release()


async def test_the_requests_may_stop_their_batch() -> None:
    """`stop` inside the iterator of requests: what it gives after that is not read."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:

        async def requests() -> AsyncIterator[GrokImagine]:
            yield FOX
            batch.stop()
            yield FOX

        batch = vidgo.generate_many(requests())
        outcomes = await outcomes_of(batch)
        assert (batch.read, len(outcomes), sandbox.sold) == (1, 1, sandbox.received["submit"])


async def test_on_update_may_stop_the_batch() -> None:
    """`stop` in `on_update`: the task that it was told of is yielded, and no other is bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:

        def on_update(_: Task) -> None:
            batch.stop()

        batch = vidgo.generate_many(endless(), max_in_flight=1, on_update=on_update)
        assert bought(await outcomes_of(batch)) == set(sandbox.tasks)
        assert sandbox.sold == 1


async def test_closing_after_a_stop_loses_nothing() -> None:
    """A session closed while the rest is awaited: what was bought is in `unclaimed`."""
    async with Sandbox(seconds=(600, 600)) as sandbox:
        async with open_session(sandbox) as vidgo:
            batch = vidgo.generate_many(foxes(3))
            with anyio.move_on_after(20):
                async for _ in batch:
                    pass
            batch.stop()
        assert {each.task_id for each in vidgo.unclaimed} == set(sandbox.tasks)


async def test_an_unknown_outcome_stays_unknown() -> None:
    """A POST whose answer is lost after `stop` is yielded as unknown, not as unsent."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, request_timeout=5.0) as vidgo,
    ):
        sandbox.inject(hang_after, "submit")
        batch = vidgo.generate_many([FOX])
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(2)
        batch.stop()
        [outcome] = await reading
        assert type(outcome.error).__name__ == "SubmissionUnknownError"


async def test_a_journal_sends_the_rest_in_the_next_run(tmp_path: Path) -> None:
    """What `stop` left unsent stays planned; the same batch again buys exactly that."""
    async with (
        Sandbox(seconds=(5, 5)) as sandbox,
        open_session(sandbox, max_submits_per_second=0.1) as vidgo,
    ):
        path = tmp_path / "foxes.vidgo"
        batch = vidgo.generate_many(foxes(20), max_in_flight=6, journal=path)
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(25)
        batch.stop()
        first = await reading
        assert 0 < sandbox.sold < 20
        assert len(bought(first)) == sandbox.sold
        async with Journal(path) as journal:
            assert await journal.count_new(foxes(20)) == 20 - sandbox.sold
        again = await outcomes_of(vidgo.generate_many(foxes(20), journal=path))
        assert len(bought(again)) == sandbox.sold == 20


# --- Retries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("has_journal", [False, True])
async def test_failed_tasks_are_bought_anew(tmp_path: Path, has_journal: bool) -> None:
    """With `retries=2` a request that failed twice ends well: one outcome, three tasks."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(failed_at_once(), "submit", times=2)
        journal = tmp_path / "foxes.vidgo" if has_journal else None
        batch = vidgo.generate_many([FOX], retries=2, journal=journal)
        [outcome] = await outcomes_of(batch)
        assert outcome.error is None
        assert (sandbox.sold, batch.submitted) == (3, 3)
        if journal is not None:
            [again] = await outcomes_of(vidgo.generate_many([FOX], retries=2, journal=journal))
            assert again.task == outcome.task
            assert sandbox.sold == 3


async def test_after_the_last_retry_the_failure_is_the_outcome(tmp_path: Path) -> None:
    """With `retries=1` a request that fails twice is a failure, with its last task."""
    async with Sandbox(failure_rate=1.0) as sandbox, open_session(sandbox) as vidgo:
        [outcome] = await outcomes_of(vidgo.generate_many([FOX], retries=1))
        assert outcome.task is not None
        assert list(sandbox.tasks)[1:] == [outcome.task.task_id]


async def test_a_stopped_batch_retries_nothing() -> None:
    """What fails after `stop` is not bought anew."""
    async with (
        Sandbox(failure_rate=1.0, seconds=(60, 60)) as sandbox,
        open_session(sandbox) as vidgo,
    ):
        batch = vidgo.generate_many([FOX], retries=3)
        reading = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(10)
        batch.stop()
        [outcome] = await reading
        assert type(outcome.error).__name__ == "TaskFailedError"
        assert sandbox.sold == 1


@pytest.mark.parametrize("retries", [-1, 1.5, True])
async def test_wrong_retries_are_refused(retries: int) -> None:
    """`retries` is a whole number of at least 0."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises((TypeError, ValueError), match="retries must be"):
            vidgo.generate_many([FOX], retries=retries)


# --- At odd moments --------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(40))
async def test_stop_at_any_turn_of_the_loop(turns: int) -> None:
    """Also in the turn in which a submit was just begun, every request that was read has an outcome."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(4), max_in_flight=4)
        reading = asyncio.create_task(outcomes_of(batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        batch.stop()
        with anyio.fail_after(600):
            outcomes = await reading
        assert len(outcomes) == batch.read
        assert bought(outcomes) == set(sandbox.tasks)


async def test_the_requests_are_not_read_after_the_end() -> None:
    """A generator that stopped its batch and waits is closed with it: it loses no item."""
    closed = asyncio.Event()
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:

        async def requests() -> AsyncIterator[GrokImagine]:
            try:
                yield FOX
                batch.stop()
                await anyio.sleep_forever()
            finally:
                closed.set()

        batch = vidgo.generate_many(requests())
        assert len(await outcomes_of(batch)) <= 1
        assert closed.is_set()


async def test_nothing_of_a_stopped_upload_is_left_unawaited(tmp_path: Path) -> None:
    """What waits behind the stop is closed, without a warning of Python's."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        request = GrokImagine(prompt="fox", image_urls=[picture(tmp_path)])
        batch = vidgo.generate_many([request] * 5, max_in_flight=1)
        reading = asyncio.create_task(outcomes_of(batch))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        batch.stop()
        assert all(outcome.error for outcome in await reading)
        assert sandbox.sold == 0


@pytest.mark.parametrize("has_journal", [False, True])
async def test_a_retry_of_unknown_outcome_names_no_task(tmp_path: Path, has_journal: bool) -> None:
    """The task whose credits came back is not taken for what the second POST may have bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(failed_at_once(), "submit")
        sandbox.inject(reset_after, "submit")
        journal = tmp_path / "foxes.vidgo" if has_journal else None
        batch = vidgo.generate_many([FOX], retries=1, journal=journal, download_to=tmp_path / "f")
        [outcome] = await outcomes_of(batch)
        assert isinstance(outcome.error, SubmissionUnknownError)
        assert outcome.task is None
        assert batch.submitted == 1
    assert '"task_id": null' in (tmp_path / "f/outcomes.jsonl").read_text()


async def test_the_count_follows_an_open_journal(tmp_path: Path) -> None:
    """What a batch of the same open journal took, the next one buys: the count says so."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox) as vidgo,
        Journal(tmp_path / "foxes.vidgo") as journal,
    ):
        assert await journal.count_new(foxes(2)) == 2
        await outcomes_of(vidgo.generate_many(foxes(2), journal=journal))
        assert await journal.count_new(foxes(2)) == 2
        await outcomes_of(vidgo.generate_many(foxes(2), journal=journal))
        assert sandbox.sold == 4
    async with Journal(tmp_path / "foxes.vidgo") as journal:
        assert await journal.count_new(foxes(2)) == 0


async def test_to_stop_a_batch_ends_no_submit_of_another() -> None:
    """Two batches of a session wait to be sent; the one that is not stopped is sent."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_submits=1) as vidgo,
    ):
        sandbox.inject(slow(5))
        first = asyncio.create_task(vidgo.submit(FOX))  # takes the only slot
        await anyio.sleep(1)
        stopped, other = vidgo.generate_many(foxes(3)), vidgo.generate_many(foxes(3))
        reading = asyncio.gather(outcomes_of(other), outcomes_of(stopped))
        await anyio.sleep(1)
        stopped.stop()
        sent, unsent = await reading
        await first
        assert all(outcome.ok for outcome in sent)
        assert not any(outcome.ok for outcome in unsent)
        assert sandbox.sold == 4
