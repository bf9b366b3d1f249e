"""Prove what the sandbox sells, for how much, and how it ends."""

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


def fates(account: Account) -> list[tuple[float, str | None]]:
    return [(task.seconds, task.failure) for task in (sell(account) for _ in range(50))]


# --- How a task ends -------------------------------------------------------------------------


def test_record_holds_the_request() -> None:
    """A sold task remembers what was asked for and when."""
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
    """An id has the vendor's form and comes once."""
    account = make_account()
    ids = [sell(account, price=0).task_id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"task-unified-1762914600-[a-z0-9]{8}", each) for each in ids)


def test_task_goes_through_its_states() -> None:
    """A task waits for a tenth of its time, runs, and finishes at its end."""
    task = sell(make_account(seconds=(100.0, 100.0)), now=1000.0)
    seen = {at: (task.status(1000.0 + at), task.progress(1000.0 + at)) for at in range(102)}
    assert seen[0] == seen[9] == ("not_started", 0)
    assert seen[10] == ("running", 10)
    assert seen[50] == ("running", 50)
    assert seen[99] == ("running", 99)
    assert seen[100] == seen[101] == ("finished", 100)
    assert task.progress(1099.9999) == 99


def test_task_may_take_no_time() -> None:
    """A task of no duration is over at once."""
    assert sell(make_account(seconds=(0.0, 0.0))).status(0.0) == "finished"


def test_failed_task_says_why() -> None:
    """A task that fails runs like others and then has a message and no file."""
    task = sell(make_account(failure_rate=1.0))
    assert task.status(task.ends_at - 0.1) == "running"
    assert (task.status(task.ends_at), task.progress(task.ends_at)) == ("failed", None)
    assert task.failure
    assert not task.has_file(task.ends_at)


def test_link_lives_a_day() -> None:
    """A file is there from the end of its task to 24 hours later."""
    task = sell(make_account())
    day = 24 * 3600
    assert not task.has_file(task.ends_at - 0.1)
    assert task.has_file(task.ends_at)
    assert task.has_file(task.ends_at + day - 1)
    assert not task.has_file(task.ends_at + day)


def test_seed_decides_fates() -> None:
    """The same seed gives the same times and failures and another seed others."""
    settings = {"failure_rate": 0.5, "price": 0.0}
    first = fates(make_account(seed=1, **settings))
    assert first == fates(make_account(seed=1, **settings))
    assert first != fates(make_account(seed=2, **settings))
    assert all(10 <= seconds <= 20 for seconds, _ in first)
    assert 10 < sum(failure is not None for _, failure in first) < 40


def test_failure_rate_leaves_times_alone() -> None:
    """A sale draws the same time whatever the part of failures."""
    calm, stormy = (fates(make_account(failure_rate=rate, price=0.0)) for rate in (0.0, 1.0))
    assert [seconds for seconds, _ in calm] == [seconds for seconds, _ in stormy]


# --- The credits -----------------------------------------------------------------------------


def test_credits_run_out() -> None:
    """A sale costs its price, and what is too dear is refused and not sold."""
    account = make_account(credits=3.5)
    assert account.credits_left(sell(account).sold_at) == 2.0
    assert account.credits_left(sell(account).sold_at) == 0.5
    with pytest.raises(RefusedError) as caught:
        sell(account)
    assert (caught.value.code, caught.value.kind) == (402, "insufficient_credits_error")
    assert (len(account.tasks), account.credits_left(0.0)) == (2, 0.5)


def test_fractions_add_up() -> None:
    """Ten tenths buy ten tasks, to the last one."""
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
    """A task that ends well was paid for."""
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
