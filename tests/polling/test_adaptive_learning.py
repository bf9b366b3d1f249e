"""What the adaptive policy learns from polls, tested with plain numbers."""

import math
import statistics
from typing import Any

import pytest

from tests.support.adaptive import Progress, World, delays, learned, polled, truthful
from vidgo_async import Task
from vidgo_async._polling.adaptive import AdaptivePolling

# --- Learning --------------------------------------------------------------------------------


def test_video_and_image_priors() -> None:
    """Before anything is learned, images are polled more often than videos and unknown models."""

    def after_early_polls(model: str | None) -> float:
        task = Task("task-1", "running", model=model)
        return AdaptivePolling().start().next_delay(task, 16.0)

    images = {
        after_early_polls(model)
        for model in ("z-image", "nano-banana-2", "flux-2-pro", "seedream-4")
    }
    videos = {
        after_early_polls(model)
        for model in ("sora-2", "wan2.6-image-to-video", "grok-imagine", None)
    }

    assert len(images) == len(videos) == 1
    assert 2 < max(images) < 5
    assert 12 < min(videos) <= 16


@pytest.mark.parametrize("model", ["z-image", "sora-2", None])
@pytest.mark.parametrize("shortest", [0.05, 2.0, 5.0])
def test_the_first_polls_of_an_unknown_kind_start_early(model: str | None, shortest: float) -> None:
    """A kind that was never seen to end is polled at `min_interval`, then ever more rarely."""
    policy = AdaptivePolling(min_interval=shortest).start()
    waits: list[float] = []
    while sum(waits) < 10:
        before = Task("task-1", "running", model=model)
        waits.append(policy.next_delay(before, sum(waits)))
        policy.learn(before, before, sum(waits[:-1]), sum(waits))

    assert waits[0] == shortest
    assert waits == sorted(waits)
    assert len(waits) <= 2 + math.log2(10 / shortest)


def test_a_known_kind_is_not_polled_early() -> None:
    """One end tells enough of a kind: the next task is not polled long before it may end."""
    policy, another = AdaptivePolling().start(), Task("task-2", "running", model="other")
    policy.learn(polled(0), polled(0, status="finished"), 150.0, 160.0)

    assert policy.next_delay(polled(0), 0.0) > 20
    assert policy.next_delay(another, 0.0) == 2


def test_an_end_that_was_found_late_leaves_a_kind_unknown() -> None:
    """That a task had ended an hour after its submit does not tell how long its kind takes."""
    policy = AdaptivePolling().start()

    policy.learn(polled(0), polled(0, status="finished"), 0.0, 3600.0)

    assert delays(policy) == delays(AdaptivePolling().start())


def test_polls_are_dense_where_tasks_end() -> None:
    """Tasks that take about 180 s are polled rarely before, often then, and rarely far after."""
    policy = learned()

    early, then, after, far = (
        policy.next_delay(polled(age), age) for age in (60.0, 180.0, 250.0, 2000.0)
    )

    assert early == 30
    assert 2 <= then < 5
    assert then < far
    assert after < 30


@pytest.mark.parametrize(("sigma", "most"), [(0.15, 0.45), (0.35, 0.75)])
def test_learning_pays(sigma: float, most: float) -> None:
    """After 50 completions polls times lateness is far below half of that of a fixed interval."""
    world = World(sigma=sigma)
    mean = 180 * math.exp(sigma**2 / 2)

    cost = statistics.mean(world.cost(learned(world), 80) for _ in range(5))

    assert cost < most * mean / 2


@pytest.mark.parametrize(("median", "most"), [(3.0, 1.4), (6.0, 2.1), (10.0, 3.0)])
def test_what_takes_seconds_is_told_apart(median: float, most: float) -> None:
    """Polls times lateness of fast image models is far below that of polls every 2 s."""
    world = World(median=median, sigma=0.2)
    policies = [world.teach(AdaptivePolling(min_interval=0.5).start()) for _ in range(10)]

    assert statistics.mean(world.cost(policy, 80) for policy in policies) < most


@pytest.mark.parametrize(("before", "after"), [(100.0, 200.0), (200.0, 100.0)])
def test_a_change_is_followed(before: float, after: float) -> None:
    """A server twice as slow or as fast is followed within 50 completions."""
    old, new = World(median=before), World(median=after)
    policies = [learned(old, 100) for _ in range(5)]
    surprised = statistics.mean(new.cost(policy, 80) for policy in policies)

    followed = statistics.mean(new.cost(new.teach(policy), 80) for policy in policies)

    usual = statistics.mean(new.cost(learned(new, 100), 80) for _ in policies)
    assert followed < 1.35 * usual < 0.5 * surprised


def test_patience_sets_the_delays() -> None:
    """With four times the patience delays are twice as long, between the bounds."""
    quick = AdaptivePolling(0.01, 1e4, patience=0.25).start()
    calm = AdaptivePolling(0.01, 1e4, patience=1.0).start()
    for policy in (quick, calm):
        for _ in range(50):
            policy.learn(polled(0), polled(0, status="finished"), 1.0, 400.0)

    ratio = calm.next_delay(polled(0), 30.0) / quick.next_delay(polled(0), 30.0)

    assert ratio == pytest.approx(2, rel=0.2)


def test_failures_are_ends() -> None:
    """A task that failed teaches what one that finished does."""
    finished, failed = AdaptivePolling().start(), AdaptivePolling().start()
    for policy, status in ((finished, "finished"), (failed, "failed")):
        policy.learn(polled(0), polled(0, status=status), 100.0, 110.0)

    assert delays(finished) == delays(failed) != delays(AdaptivePolling().start())


def test_running_tasks_count() -> None:
    """Where many tasks ran longer, one early end does not make polls more frequent."""
    alone, among = AdaptivePolling().start(), AdaptivePolling().start()
    for _ in range(50):
        among.learn(polled(0), polled(0), 90.0, 110.0)
    for policy in (alone, among):
        policy.learn(polled(0), polled(0, status="finished"), 90.0, 110.0)

    assert alone.next_delay(polled(0), 90.0) < 0.5 * among.next_delay(polled(0), 90.0)


def test_a_gap_teaches_nothing() -> None:
    """An end found after an hour without polls does not change the schedule."""
    policy = learned()
    usual = delays(policy)

    policy.learn(polled(0), polled(0, status="finished"), 0.0, 3600.0)

    assert delays(policy) == usual


def test_polls_at_the_same_age_teach_nothing() -> None:
    """No time, or negative time, between two polls changes nothing."""
    policy = learned()
    usual = delays(policy)

    for latest in (180.0, 170.0):
        for status in ("running", "finished"):
            policy.learn(polled(0), polled(0, status=status), 180.0, latest)

    assert delays(policy) == usual


@pytest.mark.parametrize("other", [{"model": "sora-2-pro"}, {"model": "sora-2", "duration": 12.0}])
def test_kinds_are_apart(other: dict[str, Any]) -> None:
    """What was learned of one model and length says nothing of another."""
    policy, fresh = learned(), AdaptivePolling().start()
    task = Task("task-2", "running", **other)

    assert [policy.next_delay(task, float(age)) for age in range(300)] == [
        fresh.next_delay(task, float(age)) for age in range(300)
    ]


# --- Progress --------------------------------------------------------------------------------

USELESS: dict[str, Progress] = {
    "missing": lambda *_: None,
    "stuck at 0": lambda *_: 0,
    "stuck at 50": lambda *_: 50,
    "stuck at 99": lambda *_: 99,
    "falling": lambda age, *_: max(0, int(90 - age / 4)),
    "jumping": lambda _, __, chance: chance.randrange(101),
    "out of range": lambda _, __, chance: chance.choice((-50, 1000)),
    "the age": lambda age, *_: min(99, int(age / 2)),
}


def test_truthful_progress_pays() -> None:
    """Progress that predicts the end saves more than half of the remaining cost."""
    world = World(progress=truthful, sigma=0.35)
    policy = learned(world)

    assert world.cost(policy) < 0.5 * World(sigma=0.35).cost(learned(World(sigma=0.35)))
    assert policy.next_delay(polled(0, 97), 300.0) < policy.next_delay(polled(0, 50), 300.0)


def test_by_progress_slow_tasks_are_polled_rarely() -> None:
    """Of two tasks of equal progress the one 4 times slower has twice the delay."""
    settings = AdaptivePolling(0.01, 1e4, patience=0.01)
    policy = World(progress=truthful).teach(settings.start())

    slow, quick = (policy.next_delay(polled(age, 95), age) for age in (400.0, 100.0))

    assert slow / quick == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("name", USELESS)
def test_useless_progress_is_ignored(name: str) -> None:
    """Progress that is stuck, falls, jumps or only counts time never decides."""
    policy = learned(World(progress=USELESS[name]))

    for progress in (0, 10, 50, 99, 100, 101, -1):
        assert delays(policy, progress) == delays(policy)


@pytest.mark.parametrize("name", ["stuck at 50", "jumping", "falling"])
def test_progress_that_begins_to_lie_is_dropped(name: str) -> None:
    """Progress that was truthful for long is ignored within ten ends after it ceases to be."""
    policy = learned(World(progress=truthful), 100)
    assert delays(policy, 80) != delays(policy)

    World(progress=USELESS[name]).teach(policy, 10)

    assert delays(policy, 80) == delays(policy)


def test_progress_is_not_believed_at_once() -> None:
    """A session that has seen no task end goes by the age."""
    policy = AdaptivePolling().start()

    assert delays(policy, 99) == delays(policy)
