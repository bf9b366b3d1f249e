"""The comparison of both sides that the state machine and the soak benchmark rely on."""

import attrs
import pytest

from tests.support.ledger import Differences, Ledger
from vidgo_async import GrokImagine, SubmissionUnknownError, SubmitErrorGroup, Task, TaskFailedError

FOX = Task("task-1", "running")
UNKNOWN = SubmissionUnknownError("no answer", request=GrokImagine("fox"))


@pytest.mark.parametrize(
    "thing",
    [FOX, UNKNOWN, TaskFailedError(FOX), SubmitErrorGroup("m", {}, {0: TaskFailedError(FOX)})],
    ids=["task", "unknown", "error", "group"],
)
def test_each_kind_of_owner_counts(thing: object) -> None:
    """A task, an unknown outcome, an error with its task and a group each own their sale."""
    ledger = Ledger()
    ledger.note(thing, None)
    assert ledger.compare({"fox": ["task-1"]}) == Differences()


@pytest.mark.parametrize(
    ("sold", "tasks", "differences"),
    [
        ({}, [FOX], Differences(not_sold=frozenset({"task-1"}))),
        ({"fox": ["task-1"]}, [], Differences(lost=frozenset({"fox"}))),
        ({"fox": ["task-1"]}, [FOX, UNKNOWN], Differences(owned_twice=frozenset({"fox"}))),
        ({"fox": ["task-1", "b"]}, [FOX], Differences(sold_twice=frozenset({"fox"}))),
    ],
)
def test_differences_are_found(
    sold: dict[str, list[str]], tasks: list[object], differences: Differences
) -> None:
    """Ids never sold, sales without an owner or with two, and double sales are named."""
    ledger = Ledger()
    ledger.note(*tasks)
    assert ledger.compare(sold) == differences


def test_two_outcomes_of_one_request_are_found() -> None:
    """A request that is reported twice is a difference."""
    ledger = Ledger()
    ledger.outcomes["fox"] = 2
    assert attrs.asdict(ledger.compare({}))["reported_twice"] == {"fox"}
