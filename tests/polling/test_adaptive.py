"""The adaptive policy: its settings, and bounds that hold whatever it learned."""

import math
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.adaptive import World, delays, learned, polled, truthful
from tests.support.policies import BAD_NUMBERS
from vidgo_async import FixedPolling, Task
from vidgo_async._polling.adaptive import KINDS, AdaptivePolling, LearningPolicy

AGES = st.floats(0, 1e9)
STATES = st.builds(
    Task,
    st.just("task-1"),
    st.sampled_from(["running", "finished", "failed", "unknown"]),
    progress=st.none() | st.integers(-10, 200),
    model=st.sampled_from([None, "sora-2", "z-image"]),
)
POLLS = st.lists(st.tuples(STATES, STATES, AGES, AGES), max_size=30)
SECONDS = st.floats(0.01, 1e5)
SETTINGS = st.builds(
    lambda one, other, patience: AdaptivePolling(min(one, other), max(one, other), patience),
    SECONDS,
    SECONDS,
    SECONDS,
)


# --- Settings --------------------------------------------------------------------------------


def test_settings_are_values() -> None:
    """Settings are frozen, hash and compare by value, and pickle."""
    settings = AdaptivePolling(1, 10, patience=0.5)
    copied = pickle.loads(pickle.dumps(settings))

    assert copied == settings
    assert hash(copied) == hash(settings)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        copied.patience = 5


def test_defaults() -> None:
    """By default a poll is worth a quarter of a second, and delays are 2 to 30 seconds."""
    assert AdaptivePolling() == AdaptivePolling(min_interval=2.0, max_interval=30.0, patience=0.25)


@pytest.mark.parametrize("field", ["min_interval", "max_interval", "patience"])
@BAD_NUMBERS
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


def test_only_started_policies_learn() -> None:
    """What `start` returns is a learning policy; settings and policies of one method are not."""
    assert isinstance(AdaptivePolling().start(), LearningPolicy)
    assert not isinstance(AdaptivePolling(), LearningPolicy)
    assert not isinstance(FixedPolling(), LearningPolicy)


# --- Bounds ----------------------------------------------------------------------------------


@given(SETTINGS, POLLS, STATES, st.none() | AGES)
def test_delays_are_within_bounds(
    settings: AdaptivePolling,
    polls: list[tuple[Task, Task, float, float]],
    task: Task,
    age: float | None,
) -> None:
    """Whatever was seen, even nonsense, no wait is shorter or longer than the settings say."""
    policy = settings.start()
    for before, after, earliest, latest in polls:
        policy.learn(before, after, earliest, latest)

    assert settings.min_interval <= policy.next_delay(task, age) <= settings.max_interval


@pytest.mark.parametrize("age", [1e-300, 1e-9, 1e-3, 1e12, 1e300])
@pytest.mark.parametrize("status", ["running", "finished"])
def test_extreme_ages(age: float, status: str) -> None:
    """Ages far below a second and beyond all centuries break nothing, and teach nothing silly."""
    policy = learned(World(progress=truthful))

    policy.learn(polled(age, 50), polled(age, 50, status), age, math.nextafter(age, math.inf))
    policy.learn(polled(age, 50), polled(age, 50, status), age, 2 * age)

    assert all(2 <= delay <= 30 for delay in delays(policy, 50))
    assert 2 <= policy.next_delay(polled(age, 50), age) <= 30


def test_unknown_age_is_even() -> None:
    """A task of unknown age is polled evenly, whatever was learned or its progress says."""
    fresh, taught = AdaptivePolling().start(), learned()

    waits = {
        policy.next_delay(polled(0, progress), None)
        for policy in (fresh, taught)
        for progress in (None, 0, 50, 99)
    }

    assert len(waits) == 1
    assert 2 <= waits.pop() <= 10


def test_memory_is_bounded() -> None:
    """Of very many kinds the last used are remembered, and the others start over."""
    policy = AdaptivePolling().start()
    fresh = policy.next_delay(polled(0), 5.0)
    for model in ["sora-2", "kept", *map(str, range(KINDS - 2))]:
        for _ in range(20):
            policy.learn(Task("1", "running", model=model), Task("1", "failed"), 6.0, 8.0)
    taught = policy.next_delay(Task("1", "running", model="kept"), 5.0)

    policy.next_delay(Task("1", "running", model="one more"), 0.0)

    assert policy.next_delay(Task("1", "running", model="kept"), 5.0) == taught < fresh
    assert policy.next_delay(polled(0), 5.0) == fresh
    assert len(policy._kinds) == KINDS  # type: ignore[attr-defined]


# --- Custom policies --------------------------------------------------------------------------


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
    assert policy.next_delay(polled(0), 0.0) == 60
    assert policy.next_delay(polled(0), 180.0) < 7
