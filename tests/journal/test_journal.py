"""Batches with a journal: the same lines again buy only what is missing."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.from_thread import start_blocking_portal

from tests.support.sessions import FOX, foxes, open_session
from tests.support.uploads import picture
from vidgo_async import (
    DownloadError,
    Entry,
    EntryState,
    GrokImagine,
    InsufficientCreditsError,
    InvalidRequestError,
    Journal,
    JournalError,
    Outcome,
    Request,
    SubmissionUnknownError,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    VidgoError,
    VidgoSession,
)
from vidgo_async.journal.store import Store
from vidgo_async.sandbox import Sandbox, answer, hang_after, refusal, reset_after, slow

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the file of a journal."""
    return tmp_path / "foxes.vidgo"


async def run(
    sandbox: Sandbox, requests: Iterable[Request], path: Path | Journal, **options: Any
) -> dict[int, Outcome]:
    """Run a batch in a session of its own; return its outcomes by index."""
    async with open_session(sandbox) as vidgo:
        stream = vidgo.generate_many(requests, journal=path, **options)
        return {outcome.index: outcome async for outcome in stream}


async def states(path: Path) -> list[str]:
    async with Journal(path) as journal:
        return [entry.state for entry in await journal.entries()]


def task_ids(outcomes: dict[int, Outcome]) -> dict[str, str]:
    return {
        outcome.request.input["prompt"]: outcome.task.task_id
        for outcome in outcomes.values()
        if outcome.task is not None
    }


# --- The same again -------------------------------------------------------------------------


async def test_a_second_run_buys_nothing(path: Path, tmp_path: Path) -> None:
    """It yields the same, without a single request."""
    async with Sandbox() as sandbox:
        first = await run(sandbox, foxes(20), path, download_to=tmp_path / "videos")
        received = sandbox.received.copy()
        second = await run(sandbox, foxes(20), path, download_to=tmp_path / "videos")

        assert second == first
        assert all(outcome.ok and outcome.paths for outcome in second.values())
        assert sandbox.received == received
    assert await states(path) == ["saved"] * 20


async def test_equal_requests_are_as_many_purchases(path: Path) -> None:
    """A hundred equal prompts are a hundred purchases, and stay so."""
    async with Sandbox() as sandbox:
        first = await run(sandbox, [FOX] * 30, path)
        second = await run(sandbox, [FOX] * 31, path)
        ids = {outcome.task.task_id for outcome in second.values() if outcome.task}
        assert (sandbox.sold, len(ids)) == (31, 31)
        assert {o.task.task_id for o in first.values() if o.task} < ids


async def test_order_and_additions_do_not_matter(path: Path) -> None:
    """Sorting, inserting and dropping requests buys only what is new."""
    async with Sandbox() as sandbox:
        first = await run(sandbox, foxes(5), path)
        changed = [foxes(7)[number] for number in (6, 3, 0, 2)]
        second = await run(sandbox, changed, path)

        assert sandbox.sold == 6
        known = task_ids(first)
        for prompt in ("fox 0", "fox 2", "fox 3"):
            assert task_ids(second)[prompt] == known[prompt]
    assert len(await states(path)) == 6


async def test_an_open_journal_is_one_run(path: Path) -> None:
    """Requests of two batches on one open journal are different ones, of the next they are not."""
    async with Sandbox() as sandbox:
        async with Journal(path) as journal:
            await run(sandbox, foxes(2), journal)
            await run(sandbox, foxes(2), journal)
        assert sandbox.sold == 4
        async with Journal(path) as journal:
            await run(sandbox, foxes(2) * 2, journal)
        assert sandbox.sold == 4


async def test_generate(path: Path, tmp_path: Path) -> None:
    """`generate` in a loop over an open journal goes on in the next run."""
    async with Sandbox() as sandbox:
        tasks = list[Task]()
        for _ in range(2):
            async with Journal(path) as journal, open_session(sandbox) as vidgo:
                tasks = [
                    await vidgo.generate(fox, journal=journal, download_to=tmp_path / "videos")
                    for fox in foxes(3)
                ]
        assert sandbox.sold == 3
        assert sandbox.received["file"] == 3
        assert len({task.task_id for task in tasks}) == 3
    assert await states(path) == ["saved"] * 3


async def test_generate_takes_no_path(path: Path) -> None:
    """A path would be a run for each call, of which none could be told from the last."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TypeError, match="open Journal"):
            await vidgo.generate(FOX, journal=path)  # type: ignore[arg-type]
        with pytest.raises(JournalError, match="not open"):
            await vidgo.generate(FOX, journal=Journal(path))
        assert sandbox.received == {}


async def test_resume(path: Path, tmp_path: Path) -> None:
    """All that is in a journal goes on, in the order of its entries, without the requests."""
    async with Sandbox(seconds=(5, 9)) as sandbox:
        async with (
            open_session(sandbox) as vidgo,
            vidgo.generate_many(foxes(40), journal=path) as batch,
        ):
            await anext(batch)
        async with open_session(sandbox) as vidgo:
            stream = vidgo.resume(path, max_in_flight=8, download_to=tmp_path / "videos")
            outcomes = {outcome.index: outcome async for outcome in stream}

        prompts = [outcomes[index].request.input["prompt"] for index in sorted(outcomes)]
        assert prompts == [f"fox {number}" for number in range(len(prompts))]
        assert all(outcome.ok and outcome.paths for outcome in outcomes.values())
        assert sandbox.sold == len(outcomes)


async def test_a_timeout_begins_anew(path: Path) -> None:
    """A task that was too slow for one run is waited for in the next, with its true age."""
    async with Sandbox(seconds=(50, 50)) as sandbox:
        first = await run(sandbox, [FOX], path, timeout=20)
        assert isinstance(first[0].error, TaskTimeoutError)
        second = await run(sandbox, [FOX], path, timeout=40)
        assert second[0].ok
        assert sandbox.sold == 1
        assert second[0].task is not None
        assert second[0].task.submitted_at is not None


async def test_a_batch_that_was_left(path: Path) -> None:
    """After a `break` the journal is closed soon, and the next run has all that was bought."""
    async with Sandbox(seconds=(5, 9)) as sandbox, open_session(sandbox) as vidgo:
        async for _ in vidgo.generate_many(foxes(10), journal=path):
            break
        await anyio.sleep(1)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(10), journal=path)]
        assert sandbox.sold == len(outcomes) == 10


async def test_a_session_that_closes(path: Path) -> None:
    """What was in flight is written down before the journal is closed."""
    async with Sandbox(seconds=(5, 9)) as sandbox:
        sandbox.inject(slow(2), times=None)
        vidgo = open_session(sandbox)
        await vidgo.__aenter__()
        batch = vidgo.generate_many(foxes(5), journal=path)
        waiting = asyncio.create_task(anext(aiter(batch)))
        await anyio.sleep(1)
        await vidgo.aclose()
        with pytest.raises(VidgoError):
            await waiting
        assert sandbox.sold == 5
        outcomes = await run(sandbox, foxes(5), path)
        assert sandbox.sold == 5
        assert all(outcome.ok for outcome in outcomes.values())


# --- Failures -------------------------------------------------------------------------------


async def test_failed_tasks_are_tried_again(path: Path) -> None:
    """Their credits came back: the next run buys anew, unless it is told not to."""
    async with Sandbox(failure_rate=1.0) as sandbox:
        first = await run(sandbox, [FOX], path)
        assert isinstance(first[0].error, TaskFailedError)
        again = await run(sandbox, [FOX], path, retry_failed=False)
        assert isinstance(again[0].error, TaskFailedError)
        assert str(again[0].error) == str(first[0].error)
        assert sandbox.sold == 1
        await run(sandbox, [FOX], path)
        assert sandbox.sold == 2


async def test_refused_requests_are_sent_again(path: Path) -> None:
    """A certain refusal leaves an entry planned, with its error."""
    async with Sandbox() as sandbox:
        sandbox.inject(refusal(400, message="too dark"))
        first = await run(sandbox, [FOX], path)
        assert isinstance(first[0].error, InvalidRequestError)
        async with Journal(path) as journal:
            (entry,) = await journal.entries()
        assert (entry.state, entry.task) == ("planned", None)
        assert isinstance(entry.error, InvalidRequestError)
        assert "too dark" in str(entry.error)
        assert (await run(sandbox, [FOX], path))[0].ok
        assert sandbox.sold == 1


async def test_unknown_outcomes_wait_for_a_word(path: Path) -> None:
    """They are yielded in each run, and never sent, until `adopt` or `forget`."""
    async with Sandbox() as sandbox:
        sandbox.inject(reset_after, times=2)
        requests = foxes(2)
        for _ in range(3):
            outcomes = await run(sandbox, requests, path)
            assert all(isinstance(o.error, SubmissionUnknownError) for o in outcomes.values())
        assert sandbox.sold == 2

        async with Journal(path) as journal:
            one, two = await journal.entries("unknown")
            assert isinstance(one.error, SubmissionUnknownError)
            task_id = next(
                task.task_id
                for task in sandbox.tasks.values()
                if task.input["prompt"] == one.request.input["prompt"]
            )
            await journal.adopt(one, task_id)
            await journal.forget(two)
            with pytest.raises(JournalError, match="not unknown"):
                await journal.adopt(two, "x")
            with pytest.raises(JournalError, match="not unknown"):
                await journal.forget(two)
            with pytest.raises(ValueError, match="empty"):
                await journal.adopt(one, " ")
            await journal.adopt(one, "a wrong one")  # which can be corrected
            await journal.adopt(one, f" {task_id} \n")
        outcomes = await run(sandbox, requests, path)
        assert all(outcome.ok for outcome in outcomes.values())
        assert sandbox.sold == 3
        async with Journal(path) as journal:
            with pytest.raises(JournalError, match="not unknown"):
                await journal.adopt(one, "too late")
        async with Journal(path.with_name("other.vidgo")) as other:
            row = await other.ledger.claim(FOX)
            await row.sending()
            await row.unknown(SubmissionUnknownError("a task may exist", FOX))
            with pytest.raises(JournalError, match="not in the journal"):
                await other.adopt(one, task_id)


async def test_after_a_402_nothing_more_is_sent(path: Path) -> None:
    """The rest stays planned, and is sent once there are credits."""
    async with Sandbox(credits=3, price=1.5) as sandbox:
        first = await run(sandbox, foxes(5), path)
        assert sum(o.ok for o in first.values()) == 2
        assert {type(o.error) for o in first.values() if o.error} == {InsufficientCreditsError}
        sandbox._account.credits = 100
        second = await run(sandbox, foxes(5), path)
        assert all(outcome.ok for outcome in second.values())
        assert sandbox.sold == 5


async def test_a_file_that_was_deleted_is_fetched_again(path: Path, tmp_path: Path) -> None:
    """It is never bought again; one that is there under its final name counts."""
    videos = tmp_path / "videos"
    async with Sandbox() as sandbox:
        first = await run(sandbox, foxes(2), path, download_to=videos)
        first[0].paths[0].unlink()
        second = await run(sandbox, foxes(2), path, download_to=videos)
        assert (sandbox.sold, sandbox.received["file"]) == (2, 3)
        assert second[0].paths[0].exists()
        await run(sandbox, foxes(2), path)
        assert sandbox.received["file"] == 3


async def test_a_download_that_fails_is_made_in_the_next_run(path: Path, tmp_path: Path) -> None:
    """The task is bought and ended; only its file is missing."""
    async with Sandbox() as sandbox:
        sandbox.inject(answer(404), call="file", times=None)
        first = await run(sandbox, [FOX], path, download_to=tmp_path / "videos")
        assert isinstance(first[0].error, DownloadError)
        assert await states(path) == ["ended"]
        sandbox._faults.all.clear()
        second = await run(sandbox, [FOX], path, download_to=tmp_path / "videos")
        assert second[0].paths
        assert sandbox.sold == 1


async def test_a_loop_that_is_stopped(path: Path) -> None:
    """A process that slept between its write and its POST sends it then: the row is still its own."""
    async with Sandbox() as sandbox:
        async with Journal(path) as journal, open_session(sandbox) as vidgo:
            real = journal.ledger.write

            async def slow_write(work: Any) -> Any:
                result = await real(work)
                await anyio.sleep(20)
                return result

            journal.ledger.write = slow_write  # type: ignore[method-assign]
            assert (await vidgo.generate(FOX, journal=journal)).finished
        assert sandbox.sold == 1


async def test_journal_and_videos_can_be_moved(path: Path, tmp_path: Path) -> None:
    """Paths under the journal's folder are known by their way from it."""
    async with Sandbox() as sandbox:
        await run(sandbox, [FOX], path, download_to=tmp_path / "videos")
        moved = tmp_path.with_name("moved")
        os.rename(tmp_path, moved)  # noqa: PTH104
        outcomes = await run(sandbox, [FOX], moved / "foxes.vidgo")
        assert outcomes[0].paths[0].is_relative_to(moved)
        assert (sandbox.sold, sandbox.received["file"]) == (1, 1)


async def test_a_missing_picture_costs_no_sibling(path: Path, tmp_path: Path) -> None:
    """It is its request's outcome, and not in the journal."""
    async with Sandbox() as sandbox:
        requests = [FOX, GrokImagine("a", image_urls=[tmp_path / "missing.png"])]
        outcomes = await run(sandbox, requests, path)
        assert outcomes[0].ok
        assert "missing.png" in str(outcomes[1].error)
    assert len(await states(path)) == 1


# --- What is refused ------------------------------------------------------------------------


async def test_another_server_or_account(path: Path) -> None:
    """A journal is for one of each; a key that was changed has to be said."""
    async with Sandbox() as one, Sandbox(api_key="another-key") as two:
        await run(one, [FOX], path)
        with pytest.raises(JournalError, match="made for the server"):
            await run(two, [FOX], path)
        async with VidgoSession("changed", base_url=one.url) as vidgo:
            with pytest.raises(JournalError, match="new_key=True"):
                await anext(aiter(vidgo.generate_many([FOX], journal=path)))
            async with Journal(path, new_key=True) as journal:
                assert (await anext(aiter(vidgo.generate_many([FOX], journal=journal)))).ok
            assert (await anext(aiter(vidgo.generate_many([FOX], journal=path)))).ok
        assert (one.sold, two.received) == (1, {})
    assert b"sandbox-key" not in await anyio.Path(path).read_bytes()


async def test_two_batches_at_once(path: Path) -> None:
    """Each would take the other's requests for its own."""
    async with Sandbox(seconds=(5, 5)) as sandbox, open_session(sandbox) as vidgo:
        async with Journal(path) as journal, anyio.create_task_group() as group:
            stream = vidgo.generate_many([FOX], journal=journal)
            group.start_soon(anext, aiter(stream))
            await anyio.sleep(1)
            with pytest.raises(JournalError, match="under way"):
                await anext(aiter(vidgo.generate_many([FOX], journal=journal)))
        with pytest.raises(JournalError, match="not open"):
            await anext(aiter(vidgo.generate_many([FOX], journal=journal)))
        assert sandbox.sold == 1


@pytest.mark.parametrize("journal", [5, b"x", ["a"]])
async def test_what_is_no_journal(journal: Any) -> None:
    """A wrong argument is refused at once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TypeError, match="journal"):
            vidgo.generate_many([FOX], journal=journal)
        with pytest.raises(TypeError, match="journal"):
            vidgo.resume(journal)


async def test_an_unknown_state(path: Path) -> None:
    """`entries` names the state it does not know."""
    async with Journal(path) as journal:
        with pytest.raises(ValueError, match="lost"):
            await journal.entries("lost")
        assert await journal.entries(EntryState.PLANNED) == []


async def test_a_row_that_somebody_else_changed(path: Path) -> None:
    """What is not planned any more is not sent: a compare-and-set."""
    async with Journal(path) as journal:
        row = await journal.ledger.claim(FOX)
        row.id = 99
        with pytest.raises(JournalError, match="not planned any more"):
            await row.sending()


# --- A disk that fails ----------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Let each write of a state fail, as on a full disk."""
    real = Store.run

    async def run(self: Store, work: Any) -> Any:
        values = getattr(work, "__closure__", None) or ()
        if any(
            isinstance(c.cell_contents, dict) and c.cell_contents.get("state") == state
            for c in values
        ):
            msg = "cannot use the journal: the disk is full"
            raise JournalError(msg)
        return await real(self, work)

    monkeypatch.setattr(Store, "run", run)


async def test_nothing_is_sent_that_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If `sending` cannot be written nothing is bought, and the rest is not tried."""
    failing(monkeypatch, "sending")
    async with Sandbox() as sandbox:
        outcomes = await run(sandbox, foxes(30), path, max_in_flight=2)
        assert {type(outcome.error) for outcome in outcomes.values()} == {JournalError}
        assert sandbox.received["submit"] == 0


@pytest.mark.parametrize("state", ["bought", "ended", "saved"])
async def test_what_was_bought_is_given_all_the_same(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    state: str,
) -> None:
    """A write that fails later costs no video; it is logged, a purchase with its id."""
    failing(monkeypatch, state)
    caplog.set_level(logging.ERROR)
    async with Sandbox() as sandbox:
        outcomes = await run(sandbox, [FOX], path, download_to=tmp_path / "videos")
        assert outcomes[0].ok
        assert "disk is full" in caplog.text
        if state == "bought":
            assert next(iter(sandbox.tasks)) in caplog.text
    monkeypatch.undo()
    assert (await states(path)) == [{"bought": "saved", "ended": "saved"}.get(state, "ended")]


# --- Cancellation ---------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.01, 1.0])
async def test_a_generate_that_is_cancelled(path: Path, seconds: float) -> None:
    """Cancelled at any moment: the row says what happened, and the next run goes on."""
    async with Sandbox(seconds=(5, 5)) as sandbox:
        sandbox.inject(slow(2))
        async with Journal(path) as journal, open_session(sandbox) as vidgo:
            with anyio.move_on_after(seconds):
                await vidgo.generate(FOX, journal=journal)
        assert (await states(path)) in ([], ["planned"], ["bought"])
        async with Journal(path) as journal, open_session(sandbox) as vidgo:
            await vidgo.generate(FOX, journal=journal)
        assert sandbox.sold == 1


async def test_a_deadline_before_the_answer(path: Path) -> None:
    """What a submit buys after its caller left is in the journal."""
    async with Sandbox(seconds=(5, 5)) as sandbox:
        sandbox.inject(slow(5))
        async with Journal(path) as journal, open_session(sandbox) as vidgo:
            with pytest.raises(TaskTimeoutError):
                await vidgo.generate(FOX, journal=journal, timeout=2)
        async with Journal(path) as journal, open_session(sandbox) as vidgo:
            assert (await vidgo.generate(FOX, journal=journal)).finished
        assert sandbox.sold == 1


async def test_an_answer_that_a_closing_session_never_saw(path: Path) -> None:
    """The row is `unknown`, with when it was sent."""
    async with Sandbox() as sandbox:
        sandbox.inject(hang_after)
        async with Journal(path) as journal:
            vidgo = open_session(sandbox)
            await vidgo.__aenter__()
            wait = asyncio.create_task(vidgo.generate(FOX, journal=journal))
            await anyio.sleep(1)
            await vidgo.aclose()
            with pytest.raises(SubmissionUnknownError):
                await wait
        entry: Entry
        async with Journal(path) as journal:
            (entry,) = await journal.entries()
        assert entry.state == "unknown"
        assert isinstance(entry.error, SubmissionUnknownError)
        assert entry.error.sent_at is not None


async def test_a_429_is_written_down(path: Path) -> None:
    """Each attempt is: whoever dies in a pause has nothing in flight."""
    async with Sandbox() as sandbox:
        sandbox.inject(answer(429), times=2)
        async with open_session(sandbox) as vidgo, anyio.create_task_group() as group:
            stream = vidgo.generate_many([FOX], journal=path)
            group.start_soon(anext, aiter(stream))
            await anyio.sleep(0.5)
            copy = path.with_name("copy.vidgo")
            for end in ("", "-wal"):
                copy.with_name(copy.name + end).write_bytes(
                    path.with_name(path.name + end).read_bytes()
                )
            assert await states(copy) == ["planned"]
        assert sandbox.sold == 1


async def test_one_journal_and_two_servers(path: Path) -> None:
    """An open journal is for one server too, whichever session came first."""
    async with Sandbox() as one, Sandbox(seed=1) as two, Journal(path) as journal:
        await run(one, [FOX], journal)
        with pytest.raises(JournalError, match="made for the server"):
            await run(two, [FOX], journal)
        async with open_session(two) as vidgo:
            with pytest.raises(JournalError, match="made for the server"):
                await vidgo.generate(FOX, journal=journal)
        assert two.received == {}


async def test_closing_a_journal_while_a_post_is_open(path: Path) -> None:
    """It is closed when the answer was written down; who is cancelled does not wait for that."""
    async with Sandbox(seconds=(5, 5)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(5))
        with anyio.move_on_after(2):
            async with Journal(path) as journal:
                await vidgo.generate(FOX, journal=journal)
        assert anyio.current_time() < 3
        with pytest.raises(JournalError, match="in use"):
            await states(path)
        await anyio.sleep(10)
        assert await states(path) == ["bought"]
        await asyncio.gather(journal.aclose(), journal.aclose())


async def test_two_who_close_a_journal(path: Path) -> None:
    """Both wait until it is closed; what comes after that is refused."""
    journal = await Journal(path).__aenter__()
    ledger = journal.ledger
    writes = [asyncio.create_task(ledger.claim(fox)) for fox in foxes(50)]
    await anyio.lowlevel.checkpoint()
    await asyncio.gather(journal.aclose(), journal.aclose())
    with pytest.raises(JournalError, match="closed"):
        await ledger.claim(FOX)
    assert len(await states(path)) == len(await asyncio.gather(*writes)) == 50


async def test_an_id_that_is_no_text(path: Path) -> None:
    """An id with half a character, as from a shell or a strange server, is kept as it is."""
    async with Sandbox() as sandbox:
        sandbox.inject(reset_after)
        await run(sandbox, [FOX], path)
    async with Journal(path) as journal:
        (entry,) = await journal.entries()
        await journal.adopt(entry, "task-\udcff")
        (entry,) = await journal.entries()
        assert entry.task is not None
        assert entry.task.task_id == "task-\udcff"


async def test_links_lead_to_one_journal(path: Path) -> None:
    """A journal that is open under one name is in use under every other."""
    link = path.with_name("link.vidgo")
    async with Journal(path):
        os.symlink(path, link)  # noqa: PTH211
        with pytest.raises(JournalError, match="in use"):
            await states(link)


async def test_what_is_opened_and_cancelled(path: Path) -> None:
    """Whoever is cancelled while a journal opens leaves it closed."""
    for steps in range(12):
        opening = asyncio.create_task(Journal(path).__aenter__())
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await opening).aclose()
        assert await states(path) == []


def test_all_tasks_are_cancelled_at_once(path: Path) -> None:
    """A program whose `main` returns in the middle of a batch ends, and loses nothing."""

    async def main(sandbox: Sandbox) -> None:
        batch = asyncio.create_task(run(sandbox, foxes(200), path, max_in_flight=100))
        await asyncio.sleep(0.2)
        assert not batch.done()

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(seconds=(0.2, 0.3))) as sandbox,
    ):
        asyncio.run(main(sandbox))
        found = asyncio.run(states(path))
        assert set(found) <= {"planned", "unknown", "bought", "ended"}
        assert len([state for state in found if state != "planned"]) >= sandbox.sold


async def test_a_journal_that_was_deleted(path: Path) -> None:
    """Nothing more is sent once the file is gone, or another took its place."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with Journal(path) as journal:
            await vidgo.generate(FOX, journal=journal)
            await anyio.Path(path).unlink()
            with pytest.raises(JournalError, match="deleted or replaced"):
                await vidgo.generate(FOX, journal=journal)
        assert sandbox.sold == 1


async def test_another_working_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture named by a relative path is found again, and a folder that is gone is no matter."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    picture(folders[1], "fox.png")
    monkeypatch.chdir(folders[0])
    async with Sandbox() as sandbox:
        async with Journal(path) as journal, open_session(sandbox) as vidgo:
            monkeypatch.chdir(folders[1])
            fox = GrokImagine("a", image_urls=[Path("fox.png")])
            await vidgo.generate(fox, journal=journal)
            (entry,) = await journal.entries()
        assert entry.request.input["image_urls"] == [folders[1] / "fox.png"]
        monkeypatch.chdir(folders[0])
        folders[0].rmdir()
        assert await states(path) == ["ended"]
        monkeypatch.chdir(tmp_path)


async def test_what_is_bought_late_is_written_down(path: Path) -> None:
    """A purchase that is told of without its own POST, as after a hand-over, is kept all the same."""
    async with Journal(path) as journal:
        row = await journal.record(FOX, "http://127.0.0.1:1", "key")
        await row.bought(Task("late", "running"))
    async with Journal(path) as journal:
        [entry] = await journal.entries()
    assert (entry.state, entry.task and entry.task.task_id) == ("bought", "late")
