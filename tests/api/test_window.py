"""A limit of so many requests in so many seconds, as plain numbers."""

import math

import pytest

from vidgo_async._api.window import LENGTHS, MAX_TIMES, AcceptLog, Window, next_length


def window(number: int, length: float, *times: float) -> tuple[Window, AcceptLog]:
    """Make a window, and the log of what was accepted."""
    log = AcceptLog()
    for time in times:
        log.add(time)
    return Window(log, number, length), log


def keep(window: Window, log: AcceptLog, rounds: int) -> float:
    """Use the window up that many times; return when the last request was accepted."""
    now = 0.0
    for _ in range(rounds * window.number):
        now = max(now, window.opens_at(0))
        log.add(now)
        window.accepted(now, trial=False)
    return now


def test_it_opens_when_the_oldest_leaves() -> None:
    """Of three in ten seconds a fourth is due ten seconds after the first."""
    limit, _ = window(3, 10.0, 1.0, 2.0, 5.0)
    assert limit.opens_at(0) == 11.0
    assert limit.opens_at(1) == 12.0
    assert limit.opens_at(3) == math.inf


def test_it_is_open_before_it_was_used_up() -> None:
    """What is in flight counts as accepted."""
    limit, _ = window(3, 10.0, 1.0)
    assert limit.opens_at(1) == -math.inf
    assert limit.opens_at(2) == 11.0


def test_what_is_refused_after_its_length_makes_it_longer() -> None:
    """The next length is the next of those over which servers count."""
    limit, _ = window(2, 10.0, 0.0, 0.1)
    limit.refused(10.2, trial=False)
    assert limit.length == 15
    assert limit.opens_at(0) == 15.0


def test_what_is_refused_early_makes_the_number_smaller() -> None:
    """Only those were allowed that were accepted within its length."""
    limit, log = window(20, 10.0)
    for _ in range(12):
        log.add(1.0)
    limit.refused(1.5, trial=False)
    assert limit.number == 12
    for _ in range(2):
        log.add(11.0)
    limit.refused(11.5, trial=False)
    assert limit.number == 6  # at most halved


def test_a_trial_that_is_accepted_makes_it_shorter() -> None:
    """Each further one is tried at once, so that a lifted limit is soon forgotten."""
    limit, log = window(5, 10.0)
    now = keep(limit, log, 3)
    for _ in range(20):
        now = max(now, limit.trial_at())
        log.add(now)
        limit.accepted(now, trial=True)
        log.add(now)
        limit.accepted(now, trial=False)
    assert limit.length < 1


def test_trials_that_are_refused_stay_rare() -> None:
    """At most one in three windows is spent on a refusal."""
    limit, log = window(5, 10.0)
    keep(limit, log, 3)
    assert limit.trial_at() < limit.opens_at(0)
    limit.refused(limit.trial_at(), trial=True)
    assert limit.trial_at() == math.inf
    assert limit.length == 10.0
    keep(limit, log, 3)
    assert limit.trial_at() < limit.opens_at(0)


def test_trials_close_in_on_the_length_and_then_begin_anew() -> None:
    """Once it is known to a tenth, they look for a limit that was raised since."""
    limit, log = window(5, 10.0)
    tried = list[float]()
    for _ in range(12):
        keep(limit, log, 3)
        tried.append(limit.trial_at() - log.newest(5))
        limit.refused(limit.trial_at(), trial=True)
    assert tried[:3] == sorted(tried[:3])
    assert min(tried[3:]) == pytest.approx(5.0)


@pytest.mark.parametrize("number", [1, 20])
def test_it_is_proven_once_it_was_used_up(number: int) -> None:
    """Until then the first of each window goes as a probe."""
    limit, log = window(number, 10.0)
    proven = [limit.is_proven]
    keep(limit, log, 2)
    proven.append(limit.is_proven)
    limit.refused(1000.0, trial=False)
    proven.append(limit.is_proven)
    assert proven == [False, True, False]


def test_lengths_go_on_for_ever() -> None:
    """A limit of a day is asked for once an hour."""
    assert [next_length(length) for length in LENGTHS] == [*LENGTHS[1:], 7200]
    assert next_length(86_400.0) == 90_000


def test_the_log_forgets_what_is_old() -> None:
    """Memory is bounded, and what is counted stays right."""
    log = AcceptLog()
    for second in range(3 * MAX_TIMES):
        log.add(second)
    assert len(log) <= 2 * MAX_TIMES
    assert log.newest(1) == 3 * MAX_TIMES - 1
    assert log.count(3 * MAX_TIMES - 11) == 10
