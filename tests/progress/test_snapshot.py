"""What is counted of a batch: rate, time left, credits, the newest tasks."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.progress.fakes import CountedRequest, FakeBatch, failure, many, pending, success, task
from vidgo_async import Failure, TaskFailedError
from vidgo_async._generation.outcome import Pending
from vidgo_async.progress.snapshot import NEWEST, Credits, InFlight, Snapshot, Tally, take

EARLIER = datetime.now(UTC) - timedelta(days=1)


def ended(*times: float, cost: float | None = None) -> Tally:
    """Return a tally of tasks that ended at those times after its begin."""
    tally = Tally(0.0)
    for time in times:
        tally.add(success(credits=cost), time)
    return tally


# --- Counts ---------------------------------------------------------------------------------


def test_counts() -> None:
    """What is not read yet is queued, and what is read and has not ended is in flight."""
    taken = take(FakeBatch(36, 20, 1), Tally(0.0), 500, 0.0)
    assert (taken.ended, taken.in_flight, taken.queued) == (21, 15, 464)


def test_unknown_total() -> None:
    """Without a total there are neither a queue nor a time left."""
    taken = take(FakeBatch(36, 20, 1), ended(*range(1, 21)), None, 20.0)
    assert (taken.queued, taken.seconds_left) == (None, None)
    assert taken.per_minute is not None


def test_more_requests_than_said() -> None:
    """A total that is too small gives no negative queue."""
    assert take(FakeBatch(36, 20, 1), Tally(0.0), 10, 0.0).queued == 0


# --- Rate -----------------------------------------------------------------------------------


def test_rate_and_time_left() -> None:
    """20 ends in 80 s are 15 a minute, with which 60 more take 4 minutes."""
    tally = ended(*range(4, 84, 4))
    taken = take(FakeBatch(36, 20, 0), tally, 80, 80.0)
    assert (taken.per_minute, taken.seconds_left) == (15.0, 240.0)


def test_no_rate_before_the_first_wave_ended() -> None:
    """Of tasks that were started together the first says no rate; that many say one."""
    assert ended(80).per_minute(16, 80.0) is None
    assert ended(*range(80, 96)).per_minute(16, 95.0) == pytest.approx(10, abs=0.2)


def test_rate_does_not_sink_between_two_waves() -> None:
    """Until the next tasks are due, the rate stays; of a silence the rest counts."""
    tally = ended(80, 80, 80, 80)
    assert tally.per_minute(4, 80.0) == tally.per_minute(4, 160.0) == 3
    assert tally.per_minute(4, 240.0) == 1.5


def test_outcomes_of_an_earlier_run_make_no_rate() -> None:
    """Tasks that were submitted before, and what has no task, count as ended but not in the rate."""
    tally = Tally(0.0)
    for _ in range(100):
        tally.add(success(submitted_at=EARLIER), 0.1)
        tally.add(success(submitted_at=None), 0.1)
        tally.add(failure(), 0.1)
    assert tally.outcomes == 300
    assert tally.per_minute(0, 1.0) is None
    tally.add(success(), 60.0)
    assert tally.per_minute(1, 60.0) == 1


def test_failed_tasks_count_in_the_rate() -> None:
    """A task that failed took its time too."""
    tally = Tally(0.0)
    failed = task("failed")
    tally.add(Failure(0, pending().request, failed, TaskFailedError(failed)), 60.0)
    assert tally.per_minute(0, 60.0) == 1


def test_no_rate_in_no_time() -> None:
    """What ends at the very beginning gives no rate."""
    assert ended(0.0).per_minute(0, 0.0) is None


def test_seconds_of_a_task() -> None:
    """Only a task of this run is said to have taken so long."""
    tally = Tally(0.0)
    assert tally.seconds(task()) == pytest.approx(0, abs=5)
    assert tally.seconds(task(submitted_at=EARLIER)) is None
    assert tally.seconds(task(submitted_at=None)) is None


# --- Credits --------------------------------------------------------------------------------


def test_credits() -> None:
    """The costs of the finished tasks are added up."""
    assert ended(1, 2, cost=3.5).credits == Credits(7.0, is_complete=True)


def test_unknown_credits() -> None:
    """Where no task told its cost none is shown, and where one did not the sum is a least one."""
    tally = ended(1)
    assert tally.credits is None
    tally.add(success(credits=3.5), 2.0)
    assert tally.credits == Credits(3.5, is_complete=False)


# --- The newest tasks -----------------------------------------------------------------------


def test_newest_first() -> None:
    """The tasks that were started last come first."""
    newest = take(many(500), Tally(0.0), 500, 0.0).newest
    assert [each.prompt for each in newest] == [f"fox {499 - n}" for n in range(NEWEST)]


def test_a_snapshot_reads_only_what_it_shows() -> None:
    """With 500 in flight the inputs of six requests are read."""
    requests = [CountedRequest(f"fox {number}") for number in range(500)]
    batch = FakeBatch(500, 0, 0, [Pending(n, each, None) for n, each in enumerate(requests)])
    take(batch, Tally(0.0), 500, 0.0)
    assert sum(request.reads for request in requests) == NEWEST


def test_states() -> None:
    """A request without a task is being submitted; a task has the server's word and per cent."""
    flying = [
        Pending(0, pending().request, None),
        pending(progress=45.6),
        pending(status="not_started"),
        pending(status="new\x1b[2J", progress=900),
    ]
    assert take(FakeBatch(4, 0, 0, flying), Tally(0.0), 4, 0.0).newest[::-1] == (
        InFlight("submitting", None, "a fox in snow"),
        InFlight("running", 45, "a fox in snow"),
        InFlight("not_started", None, "a fox in snow"),
        InFlight("new\ufffd[2J", 100, "a fox in snow"),
    )


def test_equal_snapshots() -> None:
    """Of a batch in which nothing happened two snapshots are equal, so nothing is drawn."""
    batch, tally = many(20), ended(1, 2)
    first = take(batch, tally, 500, 3.0)
    assert isinstance(first, Snapshot)
    assert first == take(batch, tally, 500, 3.2)
