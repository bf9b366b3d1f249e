"""Values as they stand in a journal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import (
    ContentModerationError,
    DownloadError,
    GenerationRequest,
    GrokImagine,
    InvalidRequestError,
    MediaFile,
    ResponseError,
    SubmissionUnknownError,
    Task,
    TaskTimeoutError,
    UploadedFile,
    VidgoError,
)
from vidgo_async.journal.records import Records, dump_error, dump_task, load_error, load_task

HERE = Path("/home/fox")
RECORDS = Records(HERE, HERE / "work")
FOX = GrokImagine("a fox")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["$path", "$uploaded", "$object"]), inner)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text() | st.just("$path"), json_values))
def test_any_input_comes_back(parameters: dict[str, Any]) -> None:
    """Whatever a request may hold, keys of our own included, is read as it was."""
    request = GenerationRequest("m", parameters)
    assert RECORDS.load_request(RECORDS.dump_request(request)) == request


def test_media_come_back() -> None:
    """Paths, uploaded files and URLs are what they were; a typed request is a free-form one."""
    uploaded = UploadedFile(
        "https://a.example/b.png", datetime(2026, 1, 1, tzinfo=UTC), file_size=5
    )
    request = GenerationRequest(
        "m", {"image_urls": [Path("/pictures/a.png"), uploaded, "https://a.example/c.png"]}
    )
    assert RECORDS.load_request(RECORDS.dump_request(request)) == request
    assert RECORDS.load_request(RECORDS.dump_request(FOX)) == GenerationRequest(
        "grok-imagine", {"prompt": "a fox"}
    )


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("work/videos/a.mp4", "videos/a.mp4"),
        ("/home/fox/work/a.mp4", "a.mp4"),
        ("work/../other/a.mp4", "/home/fox/other/a.mp4"),
        ("/videos/a.mp4", "/videos/a.mp4"),
    ],
)
def test_paths_move_with_the_journal(path: str, written: str) -> None:
    """What lies under the journal's folder is named from there, and anything else in full."""
    assert RECORDS.dump_path(Path(path)) == written
    moved = Records(Path("/moved"), Path("/moved"))
    expected = written if written.startswith("/") else f"/moved/{written}"
    assert moved.load_paths(moved.dump_paths(())) == ()
    assert moved.load_path(written) == Path(expected)


def test_tasks_come_back() -> None:
    """All but what was received."""
    task = Task(
        "a",
        "finished",
        [MediaFile("https://a.example/a.mp4", "video", "a")],
        progress=100.0,
        credits=1.5,
        created_time=datetime(2026, 1, 1),  # noqa: DTZ001 - the server's has no zone
        model="m",
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
        raw={"a": 1},
        duration=6.0,
    )
    loaded = load_task(dump_task(task))
    assert loaded == task
    assert loaded is not None
    assert loaded.raw is None
    assert load_task(None) is None


def test_errors_come_back() -> None:
    """Refusals and unknown outcomes are what they were; others say what they said."""
    refused = InvalidRequestError("no", 400, code=1, type="t", body="b" * 9000, documented=True)
    loaded = load_error(dump_error(refused), FOX)
    assert isinstance(loaded, InvalidRequestError)
    assert (str(loaded), loaded.status, loaded.code, loaded.documented) == (
        str(refused),
        400,
        1,
        True,
    )
    assert len(loaded.body) == 4096
    moderated = load_error(dump_error(ContentModerationError("no", 400)), FOX)
    assert isinstance(moderated, ContentModerationError)

    sent_at = datetime(2026, 1, 1, tzinfo=UTC)
    unknown = load_error(
        dump_error(SubmissionUnknownError("a task may exist", FOX, 502, "<html>", sent_at)), FOX
    )
    assert isinstance(unknown, SubmissionUnknownError)
    assert (unknown.request, unknown.status, unknown.body, unknown.sent_at) == (
        FOX,
        502,
        "<html>",
        sent_at,
    )
    bare = load_error(dump_error(SubmissionUnknownError("x", FOX)), FOX)
    assert isinstance(bare, SubmissionUnknownError)
    assert (bare.sent_at, bare.body) == (None, None)
    task = Task("a", "finished")
    gone = load_error(dump_error(DownloadError("gone", MediaFile("u"))), FOX, task)
    assert isinstance(gone, DownloadError)
    assert (str(gone), gone.file, gone.task) == ("task a: gone", MediaFile("u"), task)
    late = load_error(dump_error(TaskTimeoutError("late", ["a"], task)), FOX, task)
    assert isinstance(late, TaskTimeoutError)
    assert late.task == task
    other = load_error(dump_error(ResponseError(["$: no"], 200, "<html>")), FOX)
    assert type(other) is VidgoError
    assert str(other) == "unreadable answer (HTTP 200): $: no"
    assert load_error(None, FOX) is None
