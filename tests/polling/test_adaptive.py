"""The adaptive policy: what it learns from looks, tested with plain numbers."""

import math
import pickle
import random
import statistics
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import FixedPolling, PollingPolicy, Task
from vidgo_async._polling.adaptive import KINDS, AdaptivePolling, LearningPolicy

Progress = Callable[[float, float, random.Random], int | None]
"""What the server says of a task at an age, which it knows will end at another."""

AGES = st.floats(0, 1e9)
STATES = st.builds(
    Task,
    st.just("task-1"),
    st.sampled_from(["running", "finished", "failed", "odd"]),
    progress=st.none() | st.integers(-10, 200),
    model=st.sampled_from([None, "sora-2", "z-image"]),
)
LOOKS = st.lists(st.tuples(STATES, STATES, AGES, AGES), max_size=30)
SECONDS = st.floats(0.01, 1e5)
SETTINGS = st.builds(
    lambda one, other, patience: AdaptivePolling(min(one, other), max(one, other), patience),
    SECONDS,
    SECONDS,
    SECONDS,
)


def seen(age: float, progress: int | None = None, status: str = "running") -> Task:
    """Return a task as a look saw it."""
    return Task("task-1", status, progress=progress, model="sora-2")


@attrs.define
class World:
    """Tasks one after the other, in virtual time; the scheduler's jitter is added."""

    chance: random.Random = attrs.field(factory=lambda: random.Random(1))
    progress: Progress | None = None
    median: float = 180.0
    sigma: float = 0.15

    def look_at(self, policy: LearningPolicy, *, learn: bool) -> tuple[int, float]:
        """Look at one task until it ended; return the looks, and how late the last was."""
        end = self.median * math.exp(self.sigma * self.chance.gauss(0, 1))
        age, looks = 0.0, 0
        before = self._state(age, end)
        while not before.done:
            latest = age + policy.next_delay(before, age) * (1 + 0.2 * self.chance.random())
            after = self._state(latest, end)
            if learn:
                policy.learn(before, after, age, latest)
            before, age, looks = after, latest, looks + 1
        return looks, age - end

    def _state(self, age: float, end: float) -> Task:
        if age >= end:
            return seen(age, status="finished")
        return seen(age, self.progress and self.progress(age, end, self.chance))

    def teach(self, policy: LearningPolicy, ends: int = 50) -> LearningPolicy:
        for _ in range(ends):
            self.look_at(policy, learn=True)
        return policy

    def cost(self, policy: LearningPolicy, tasks: int = 400) -> float:
        """Return looks per task, times the mean seconds from end to look."""
        found = [self.look_at(policy, learn=False) for _ in range(tasks)]
        return sum(looks for looks, _ in found) / tasks * sum(late for _, late in found) / tasks


def learned(world: World | None = None, ends: int = 50) -> LearningPolicy:
    """Return a policy that saw so many tasks of a world end."""
    return (world or World()).teach(AdaptivePolling().start(), ends)


def truthful(age: float, end: float, _: random.Random) -> int:
    return int(100 * age / end)


def delays(policy: PollingPolicy, progress: int | None = None) -> list[float]:
    """Return what a policy says at many ages."""
    return [policy.next_delay(seen(age, progress), float(age)) for age in range(0, 400, 10)]


# --- Settings -----------------------------------------------------------------------------------


def test_settings_are_values() -> None:
    """Settings are frozen, hash and compare by value, and pickle."""
    settings = AdaptivePolling(1, 10, patience=0.5)
    copied = pickle.loads(pickle.dumps(settings))

    assert copied == settings
    assert hash(copied) == hash(settings)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        copied.patience = 5


def test_defaults() -> None:
    """By default a look is worth a quarter of a second, and waits last 2 to 30 seconds."""
    assert AdaptivePolling() == AdaptivePolling(min_interval=2.0, max_interval=30.0, patience=0.25)


@pytest.mark.parametrize("field", ["min_interval", "max_interval", "patience"])
@pytest.mark.parametrize(
    ("error", "value"),
    [
        (ValueError, 0),
        (ValueError, -1.0),
        (ValueError, math.nan),
        (ValueError, math.inf),
        (TypeError, True),
        (TypeError, None),
        (TypeError, "3"),
    ],
)
def test_bad_numbers(field: str, error: type[Exception], value: Any) -> None:
    """A setting that is no number above 0 is refused, with its name."""
    with pytest.raises(error, match=f"^{field} must be a number"):
        AdaptivePolling(**{field: value})


def test_bounds_in_the_wrong_order() -> None:
    """A longest wait below the shortest is refused, and equal ones are a fixed interval."""
    with pytest.raises(ValueError, match=r"^max_interval must be at least min_interval, 5, not 4"):
        AdaptivePolling(min_interval=5, max_interval=4)

    assert set(delays(AdaptivePolling(5, 5).start())) == {5}


def test_sessions_learn_apart() -> None:
    """What one session learned, another with the same settings does not know."""
    settings = AdaptivePolling()
    fresh = delays(settings.start())

    World(median=40).teach(first := settings.start())

    assert delays(first) != fresh
    assert delays(settings.start()) == fresh


def test_settings_know_what_a_new_session_knows() -> None:
    """Asked without a session, the settings answer like one that has learned nothing."""
    settings = AdaptivePolling(1, 100, patience=1)

    assert delays(settings) == delays(settings.start())


def test_who_learns() -> None:
    """What `start` returns is a learning policy; settings and policies of one method are not."""
    assert isinstance(AdaptivePolling().start(), LearningPolicy)
    assert not isinstance(AdaptivePolling(), LearningPolicy)
    assert not isinstance(FixedPolling(), LearningPolicy)


# --- Bounds -------------------------------------------------------------------------------------


@given(SETTINGS, LOOKS, STATES, st.none() | AGES)
def test_delays_are_within_bounds(
    settings: AdaptivePolling,
    looks: list[tuple[Task, Task, float, float]],
    task: Task,
    age: float | None,
) -> None:
    """Whatever was seen, even nonsense, no wait is shorter or longer than the settings say."""
    policy = settings.start()
    for before, after, earliest, latest in looks:
        policy.learn(before, after, earliest, latest)

    assert settings.min_interval <= policy.next_delay(task, age) <= settings.max_interval


@pytest.mark.parametrize("age", [1e-300, 1e-9, 1e-3, 1e12, 1e300])
@pytest.mark.parametrize("status", ["running", "finished"])
def test_extreme_ages(age: float, status: str) -> None:
    """Ages far below a second and beyond all centuries break nothing, and teach nothing silly."""
    policy = learned(World(progress=truthful))

    policy.learn(seen(age, 50), seen(age, 50, status), age, math.nextafter(age, math.inf))
    policy.learn(seen(age, 50), seen(age, 50, status), age, 2 * age)

    assert all(2 <= delay <= 30 for delay in delays(policy, 50))
    assert 2 <= policy.next_delay(seen(age, 50), age) <= 30


def test_unknown_age_is_even() -> None:
    """A task of unknown age is looked at evenly, whatever was learned or it says."""
    fresh, taught = AdaptivePolling().start(), learned()

    waits = {
        policy.next_delay(seen(0, progress), None)
        for policy in (fresh, taught)
        for progress in (None, 0, 50, 99)
    }

    assert len(waits) == 1
    assert 2 <= waits.pop() <= 10


def test_memory_is_bounded() -> None:
    """Of very many kinds the last used are remembered, and the others begin anew."""
    policy = AdaptivePolling().start()
    fresh = policy.next_delay(seen(0), 5.0)
    for model in ["sora-2", "kept", *map(str, range(KINDS - 2))]:
        for _ in range(20):
            policy.learn(Task("1", "running", model=model), Task("1", "failed"), 6.0, 8.0)
    taught = policy.next_delay(Task("1", "running", model="kept"), 5.0)

    policy.next_delay(Task("1", "running", model="one more"), 0.0)

    assert policy.next_delay(Task("1", "running", model="kept"), 5.0) == taught < fresh
    assert policy.next_delay(seen(0), 5.0) == fresh
    assert len(policy._kinds) == KINDS  # type: ignore[attr-defined]


# --- Learning -----------------------------------------------------------------------------------


def test_video_and_image_priors() -> None:
    """Before anything is learned, images are looked at earlier than videos and unknown models."""

    def first(model: str | None) -> float:
        return AdaptivePolling().start().next_delay(Task("task-1", "running", model=model), 0.0)

    images = {first(model) for model in ("z-image", "nano-banana-2", "flux-2-pro", "seedream-4")}
    videos = {first(model) for model in ("sora-2", "wan2.6-image-to-video", "grok-imagine", None)}

    assert len(images) == len(videos) == 1
    assert 5 < max(images) < 15 < min(videos) <= 30


def test_looks_are_dense_where_tasks_end() -> None:
    """Tasks that take about 180 s are looked at rarely before, often then, and rarely far after."""
    policy = learned()

    early, then, after, far = (
        policy.next_delay(seen(age), age) for age in (60.0, 180.0, 250.0, 2000.0)
    )

    assert early == 30
    assert 2 <= then < 5
    assert then < far
    assert after < 30


@pytest.mark.parametrize(("sigma", "most"), [(0.15, 0.45), (0.35, 0.75)])
def test_it_pays(sigma: float, most: float) -> None:
    """After 50 completions looks times lateness is far below half the mean, that of a fixed one."""
    world = World(sigma=sigma)
    mean = 180 * math.exp(sigma**2 / 2)

    cost = statistics.mean(world.cost(learned(world), 80) for _ in range(5))

    assert cost < most * mean / 2


@pytest.mark.parametrize(("before", "after"), [(100.0, 200.0), (200.0, 100.0)])
def test_a_change_is_followed(before: float, after: float) -> None:
    """A server twice as slow or as fast is followed within 50 completions."""
    old, new = World(median=before), World(median=after)
    policies = [learned(old, 100) for _ in range(5)]
    surprised = statistics.mean(new.cost(policy, 80) for policy in policies)

    followed = statistics.mean(new.cost(new.teach(policy), 80) for policy in policies)

    usual = statistics.mean(new.cost(learned(new, 100), 80) for _ in policies)
    assert followed < 1.35 * usual < 0.5 * surprised


def test_patience_sets_the_pace() -> None:
    """With four times the patience waits are twice as long, between the bounds."""
    quick = AdaptivePolling(0.01, 1e4, patience=0.25).start()
    calm = AdaptivePolling(0.01, 1e4, patience=1.0).start()
    for policy in (quick, calm):
        for _ in range(50):
            policy.learn(seen(0), seen(0, status="finished"), 1.0, 400.0)

    ratio = calm.next_delay(seen(0), 30.0) / quick.next_delay(seen(0), 30.0)

    assert ratio == pytest.approx(2, rel=0.2)


def test_failures_are_ends() -> None:
    """A task that failed teaches what one that finished does."""
    finished, failed = AdaptivePolling().start(), AdaptivePolling().start()
    for policy, status in ((finished, "finished"), (failed, "failed")):
        policy.learn(seen(0), seen(0, status=status), 100.0, 110.0)

    assert delays(finished) == delays(failed) != delays(AdaptivePolling().start())


def test_tasks_that_run_count() -> None:
    """Where many tasks were seen to live on, one end among them does not hurry the looks."""
    alone, among = AdaptivePolling().start(), AdaptivePolling().start()
    for _ in range(50):
        among.learn(seen(0), seen(0), 90.0, 110.0)
    for policy in (alone, among):
        policy.learn(seen(0), seen(0, status="finished"), 90.0, 110.0)

    assert alone.next_delay(seen(0), 90.0) < 0.5 * among.next_delay(seen(0), 90.0)


def test_a_gap_teaches_little() -> None:
    """An end that was found only after an hour without looks leaves the schedule much as it was."""
    policy = learned()
    usual = delays(policy)

    policy.learn(seen(0), seen(0, status="finished"), 0.0, 3600.0)

    assert delays(policy) == pytest.approx(usual, rel=0.05)


def test_looks_at_the_same_age_teach_nothing() -> None:
    """No time between two looks, or less than none, is no time lived."""
    policy = learned()
    usual = delays(policy)

    for latest in (180.0, 170.0):
        for status in ("running", "finished"):
            policy.learn(seen(0), seen(0, status=status), 180.0, latest)

    assert delays(policy) == usual


@pytest.mark.parametrize("other", [{"model": "sora-2-pro"}, {"model": "sora-2", "duration": 12.0}])
def test_kinds_are_apart(other: dict[str, Any]) -> None:
    """What was learned of one model and length says nothing of another."""
    policy, fresh = learned(), AdaptivePolling().start()
    task = Task("task-2", "running", **other)

    assert [policy.next_delay(task, float(age)) for age in range(300)] == [
        fresh.next_delay(task, float(age)) for age in range(300)
    ]


# --- Progress -----------------------------------------------------------------------------------


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
    """Where progress says when a task ends, it saves more than half of what is left."""
    world = World(progress=truthful, sigma=0.35)
    policy = learned(world)

    assert world.cost(policy) < 0.5 * World(sigma=0.35).cost(learned(World(sigma=0.35)))
    assert policy.next_delay(seen(0, 97), 300.0) < policy.next_delay(seen(0, 50), 300.0)


def test_by_progress_slow_tasks_are_looked_at_calmly() -> None:
    """Of two tasks of the same progress the one that takes 4 times longer waits twice as long."""
    settings = AdaptivePolling(0.01, 1e4, patience=0.01)
    policy = World(progress=truthful).teach(settings.start())

    slow, quick = (policy.next_delay(seen(age, 95), age) for age in (400.0, 100.0))

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


# --- One's own ----------------------------------------------------------------------------------


def test_a_policy_of_ones_own() -> None:
    """The docstring's example is a learning policy that passes on what it hears."""

    class LateRiser:
        def __init__(self) -> None:
            self.learned = AdaptivePolling().start()

        def next_delay(self, task: Task, age: float | None) -> float:
            delay = self.learned.next_delay(task, age)
            return max(delay, 60.0) if age == 0 else delay

        def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
            self.learned.learn(before, after, earliest, latest)

    policy: LearningPolicy = LateRiser()
    World().teach(policy, 20)

    assert isinstance(policy, LearningPolicy)
    assert policy.next_delay(seen(0), 0.0) == 60
    assert policy.next_delay(seen(0), 180.0) < 7
