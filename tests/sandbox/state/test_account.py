"""Prove what the account sells, for how much, and how tasks end."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from vidgo_async.sandbox.state.account import Account
from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.submissions import Submission
from vidgo_async.sandbox.state.tasks import SoldTask

WALL = datetime(2025, 11, 12, 2, 30, tzinfo=UTC)


def make_account(**settings: Any) -> Account:
    defaults: dict[str, Any] = {
        "seed": 0,
        "seconds": (10.0, 20.0),
        "failure_rate": 0.0,
        "credits": 100.0,
        "price": 1.5,
    }
    return Account(**{**defaults, **settings})


def sell(account: Account, now: float = 0.0, **parameters: Any) -> SoldTask:
    return account.sell(Submission("m", parameters), now, WALL)


def times_and_failures(account: Account) -> list[tuple[float, str | None]]:
    return [(task.seconds, task.failure) for task in (sell(account) for _ in range(50))]


# --- How a task ends -------------------------------------------------------------------------


def test_record_holds_the_request() -> None:
    """A sold task holds its request and its time."""
    account = make_account()
    submission = Submission("m", {"prompt": "a fox"}, "https://app.example/hook")
    task = account.sell(submission, 5.0, WALL)
    assert (task.model, task.input, task.callback_url) == (
        submission.model,
        submission.input,
        submission.callback_url,
    )
    assert (task.sold_at, task.created_time) == (5.0, "2025-11-12T10:30:00")
    assert account.tasks == {task.task_id: task}


def test_id_looks_like_the_vendors() -> None:
    """An id has the vendor's form and is unique."""
    account = make_account()
    ids = [sell(account, price=0).task_id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"task-unified-1762914600-[a-z0-9]{8}", each) for each in ids)


def test_task_goes_through_its_states() -> None:
    """A task waits for a tenth of its time, runs, and finishes at its end."""
    task = sell(make_account(seconds=(100.0, 100.0)), now=1000.0)
    states = {at: (task.status(1000.0 + at), task.progress(1000.0 + at)) for at in range(102)}
    assert states[0] == states[9] == ("not_started", 0.0)
    assert states[10] == ("running", 10.0)
    assert states[50] == ("running", 50.0)
    assert states[99] == ("running", 99.0)
    assert states[100] == states[101] == ("finished", 100.0)
    assert task.progress(1099.9999) == 99.0


def test_task_may_take_no_time() -> None:
    """A task that takes no time has finished at once."""
    assert sell(make_account(seconds=(0.0, 0.0))).status(0.0) == "finished"


def test_failed_task_says_why() -> None:
    """A task that fails runs like others, and then has a message and no file."""
    task = sell(make_account(failure_rate=1.0))
    assert task.status(task.ends_at - 0.1) == "running"
    assert (task.status(task.ends_at), task.progress(task.ends_at)) == ("failed", None)
    assert task.failure
    assert not task.has_file(task.ends_at)


def test_task_that_is_to_fail_at_once() -> None:
    """A task can fail at its sale; it costs nothing then, and the next tasks are the same."""
    account, usual = make_account(), make_account()
    failed = account.sell(Submission("m", {}), 5.0, WALL, "no cats")
    usual_first = sell(usual)
    assert (failed.status(5.0), failed.failure, failed.ends_at) == ("failed", "no cats", 5.0)
    assert (failed.task_id, usual_first.failure) == (usual_first.task_id, None)
    assert account.credits_left(5.0) == 100.0
    assert times_and_failures(account) == times_and_failures(usual)


def test_file_exists_for_a_day() -> None:
    """A file exists from the end of its task to 24 hours later."""
    task = sell(make_account())
    day = 24 * 3600
    assert not task.has_file(task.ends_at - 0.1)
    assert task.has_file(task.ends_at)
    assert task.has_file(task.ends_at + day - 1)
    assert not task.has_file(task.ends_at + day)


def test_seed_decides_times_and_failures() -> None:
    """The same seed gives the same times and failures, and another seed others."""
    settings = {"failure_rate": 0.5, "price": 0.0}
    first = times_and_failures(make_account(seed=1, **settings))
    assert first == times_and_failures(make_account(seed=1, **settings))
    assert first != times_and_failures(make_account(seed=2, **settings))
    assert all(10 <= seconds <= 20 for seconds, _ in first)
    assert 10 < sum(failure is not None for _, failure in first) < 40


def test_failure_rate_leaves_times_alone() -> None:
    """The times do not depend on the failure rate."""
    none, all_failed = (
        times_and_failures(make_account(failure_rate=rate, price=0.0)) for rate in (0.0, 1.0)
    )
    assert [seconds for seconds, _ in none] == [seconds for seconds, _ in all_failed]


# --- The credits -----------------------------------------------------------------------------


def test_credits_run_out() -> None:
    """A sale costs its price, and one without enough credits is refused."""
    account = make_account(credits=3.5)
    assert account.credits_left(sell(account).sold_at) == 2.0
    assert account.credits_left(sell(account).sold_at) == 0.5
    with pytest.raises(RefusedError) as caught:
        sell(account)
    assert (caught.value.code, caught.value.kind) == (402, "insufficient_credits_error")
    assert (len(account.tasks), account.credits_left(0.0)) == (2, 0.5)


def test_fractions_add_up() -> None:
    """Ten times a tenth of the credits buys exactly ten tasks."""
    account = make_account(credits=1.0, price=0.1)
    assert len({sell(account).task_id for _ in range(10)}) == 10
    assert account.credits_left(0.0) == 0


def test_failure_gives_the_credits_back_once() -> None:
    """A failed task's credits come back at its end, and only once."""
    account = make_account(failure_rate=1.0, credits=3.0)
    first, second = sell(account), sell(account)
    early, late = sorted([first.ends_at, second.ends_at])
    assert account.credits_left(early - 0.001) == 0.0
    assert account.credits_left(early) == 1.5
    assert [account.credits_left(late), account.credits_left(late + 1)] == [3.0, 3.0]


def test_finished_task_keeps_its_credits() -> None:
    """The credits of a finished task do not come back."""
    account = make_account()
    assert account.credits_left(sell(account).ends_at) == 98.5


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("seconds", (2.0, 1.0)),
        ("seconds", (-1.0, 1.0)),
        ("seconds", (1.0, float("inf"))),
        ("failure_rate", -0.1),
        ("failure_rate", 1.1),
        ("failure_rate", float("nan")),
        ("credits", -1.0),
        ("credits", float("inf")),
        ("price", -1.0),
    ],
)
def test_bad_setting_is_refused(name: str, bad: Any) -> None:
    """A setting out of its range is refused by name."""
    with pytest.raises(ValueError, match=name):
        make_account(**{name: bad})
