"""When tasks are polled whose callback is relied on."""

import pytest

from vidgo_async._polling.safety_net import KINDS, SafetyNet


def test_an_unknown_kind() -> None:
    """The first poll is at 300 s; then after half of the age, at most 300 s."""
    net = SafetyNet()
    assert net.delay("a", 0.0) == 300
    assert net.delay("a", 100.0) == 200
    assert net.delay("a", 300.0) == 150
    assert net.delay("a", 2000.0) == 300
    assert not net.may_have_ended("a", 299.0)
    assert net.may_have_ended("a", 300.0)


def test_a_known_kind() -> None:
    """After five callbacks the first poll is well after the latest of them."""
    net = SafetyNet()
    for age in (20.0, 10.0, 12.0, 14.0):
        net.reported("a", age)
    assert net.delay("a", 0.0) == 300
    net.reported("a", 16.0)
    assert net.delay("a", 0.0) == pytest.approx(35)
    assert net.delay("a", 35.0) == 30
    assert [net.may_have_ended("a", age) for age in (13.9, 14.0)] == [False, True]
    assert net.delay("b", 0.0) == 300


def test_a_kind_that_becomes_faster_is_followed() -> None:
    """Only the last twenty callbacks of a kind count."""
    net = SafetyNet()
    for age in [200.0] * 30 + [40.0] * 20:
        net.reported("a", age)
    assert net.delay("a", 0.0) == pytest.approx(60)


def test_few_kinds_are_remembered() -> None:
    """The kind that was not reported for longest is forgotten."""
    net = SafetyNet()
    for _ in range(5):
        for kind in ("a", "b"):
            net.reported(kind, 10.0)
    for number in range(KINDS - 1):
        net.reported(number, 10.0)
    assert net.delay("a", 0.0) == 300
    assert net.delay("b", 0.0) == pytest.approx(22.5)
