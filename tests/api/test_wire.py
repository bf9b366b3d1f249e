"""From bytes to values: the documented responses, and any other bytes."""

import json
import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.responses import (
    MISSING,
    NOW,
    READERS,
    answer,
    balance,
    polled,
    read_task,
    submitted,
    surprises,
    without_missing,
)
from vidgo_async._api.responses import Response
from vidgo_async._core.errors import APIError, ResponseError
from vidgo_async._core.models import Balance, MediaFile, Task

# --- Documented responses ---------------------------------------------------------------------


def test_the_documented_response_to_a_submit() -> None:
    """The documented response is read completely; model and time are set by the client."""
    data = {
        "task_id": "task-unified-1757165031-uyujaw3d",
        "status": "not_started",
        "created_time": "2025-11-12T10:30:00",
    }
    task = submitted(data)

    assert task == Task(
        task_id="task-unified-1757165031-uyujaw3d",
        status="not_started",
        created_time=datetime(2025, 11, 12, 10, 30),  # noqa: DTZ001 - the API gives no zone
        model="grok-imagine",
        submitted_at=NOW,
    )
    assert task.raw == data


def test_a_finished_task() -> None:
    """A finished task has its files, each with the task's id; model and time are carried."""
    data = {
        "task_id": "task-1",
        "status": "finished",
        "files": [
            {"file_url": "https://storage.vidgo.ai/a.mp4", "file_type": "video", "new": 1},
            {"file_url": "https://storage.vidgo.ai/a.png"},
        ],
        "progress": 100,
        "error_message": None,
        "new_field": {"a": [1]},
    }
    task = polled(data)

    assert task == Task(
        "task-1",
        "finished",
        (
            MediaFile("https://storage.vidgo.ai/a.mp4", "video", "task-1"),
            MediaFile("https://storage.vidgo.ai/a.png", None, "task-1"),
        ),
        progress=100,
        model="grok-imagine",
        submitted_at=NOW,
    )
    assert task.raw == data
    assert surprises(task) == []


def test_a_failed_task() -> None:
    """A failed task is a valid response, with the server's reason."""
    task = polled({"task_id": "task-1", "status": "failed", "error_message": "too dark"})

    assert task.failed
    assert task.error_message == "too dark"


@pytest.mark.parametrize("credits_", [0, 12, 12.5, -3, 1e9])
def test_a_balance(credits_: float) -> None:
    """Credits may be whole or fractional, and are not changed."""
    found = balance({"email": "a@b.c", "credits_amount": credits_, "new": 1})

    assert found == Balance("a@b.c", credits_)
    assert type(found.credits) is type(credits_)


@pytest.mark.parametrize("email", [MISSING, None, 5, ["a@b.c"]])
def test_a_balance_without_a_readable_email(email: object) -> None:
    """An address that is missing or no string does not hide the credits."""
    data = without_missing({"email": email, "credits_amount": 5})

    assert balance(data) == Balance(None, 5)


@pytest.mark.parametrize("status", ["queued", "FINISHED", "", "in review"])
def test_unknown_statuses(status: str) -> None:
    """An unknown status is kept as it is, and means not done yet."""
    task = polled({"status": status})

    assert task.status == status
    assert not task.done


@pytest.mark.parametrize("status", [MISSING, None, 5, True, ["finished"], {}])
def test_a_submit_without_a_status(status: object) -> None:
    """A submit whose status is missing or no string gave a task that has not started."""
    task = submitted(without_missing({"task_id": "task-1", "status": status}))

    assert (task.task_id, task.status) == ("task-1", "not_started")


@pytest.mark.parametrize("files", [{}, "x", [5], [{}], [{"file_url": None}], 0.5, True])
def test_a_submit_with_unreadable_files(files: object) -> None:
    """A submit answered as finished with files that cannot be read still gave a task."""
    task = submitted({"task_id": "task-1", "status": "finished", "files": files})

    assert (task.task_id, task.status, task.files) == ("task-1", "not_started", ())
    assert surprises(task) == []


def test_a_submit_that_is_finished_at_once() -> None:
    """A submit answered with the finished task gives that task, files included."""
    task = submitted({"task_id": "t", "status": "finished", "files": [{"file_url": "u"}]})

    assert task.finished
    assert task.files == (MediaFile("u", None, "t"),)


def test_the_id_is_the_requested_one() -> None:
    """A poll needs no id in the response, and never takes another one from it."""
    assert polled({"status": "running"}).task_id == "task-1"
    assert polled({"status": "running", "task_id": "task-2"}).task_id == "task-1"


@pytest.mark.parametrize("status", ["running", "failed", "not_started", "unknown"])
@pytest.mark.parametrize("files", [MISSING, None, [], {}, "x", 5, True, [5], [{"file_url": 5}]])
def test_files_count_only_when_finished(status: str, files: object) -> None:
    """The files of an unfinished task are ignored, whatever they are."""
    task = polled(without_missing({"status": status, "files": files}))

    assert task.files == ()
    assert surprises(task) == []


@pytest.mark.parametrize("files", [MISSING, None, []])
def test_finished_without_files(files: object) -> None:
    """A finished task may have no files: the field may be missing, null or empty."""
    task = polled(without_missing({"status": "finished", "files": files}))

    assert task.finished
    assert task.files == ()


# --- Any bytes --------------------------------------------------------------------------------

NAMES = ["code", "data", "error", "detail", "message", "type", "loc", "msg", "task_id", "status"]
MORE = ["progress", "created_time", "error_message", "file_url", "file_type", "credits_amount"]
WORDS = st.sampled_from(["finished", "running", "failed", "2025-11-12T10:30:00"]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*NAMES, *MORE]) | st.text(), inner, max_size=6)
    ),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(["task_id", "status", *MORE], JSON))
FILES = (
    st.lists(st.fixed_dictionaries({"file_url": JSON}, optional={"file_type": JSON}) | JSON) | JSON
)
DATA = st.builds(lambda fields, files: {"data": {**fields, "files": files}}, FIELDS, FILES)
BODIES = st.binary() | (JSON | DATA).map(lambda value: json.dumps(value).encode())
STATUSES = st.just(200) | st.integers(100, 599)


@given(STATUSES, BODIES)
def test_any_response(status: int, body: bytes) -> None:
    """Any bytes under any status become a value of the right type or one of two errors."""
    for read in READERS.values():
        try:
            value = read(Response(status, {}, body))
        except APIError as error:
            assert 400 <= error.status <= 599  # noqa: PT017 - any of the readers may raise
            continue
        except ResponseError as error:
            assert error.status == status  # noqa: PT017 - as above
            continue
        if isinstance(value, Task):
            assert type(value.task_id) is str
            assert type(value.status) is str
            assert all(type(file.file_url) is str for file in value.files)
            assert all(isinstance(name, str) for name in surprises(value))
        else:
            assert math.isfinite(value.credits)


TEXT = st.text().filter(str.strip)
TASKS = st.builds(
    Task,
    TEXT,
    st.sampled_from(["not_started", "running", "finished", "failed"]) | st.text(),
    st.just(()),
    progress=st.none() | st.integers(-(2**53), 2**53),  # which a float holds exactly
    created_time=st.none() | st.datetimes(),
    error_message=st.none() | st.text(),
    model=st.just("grok-imagine"),
    submitted_at=st.just(NOW),
)


@given(TASKS, st.lists(st.tuples(TEXT, st.none() | st.text())))
def test_any_valid_response(task: Task, files: list[tuple[str, str | None]]) -> None:
    """The task is what the server sent, from a submit and from a poll."""
    data = {
        "task_id": task.task_id,
        "status": task.status,
        "files": [{"file_url": url, "file_type": kind} for url, kind in files],
        "progress": task.progress,
        "created_time": task.created_time and task.created_time.isoformat(),
        "error_message": task.error_message,
    }
    made = tuple(MediaFile(url, kind, task.task_id) for url, kind in files)
    expected = Task(
        task.task_id,
        task.status,
        made if task.finished else (),
        progress=task.progress,
        created_time=task.created_time,
        error_message=task.error_message,
        model="grok-imagine",
        submitted_at=NOW,
    )

    assert submitted(data) == expected
    assert read_task(answer({"data": data}), task) == expected
