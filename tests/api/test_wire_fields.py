"""Fields of an unexpected type: required ones are errors, all others become None."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.responses import MISSING, balance, polled, submitted, surprises, without_missing
from vidgo_async._core.errors import ResponseError
from vidgo_async._core.models import Task

# --- Optional fields --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "unexpected"),
    [
        ("progress", MISSING, []),
        ("progress", None, []),
        ("progress", 0, None),
        ("progress", 50, None),
        ("progress", True, ["progress (bool)"]),
        ("progress", "50", ["progress (str)"]),
        ("progress", 50.5, None),
        ("progress", 100.0, None),
        ("progress", -7, None),
        ("progress", math.inf, ["progress (float)"]),
        ("progress", 10**400, ["progress (int)"]),
        ("progress", [50], ["progress (list)"]),
        ("created_time", MISSING, []),
        ("created_time", None, []),
        ("created_time", "yesterday", ["created_time (str)"]),
        ("created_time", "", ["created_time (str)"]),
        ("created_time", 1757165031, ["created_time (int)"]),
        ("created_time", {"$date": 1}, ["created_time (dict)"]),
        ("error_message", MISSING, []),
        ("error_message", None, []),
        ("error_message", "", None),
        ("error_message", "too dark", None),
        ("error_message", 5, ["error_message (int)"]),
        ("error_message", {"text": "no"}, ["error_message (dict)"]),
    ],
)
@pytest.mark.parametrize("read", [submitted, polled])
def test_optional_fields(
    read: Callable[[Any], Task], field: str, value: object, unexpected: list[str] | None
) -> None:
    """A missing, null or unreadable field is None, stays in `raw`, and is named if unexpected."""
    data = without_missing({"task_id": "task-1", "status": "running", field: value})
    task = read(data)

    assert getattr(task, field) == (value if unexpected is None else None)
    assert surprises(task) == (unexpected or [])
    assert task.raw == data


@pytest.mark.parametrize(("kind", "unexpected"), [(5, ["file_type"]), (None, []), ("audio", [])])
def test_unexpected_file_types(kind: object, unexpected: list[str]) -> None:
    """A file type that is no string becomes None and is named; any string is kept."""
    task = polled({"status": "finished", "files": [{"file_url": "u", "file_type": kind}]})

    assert task.files[0].file_type == (kind if isinstance(kind, str) else None)
    assert surprises(task) == unexpected


def test_unexpected_ids_and_statuses() -> None:
    """An id or a status that was ignored because of its type is named too."""
    assert surprises(polled({"status": "running", "task_id": 5})) == ["task_id (int)"]
    assert surprises(submitted({"task_id": "t", "status": 5})) == ["status (int)"]
    assert surprises(Task("made-by-hand", "running")) == []


# --- Required fields --------------------------------------------------------------------------

NOT_WORDS = [MISSING, None, 5, 0, True, 1.5, "", " \n", ["x"], {"a": 1}]


def refused(read: Callable[[Any], object], data: dict[str, Any], path: str) -> None:
    with pytest.raises(ResponseError) as caught:
        read(without_missing(data))

    assert [problem.rpartition(" @ ")[2] for problem in caught.value.problems] == [path]
    assert path in str(caught.value)
    assert caught.value.status == 200
    assert json.loads(caught.value.body)["code"] == 200


@pytest.mark.parametrize("task_id", NOT_WORDS)
@pytest.mark.parametrize("status", [MISSING, "running", "failed"])
def test_a_submit_without_an_id(task_id: object, status: object) -> None:
    """The id of a new task is a string that is not empty, never made of something else."""
    refused(submitted, {"task_id": task_id, "status": status}, "$.data.task_id")


@pytest.mark.parametrize("status", [MISSING, None, 5, True, 1.5, ["finished"], {"a": 1}])
def test_a_poll_without_a_status(status: object) -> None:
    """The status of a poll is a string, never made of something else."""
    refused(polled, {"task_id": "task-1", "status": status}, "$.data.status")


@pytest.mark.parametrize("url", NOT_WORDS)
def test_a_finished_file_without_a_url(url: object) -> None:
    """The URL of a finished task's file is a string that is not empty."""
    files = [{"file_url": "https://a.b/c"}, without_missing({"file_url": url})]

    refused(polled, {"status": "finished", "files": files}, "$.data.files[1].file_url")


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({}, "$.data.files"),
        ("https://a.b/c", "$.data.files"),
        (5, "$.data.files"),
        (False, "$.data.files"),
        ([None], "$.data.files[0]"),
        (["https://a.b/c"], "$.data.files[0]"),
        ([{"file_url": "u"}, []], "$.data.files[1]"),
    ],
)
def test_finished_files_of_wrong_types(files: object, path: str) -> None:
    """A finished task's files are a list of objects, or there is no telling what it made."""
    refused(polled, {"status": "finished", "files": files}, path)


def test_credits_beyond_floats() -> None:
    """An absurd number is a number all the same, and no crash."""
    assert balance({"credits_amount": 10**400}).credits == 10**400


@pytest.mark.parametrize(
    "amount", [MISSING, "5", True, None, math.nan, math.inf, -math.inf, [], {}]
)
def test_credits_that_are_no_number(amount: object) -> None:
    """Credits are a finite number, never made of something else."""
    refused(balance, {"email": "a@b.c", "credits_amount": amount}, "$.data.credits_amount")


def test_all_problems_are_named() -> None:
    """One error names all problems, each with its path."""
    with pytest.raises(ResponseError) as caught:
        polled({"status": "finished", "files": [{}, {"file_url": 4}]})

    assert caught.value.problems == (
        "required field missing @ $.data.files[0].file_url",
        "expected a string that is not empty, got int '4' @ $.data.files[1].file_url",
    )
