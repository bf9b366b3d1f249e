"""Fixed polling and the retry policy, tested with plain numbers."""

import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.policies import BAD_NUMBERS
from vidgo_async import FixedPolling, RetryPolicy, Task

CHANCES = st.floats(0, 1)
FAILURES = st.integers(1, 10**6)
POLICIES = st.builds(
    RetryPolicy, initial_delay=st.floats(0.001, 1000), max_delay=st.floats(0.001, 10_000)
)


@pytest.mark.parametrize("status", ["not_started", "running", "unknown"])
@pytest.mark.parametrize("age", [None, 0.0, 3.0, 1e6])
def test_fixed_polling_is_fixed(status: str, age: float | None) -> None:
    """The delay is the interval, whatever the task's state and age."""
    assert FixedPolling(2.5).next_delay(Task("task-1", status), age) == 2.5


def test_default_interval_follows_the_advice() -> None:
    """By default the interval lies in the 2 to 5 seconds that the API advises."""
    assert 2 <= FixedPolling().next_delay(Task("task-1", "running"), None) <= 5


@pytest.mark.parametrize("policy", [FixedPolling(7), RetryPolicy(timeout=1, resend_on_503=False)])
def test_policies_are_values(policy: attrs.AttrsInstance) -> None:
    """Policies are frozen, hash and compare by value, and pickle."""
    copied = pickle.loads(pickle.dumps(policy))

    assert copied == policy
    assert hash(copied) == hash(policy)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        copied.timeout = 5


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (FixedPolling, "interval"),
        (RetryPolicy, "timeout"),
        (RetryPolicy, "initial_delay"),
        (RetryPolicy, "max_delay"),
    ],
)
@BAD_NUMBERS
def test_bad_numbers(make: Any, field: str, error: type[Exception], value: object) -> None:
    """A number of seconds that is no number above 0 is refused, with the field's name."""
    with pytest.raises(error, match=f"^{field} must be a number"):
        make(**{field: value})


@pytest.mark.parametrize("make", [FixedPolling, RetryPolicy])
def test_whole_numbers_are_numbers(make: Any) -> None:
    """Seconds may be given as int."""
    field = attrs.fields(make)[0].name

    assert getattr(make(**{field: 4}), field) == 4


def test_delays_double() -> None:
    """Without jitter the delays are the API's advice, 1, 2, 4, 8 s, up to the limit."""
    policy = RetryPolicy()

    assert [policy.delay(n, 0.5) for n in range(1, 9)] == [1, 2, 4, 8, 16, 30, 30, 30]


@given(POLICIES, FAILURES, CHANCES, CHANCES)
def test_delays_grow(policy: RetryPolicy, failures: int, first: float, second: float) -> None:
    """Whatever the chance, the next wait is longer until the longest is reached."""
    now, after = policy.delay(failures, first), policy.delay(failures + 1, second)

    assert now < after or after == policy.max_delay


@given(POLICIES, FAILURES, CHANCES)
def test_delays_have_a_limit(policy: RetryPolicy, failures: int, chance: float) -> None:
    """No wait is longer than `max_delay`, none is 0, and jitter is a quarter at most."""
    delay = policy.delay(failures, chance)

    assert 0 < delay <= policy.max_delay
    assert delay >= min(policy.max_delay, 0.75 * policy.initial_delay)


@pytest.mark.parametrize("failures", [61, 62, 1025, 10**9])
@pytest.mark.parametrize("initial_delay", [0.001, 1.0, 1e300])
def test_very_many_failures(failures: int, initial_delay: float) -> None:
    """The wait after a huge number of failures is the longest, and nothing overflows."""
    assert RetryPolicy(initial_delay=initial_delay).delay(failures, 0.0) == 30.0
