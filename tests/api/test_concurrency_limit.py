"""How many tasks run, and how many may."""

import math

import pytest

from vidgo_async._api.concurrency_limit import ENDS_PER_TRIAL, MAX_AGE, TRIAL_WAIT, ConcurrencyLimit
from vidgo_async._api.limit import Limit
from vidgo_async._core.errors import RateLimitError


def limit_of(running: int, *, limit: int | None = None) -> ConcurrencyLimit:
    """Make one with so many tasks that were bought at second 0."""
    made = ConcurrencyLimit()
    for number in range(running):
        made.bought(str(number), 0.0)
    made.limit = limit
    return made


def test_tasks_run_until_they_are_seen_to_end() -> None:
    """An end counts once, and only of a task that was bought here."""
    tasks = limit_of(3)
    for task_id in ("0", "0", "foreign"):
        tasks.ended(task_id, 1.0)
    assert tasks.running(1.0) == 2


def test_a_task_whose_end_is_not_seen_runs_for_a_quarter_of_an_hour() -> None:
    """So that a limit is not waited for that is no limit any more."""
    tasks = limit_of(2)
    tasks.bought("late", 100.0)
    assert tasks.running(MAX_AGE - 1) == 3
    assert tasks.moves_until(MAX_AGE - 1) == 100.0 + MAX_AGE
    assert tasks.running(MAX_AGE) == 1
    assert tasks.running(MAX_AGE + 100.0) == 0
    assert tasks.moves_until(MAX_AGE + 500.0) == MAX_AGE + 100.0


def test_tasks_that_nobody_polls_are_forgotten() -> None:
    """A program that only buys, and is told of the ends by others, does not grow."""
    tasks = ConcurrencyLimit()
    for second in range(3 * int(MAX_AGE)):
        tasks.bought(str(second), float(second))
    assert len(tasks._running) == MAX_AGE


def test_the_limit_shows_when_a_submit_is_accepted_after_an_end() -> None:
    """It is the number that runs then."""
    tasks = limit_of(2)
    assert not tasks.may_probe()
    tasks.ended("0", 1.0)
    assert tasks.may_probe()
    tasks.bought("new", 2.0)
    tasks.probed(2.0, accepted=True)
    assert tasks.limit == 2
    assert not tasks.has_room(2.0, 0)


def test_probes_after_ends_become_rare_where_they_are_refused() -> None:
    """After each that was in vain twice as many ends are waited for."""
    tasks = limit_of(100)
    probes = 0
    for number in range(100):
        tasks.ended(str(number), 1.0)
        if tasks.may_probe():
            tasks.probed(1.0, accepted=False)
            probes += 1
    assert probes == 6
    assert tasks.limit is None


def test_without_a_limit_there_is_nothing_to_try() -> None:
    """What is not limited is not tried beyond its limit."""
    assert limit_of(3).trial_at(1.0, 0) == math.inf
    assert not limit_of(3).has_room(1.0, 0)


def test_an_end_makes_room() -> None:
    """For one more, be it in flight or running."""
    tasks = limit_of(2, limit=2)
    tasks.ended("0", 1.0)
    assert tasks.has_room(1.0, 0)
    assert not tasks.has_room(1.0, 1)


def test_a_raised_limit_is_found() -> None:
    """One more is tried after some ends; while trials are accepted ever more follow."""
    tasks = limit_of(20, limit=20)
    for number in range(ENDS_PER_TRIAL):
        assert tasks.trial_at(1.0, 0) > 1.0
        tasks.ended(str(number), 1.0)
        tasks.bought(f"next {number}", 1.0)
    assert tasks.trial_at(1.0, 0) == 1.0
    for number in range(5):
        tasks.bought(f"more {number}", 2.0)
        tasks.accepted(2.0, trial=True)
        assert tasks.limit == 21 + number
        assert tasks.trial_at(2.0, number) == 2.0
        assert tasks.trial_at(2.0, number + 1) == math.inf


def test_a_trial_that_is_refused_ends_them() -> None:
    """It does not disprove the limit."""
    tasks = limit_of(20, limit=20)
    tasks.accepted(1.0, trial=True)
    tasks.refused(2.0, trial=True)
    assert tasks.limit == 20
    assert tasks.trial_at(2.0, 0) > 2.0


def test_without_ends_trials_come_by_time() -> None:
    """Ends may go unseen: after 20 s one more is tried, and then ever more rarely."""
    tasks = limit_of(2, limit=2)
    now, tried = 0.0, list[float]()
    while len(tried) < 6:
        now = tasks.trial_at(now, 0)
        tried.append(now)
        tasks.refused(now, trial=True)
    assert tried == [TRIAL_WAIT, 30, 60, 120, 240, 360]


def refuse_until_disproved(tasks: ConcurrencyLimit) -> int:
    """Refuse what is sent after each end; return how many refusals it took."""
    refusals = 0
    while tasks.limit is not None:
        tasks.ended(str(refusals), 1.0)
        tasks.refused(1.0, trial=False)
        refusals += 1
    return refusals


@pytest.mark.parametrize(("limit", "refusals"), [(4, 3), (100, 21)])
def test_refusals_below_the_limit_disprove_it(limit: int, refusals: int) -> None:
    """More of them where more may run, since some come of ends that were not seen yet."""
    assert refuse_until_disproved(limit_of(limit, limit=limit)) == refusals


def test_an_acceptance_makes_up_for_refusals() -> None:
    """They disprove the limit only where nothing is accepted between them."""
    tasks = limit_of(4, limit=4)
    for _ in range(5):
        tasks.refused(1.0, trial=False)
        tasks.accepted(1.0, trial=False)
    assert tasks.limit == 4


def test_a_refusal_while_nothing_runs_disproves_it() -> None:
    """Then it is something else that is refused."""
    tasks = limit_of(0, limit=5)
    tasks.refused(1.0, trial=False)
    assert tasks.limit is None


def test_ends_before_the_refusals_allow_no_probe() -> None:
    """Only a task that ended since submits are refused can be why one is accepted again."""
    limit = Limit(lambda failures, wish: wish or float(failures > 0))
    for number in range(20):
        admission = limit.sent(0.0, 0)
        limit.concurrency.bought(str(number), 0.0)
        limit.accepted(admission, 0.0)
        limit.done(admission, 0.0, 0)
        limit.concurrency.ended(str(number), 10.0)
    now = 100.0
    for _ in range(2):
        now = max(now, limit.opens_at(now, 0))
        admission = limit.sent(now, 0)
        limit.refused(admission, now, RateLimitError("too fast", 429))
        limit.done(admission, now, 0)
    assert limit.opens_at(now, 0) > now
    limit.concurrency.bought("another", now)
    limit.concurrency.ended("another", now)
    assert limit.opens_at(now, 0) == now
