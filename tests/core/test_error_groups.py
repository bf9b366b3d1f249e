"""`SubmitErrorGroup`: an exception group that keeps its order and its halves."""

import copy
import pickle

import pytest

from tests.support.errors import TASK, group
from vidgo_async._core.errors import (
    AuthenticationError,
    RateLimitError,
    SubmitErrorGroup,
    VidgoError,
)
from vidgo_async._core.models import Task


def test_a_group_holds_its_errors_in_order() -> None:
    """The parts of a group are the failed requests' errors, in the order of the requests."""
    failed = group()

    assert list(failed.accepted) == [1]
    assert failed.exceptions == (failed.failed[0], failed.failed[2])
    assert [type(error).__name__ for error in failed.exceptions] == [
        "RateLimitError",
        "InsufficientCreditsError",
    ]


def test_a_group_is_its_own() -> None:
    """Later changes to the dicts that a group was made of do not reach it."""
    accepted, failed = {1: TASK}, {0: VidgoError("x")}
    error = SubmitErrorGroup("x", accepted, failed)
    accepted.clear()
    failed.clear()

    assert error.accepted == {1: TASK}
    assert list(error.failed) == [0]


def test_except_star() -> None:
    """`except*` catches the matching part, and the rest propagates."""
    caught: list[BaseException] = []

    def handle_limits() -> None:
        try:
            raise group()
        except* RateLimitError as part:
            caught.append(part)

    with pytest.raises(SubmitErrorGroup) as rest:
        handle_limits()

    (limited,) = caught
    assert isinstance(limited, SubmitErrorGroup)
    assert list(limited.failed) == [0]
    assert list(rest.value.failed) == [2]
    assert limited.accepted == rest.value.accepted == {1: TASK}


def test_split_and_subgroup() -> None:
    """`split` and `subgroup` keep what was accepted, and the errors under their indexes."""
    whole = group()
    match, rest = whole.split(RateLimitError)
    same = whole.subgroup(VidgoError)

    assert isinstance(match, SubmitErrorGroup)
    assert isinstance(rest, SubmitErrorGroup)
    assert match.failed == {0: whole.failed[0]}
    assert rest.failed == {2: whole.failed[2]}
    assert match.accepted == rest.accepted == {1: TASK}
    assert str(match) == "2 of 3 failed"
    assert isinstance(same, SubmitErrorGroup)
    assert same.failed == whole.failed
    assert whole.subgroup(AuthenticationError) is None


def test_derive() -> None:
    """A derived group keeps `accepted`, and only the errors it was given."""
    whole = group()
    part = whole.derive([whole.failed[2]])

    assert part.failed == {2: whole.failed[2]}
    assert part.accepted == {1: TASK}


def test_a_copy_of_a_group_keeps_everything() -> None:
    """Task, notes, accepted and failed of a group survive copies and pickles."""
    group = SubmitErrorGroup("1 of 2", {0: Task("a", "running")}, {1: VidgoError("no")})
    group.add_note("a note")
    group.about(Task("b", "running"))
    for again in (copy.copy(group), pickle.loads(pickle.dumps(group)), group.own_copy()):
        assert again.task_id == "b"
        assert again.__notes__ == ["a note"]
        assert again.accepted == group.accepted
        assert list(again.failed) == [1]


def test_notes_of_a_copy_are_its_own() -> None:
    """A note on a copy is not on the original."""
    error = VidgoError("no")
    error.add_note("first")
    error.own_copy().add_note("second")
    assert error.__notes__ == ["first"]


def test_a_group_of_others_errors_is_a_plain_group() -> None:
    """What was not in the group has no index, so it is grouped without."""
    group = SubmitErrorGroup("1 of 2", {}, {1: VidgoError("no")})
    other = ZeroDivisionError()
    derived = group.derive([other, group.failed[1]])
    assert type(derived) is ExceptionGroup
    assert derived.exceptions == (other, group.failed[1])
