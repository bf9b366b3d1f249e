"""Bodies of callbacks: both documented shapes, and anything else."""

import contextlib
import json
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.webhooks import envelope, flat
from vidgo_async import MediaFile, Task, WebhookError, parse_webhook

URL = "https://storage.vidgo.ai/a.mp4"
FIELDS: dict[str, Any] = {
    "files": [{"file_url": URL, "file_type": "video"}],
    "created_time": "2025-11-12T10:30:00",
    "finished_time": "2025-11-12T02:32:00",
    "credits_amount": 1.5,
    "error_message": None,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "task_id": json_values,
        "status": json_values | st.sampled_from(["finished", "failed", "running"]),
        "files": json_values | st.lists(st.fixed_dictionaries({"file_url": json_values})),
        "data": json_values | st.fixed_dictionaries({"task_id": st.text(), "status": st.text()}),
        "progress": json_values,
        "code": json_values,
    },
)


@pytest.mark.parametrize("write", [flat, envelope])
def test_both_shapes(write: Any) -> None:
    """The task alone, and the envelope of a poll, are the same task."""
    task = parse_webhook(write("task-1", **FIELDS))

    assert task == Task(
        "task-1",
        "finished",
        [MediaFile(URL, "video", "task-1")],
        credits=1.5,
        created_time=task.created_time,
    )
    assert task.raw == {"task_id": "task-1", "status": "finished", **FIELDS}
    assert (task.submitted_at, task.model) == (None, None)


def test_a_failed_task() -> None:
    """The end of a failed task has its reason."""
    task = parse_webhook(flat("task-1", "failed", error_message="too dark"))
    assert (task.failed, task.error_message) == (True, "too dark")


@pytest.mark.parametrize("files", ["none", [{}], [{"file_url": ""}], 5, [1] * 300_000])
def test_unreadable_files_are_left_out(files: Any) -> None:
    """Which task ended counts; its files come from the status in any case."""
    task = parse_webhook(flat("task-1", files=files))
    assert (task.finished, task.files) == (True, ())


def test_fields_of_ours_are_not_taken() -> None:
    """A callback cannot say when or as what a task was submitted."""
    task = parse_webhook(flat("task-1", model="x", submitted_at="now", duration=5, raw={}))
    assert (task.model, task.submitted_at, task.duration) == (None, None, None)
    assert task.raw is not None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_kinds_of_bytes(kind: Any) -> None:
    """Any kind of bytes is read."""
    assert parse_webhook(kind(flat("task-1"))).task_id == "task-1"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty"),
        (b"<html>", "JSON"),
        (b"[]", "object"),
        (b"{}", "task_id"),
        (b'{"task_id": "", "status": "finished"}', "task_id"),
        (b'{"task_id": 5, "status": "finished"}', "task_id"),
        (b'{"task_id": "a"}', "status"),
        (b'{"task_id": "a", "status": null}', "status"),
        (b'{"data": {"task_id": "a", "status": 1}, "code": 200}', "status"),
        (b'{"data": [{"task_id": "a", "status": "finished"}]}', "task_id"),
        (b"[" * 100_000, "JSON"),
        (b"\xff\xfe{\x00}\x00", "JSON"),
        (flat("x" * 513), "513"),
    ],
)
def test_anything_else(body: bytes, problem: str) -> None:
    """What is no callback is refused with 400, and the reason is said."""
    with pytest.raises(WebhookError, match=problem) as caught:
        parse_webhook(body)

    assert caught.value.status == 400
    assert pickle.loads(pickle.dumps(caught.value)).status == 400
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_body_that_is_too_large() -> None:
    """More than 1 MiB is refused with 413, and that much is not."""
    fits = flat("task-1").ljust(1024 * 1024)
    assert parse_webhook(fits).finished
    with pytest.raises(WebhookError, match="1 MiB") as caught:
        parse_webhook(fits + b" ")
    assert caught.value.status == 413


@pytest.mark.parametrize("body", [None, "{}", {"task_id": "a"}, 5])
def test_what_is_not_bytes(body: Any) -> None:
    """A parsed body is a mistake of the caller's, not of the sender's."""
    with pytest.raises(TypeError, match="bytes"):
        parse_webhook(body)


@given(st.binary() | fields.map(lambda value: json.dumps(value).encode()))
@example(b'{"task_id": "a", "status": "finished", "progress": 1e999, "created_time": []}')
@example(b'{"task_id": "\\ud800", "status": "finished"}')
def test_fuzz(body: bytes) -> None:
    """Any body is a task with an id and a status, or a `WebhookError`."""
    with contextlib.suppress(WebhookError):
        task = parse_webhook(body)
        assert task.task_id.strip()
        assert isinstance(task.status, str)
