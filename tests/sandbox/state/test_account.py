"""Prove what the sandbox sells, for how much, and how it ends."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from vidgo_async.sandbox.state.account import World
from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.submissions import Order
from vidgo_async.sandbox.state.tasks import SoldTask

WALL = datetime(2025, 11, 12, 2, 30, tzinfo=UTC)
ORDER = Order("some/model-1.0", {"prompt": "a fox"})


def make_world(**settings: Any) -> World:
    defaults: dict[str, Any] = {
        "seed": 0,
        "seconds": (10.0, 20.0),
        "failure_rate": 0.0,
        "credits": 100.0,
        "price": 1.5,
    }
    return World(**{**defaults, **settings})


def sell(world: World, now: float = 0.0, **wishes: Any) -> SoldTask:
    return world.sell(Order("m", wishes), now, WALL)


def fates(world: World) -> list[tuple[float, str | None]]:
    return [(task.seconds, task.failure) for task in (sell(world) for _ in range(50))]


# --- How a task ends -------------------------------------------------------------------------


def test_record_holds_the_request() -> None:
    """A sold task remembers what was asked for and when."""
    world = make_world()
    order = Order("m", {"prompt": "a fox"}, "https://app.example/hook")
    task = world.sell(order, 5.0, WALL)
    assert (task.model, task.input, task.callback_url) == (
        order.model,
        order.input,
        order.callback_url,
    )
    assert (task.sold_at, task.created_time) == (5.0, "2025-11-12T10:30:00")
    assert world.tasks == {task.task_id: task}


def test_id_looks_like_the_vendors() -> None:
    """An id has the vendor's form and comes once."""
    world = make_world()
    ids = [sell(world, price=0).task_id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(r"task-unified-1762914600-[a-z0-9]{8}", each) for each in ids)


def test_task_goes_through_its_states() -> None:
    """A task waits for a tenth of its time, runs, and finishes at its end."""
    task = sell(make_world(seconds=(100.0, 100.0)), now=1000.0)
    seen = {at: (task.status(1000.0 + at), task.progress(1000.0 + at)) for at in range(102)}
    assert seen[0] == seen[9] == ("not_started", 0)
    assert seen[10] == ("running", 10)
    assert seen[50] == ("running", 50)
    assert seen[99] == ("running", 99)
    assert seen[100] == seen[101] == ("finished", 100)
    assert task.progress(1099.9999) == 99


def test_task_may_take_no_time() -> None:
    """A task of no duration is over at once."""
    assert sell(make_world(seconds=(0.0, 0.0))).status(0.0) == "finished"


def test_failed_task_says_why() -> None:
    """A task that fails runs like others and then has a message and no file."""
    task = sell(make_world(failure_rate=1.0))
    assert task.status(task.ends_at - 0.1) == "running"
    assert (task.status(task.ends_at), task.progress(task.ends_at)) == ("failed", None)
    assert task.failure
    assert not task.has_file(task.ends_at)


def test_link_lives_a_day() -> None:
    """A file is there from the end of its task to 24 hours later."""
    task = sell(make_world())
    day = 24 * 3600
    assert not task.has_file(task.ends_at - 0.1)
    assert task.has_file(task.ends_at)
    assert task.has_file(task.ends_at + day - 1)
    assert not task.has_file(task.ends_at + day)


def test_seed_decides_fates() -> None:
    """The same seed gives the same times and failures and another seed others."""
    settings = {"failure_rate": 0.5, "price": 0.0}
    first = fates(make_world(seed=1, **settings))
    assert first == fates(make_world(seed=1, **settings))
    assert first != fates(make_world(seed=2, **settings))
    assert all(10 <= seconds <= 20 for seconds, _ in first)
    assert 10 < sum(failure is not None for _, failure in first) < 40


def test_failure_rate_leaves_times_alone() -> None:
    """A sale draws the same time whatever the part of failures."""
    calm, stormy = (fates(make_world(failure_rate=rate, price=0.0)) for rate in (0.0, 1.0))
    assert [seconds for seconds, _ in calm] == [seconds for seconds, _ in stormy]


# --- The credits -----------------------------------------------------------------------------


def test_credits_run_out() -> None:
    """A sale costs its price, and what is too dear is refused and not sold."""
    world = make_world(credits=3.5)
    assert world.credits_left(sell(world).sold_at) == 2.0
    assert world.credits_left(sell(world).sold_at) == 0.5
    with pytest.raises(RefusedError) as caught:
        sell(world)
    assert (caught.value.code, caught.value.kind) == (402, "insufficient_credits_error")
    assert (len(world.tasks), world.credits_left(0.0)) == (2, 0.5)


def test_fractions_add_up() -> None:
    """Ten tenths buy ten tasks, to the last one."""
    world = make_world(credits=1.0, price=0.1)
    assert len({sell(world).task_id for _ in range(10)}) == 10
    assert world.credits_left(0.0) == 0


def test_failure_gives_the_credits_back_once() -> None:
    """A failed task's credits come back at its end, and only once."""
    world = make_world(failure_rate=1.0, credits=3.0)
    first, second = sell(world), sell(world)
    early, late = sorted([first.ends_at, second.ends_at])
    assert world.credits_left(early - 0.001) == 0.0
    assert world.credits_left(early) == 1.5
    assert [world.credits_left(late), world.credits_left(late + 1)] == [3.0, 3.0]


def test_finished_task_keeps_its_credits() -> None:
    """A task that ends well was paid for."""
    world = make_world()
    assert world.credits_left(sell(world).ends_at) == 98.5


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
        make_world(**{name: bad})
