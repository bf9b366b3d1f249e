"""What comes back: plain frozen values that hash, compare and pickle."""

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from vidgo_async import Balance, MediaFile, Task, TaskStatus, UploadedFile

FILE = MediaFile("https://storage.vidgo.ai/a.mp4", "video", "task-1")
FULL = Task(
    task_id="task-1",
    status="finished",
    files=(FILE,),
    progress=100,
    created_time=datetime(2025, 11, 12, 10, 30),  # noqa: DTZ001 - the API gives no zone
    error_message=None,
    model="grok-imagine",
    submitted_at=datetime(2025, 11, 12, 2, 30, tzinfo=UTC),
    raw={"task_id": "task-1", "new_field": [1]},
)
VALUES = [FILE, FULL, Task("task-1", "running"), Balance(None, 1.5), Balance("a@b.c", 3)]


@pytest.mark.parametrize("value", VALUES)
def test_values_are_frozen(value: Any) -> None:
    """No field of a value can be set, and no other attribute can be added."""
    for field in attrs.fields(type(value)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, field.name, None)
    with pytest.raises((AttributeError, TypeError)):
        value.extra = 1


@pytest.mark.parametrize("value", VALUES)
def test_values_hash_and_compare_by_value(value: Any) -> None:
    """An equal value has the same hash, although it is another object."""
    twin = attrs.evolve(value)

    assert twin is not value
    assert twin == value
    assert hash(twin) == hash(value)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_values_pickle(value: Any, protocol: int) -> None:
    """A value comes back from a pickle of any protocol with every field."""
    copied = pickle.loads(pickle.dumps(value, protocol))

    assert attrs.asdict(copied) == attrs.asdict(value)
    assert type(copied) is type(value)


def test_only_id_and_status_are_needed() -> None:
    """A task made by hand of an id and a status has nothing else."""
    task = Task("task-1", "running")

    assert attrs.asdict(task) == {
        "task_id": "task-1",
        "status": "running",
        "files": (),
        "progress": None,
        "credits": None,
        "created_time": None,
        "error_message": None,
        "model": None,
        "submitted_at": None,
        "raw": None,
        "duration": None,
    }
    with pytest.raises(TypeError, match="status"):
        Task("task-1")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("status", "finished", "failed", "done"),
    [
        ("not_started", False, False, False),
        ("running", False, False, False),
        ("finished", True, False, True),
        ("failed", False, True, True),
        ("queued_for_review", False, False, False),
        ("FINISHED", False, False, False),
        ("", False, False, False),
        (TaskStatus.FINISHED, True, False, True),
        (TaskStatus.RUNNING, False, False, False),
    ],
)
def test_states(status: str, finished: bool, failed: bool, done: bool) -> None:
    """Only `finished` and `failed` are the end; an unknown state is not."""
    task = Task("task-1", status)

    assert (task.finished, task.failed, task.done) == (finished, failed, done)


def test_statuses_compare_with_strings() -> None:
    """Each member of `TaskStatus` equals the server's string, and prints as it."""
    words = ["not_started", "running", "finished", "failed"]

    assert list(TaskStatus) == words
    assert [str(status) for status in TaskStatus] == words


def test_raw_is_no_part_of_the_value() -> None:
    """Two tasks that differ only in `raw` are equal, hash alike and print alike."""
    other = attrs.evolve(FULL, raw={"secret": "not shown"})

    assert other == FULL
    assert hash(other) == hash(FULL)
    assert repr(other) == repr(FULL)
    assert "not shown" not in repr(other)


@pytest.mark.parametrize(
    "change",
    [
        {"task_id": "task-2"},
        {"status": "failed"},
        {"files": ()},
        {"progress": 99},
        {"credits": 1.5},
        {"created_time": None},
        {"error_message": "no"},
        {"model": None},
        {"submitted_at": None},
    ],
)
def test_every_other_field_counts(change: dict[str, Any]) -> None:
    """Two tasks that differ in any field but `raw` are not equal."""
    assert attrs.evolve(FULL, **change) != FULL


def test_files_become_a_tuple() -> None:
    """A list of files is frozen, so that the task stays hashable."""
    files = [FILE]
    task = Task("task-1", "finished", files)
    files.clear()

    assert task.files == (FILE,)
    assert isinstance(hash(task), int)


@pytest.mark.parametrize(
    ("error", "value"),
    [
        (TypeError, "2025-11-12T02:30:00+00:00"),
        (TypeError, 1762914600.0),
        (TypeError, date(2025, 11, 12)),
        (ValueError, datetime(2025, 11, 12, 2, 30)),  # noqa: DTZ001 - the point
    ],
)
def test_times_need_a_zone(error: type[Exception], value: Any) -> None:
    """A time that is none, or has no time zone, is refused by the field's name when it is given."""
    with pytest.raises(error, match=r"^submitted_at must .* time zone"):
        Task("task-1", "running", submitted_at=value)
    with pytest.raises(error, match=r"^submitted_at must .* time zone"):
        attrs.evolve(FULL, submitted_at=value)
    with pytest.raises(error, match=r"^uploaded_at must .* time zone"):
        UploadedFile("https://a.b/c.png", value)


def test_any_zone_will_do() -> None:
    """A time in another zone than UTC is kept as it is."""
    here = datetime(2025, 11, 12, 2, 30, tzinfo=timezone(timedelta(hours=8)))
    assert Task("task-1", "running", submitted_at=here).submitted_at is here
