"""Reading `outcomes.jsonl`: what cannot be read is left out, and what was superseded goes."""

import json
from pathlib import Path

import pytest

from tests.page.folders import LATER, RUN, Folder
from vidgo_async.page.outcomes import Record, State, merge, read_records

DEEP = '{"state": "failed", "model": "m", "input": {"x": ' + "[" * 980 + "]" * 980 + "}}"


def read(folder: Folder) -> list[Record]:
    return read_records(folder.path / "outcomes.jsonl")


def merged(folder: Folder) -> list[tuple[str | None, str]]:
    return [(record.prompt, record.state.value) for record in merge(read(folder))]


def test_a_line_is_read(tmp_path: Path) -> None:
    """All fields of a line are in its record."""
    folder = Folder(tmp_path)
    folder.add("a fox", task_id="t1", files=["a.mp4"], number=3, parameters={"duration": 6})
    assert read(folder) == [
        Record(
            state=State.SAVED,
            run=RUN,
            number=3,
            model="grok-imagine",
            input={"prompt": "a fox", "duration": 6},
            task_id="t1",
            credits=15.0,
            seconds=38.2,
            submitted_at="2026-01-01T10:00:00+00:00",
            ended_at="2026-01-01T10:01:00+00:00",
            files=("a.mp4",),
        )
    ]


@pytest.mark.parametrize(
    "line",
    ["", '{"version": 1, "state": "sav', "[1]", "7", "[" * 100_000, DEEP, "\x00\x00", "not JSON"],
    ids=["blank", "torn", "list", "number", "deep", "nearly too deep", "zeros", "text"],
)
def test_unreadable_lines_are_left_out(line: str, tmp_path: Path) -> None:
    """A line that is torn or foreign hides no other."""
    folder = Folder(tmp_path)
    folder.add("before")
    folder.add_line(line)
    folder.add("after")
    assert [record.prompt for record in read(folder)] == ["before", "after"]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A line that is not UTF-8 is left out; a byte order mark is not in the way."""
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"state": "saved"}\n{"state": "\xff"}\n{"state": "failed"}')
    assert [record.state.value for record in read_records(path)] == ["saved", "failed"]


def test_there_is_no_file(tmp_path: Path) -> None:
    """Without a file there are no records."""
    assert read_records(tmp_path / "outcomes.jsonl") == []


def test_other_versions(tmp_path: Path) -> None:
    """Unknown fields are ignored; fields of another type are as if they were missing."""
    line = {
        "version": 9, "state": "saved", "run": 7, "number": "x", "model": None, "input": [],
        "task_id": "", "credits": True, "seconds": "9", "files": ["", 3, "a.mp4"], "colour": "red",
    }  # fmt: skip
    folder = Folder(tmp_path)
    folder.add_line(json.dumps(line))
    assert read(folder) == [Record(state=State.SAVED, files=("a.mp4",))]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "1" + "0" * 400, '"9"', "null"])
def test_amounts_that_are_none(value: str, tmp_path: Path) -> None:
    """Credits that are no amount are unknown."""
    folder = Folder(tmp_path)
    folder.add_line(f'{{"state": "saved", "credits": {value}}}')
    assert [record.credits for record in read(folder)] == [None]


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ('{"state": "queued"}', State.UNKNOWN),
        ('{"state": "kept", "files": ["a.mp4"]}', State.SAVED),
        ('{"state": 3}', State.UNKNOWN),
        ("{}", State.UNKNOWN),
    ],
)
def test_states_of_other_versions(line: str, state: State, tmp_path: Path) -> None:
    """A state that is not known may hide a purchase, unless there are files."""
    folder = Folder(tmp_path)
    folder.add_line(line)
    assert [record.state for record in read(folder)] == [state]


def test_the_last_record_of_a_task_counts(tmp_path: Path) -> None:
    """A task that was not saved, and then was, is one record: the last."""
    folder = Folder(tmp_path)
    folder.add("a", task_id="t1", state="unsaved")
    folder.add("a", task_id="t1", state="saved", files=["a.mp4"])
    assert merged(folder) == [("a", "saved")]


def test_a_run_that_knew_only_the_id(tmp_path: Path) -> None:
    """What such a run could not know comes from the earlier record."""
    folder = Folder(tmp_path)
    folder.add("a", task_id="t1", state="unsaved", number=4)
    line = {"run": LATER, "number": 1, "state": "saved", "task_id": "t1", "files": ["a.mp4"]}
    folder.add_line(json.dumps(line))
    (record,) = merge(read(folder))
    assert (record.state, record.run, record.prompt) == (State.SAVED, LATER, "a")
    assert (record.model, record.credits, record.seconds) == ("grok-imagine", 15.0, 38.2)
    assert record.submitted_at == "2026-01-01T10:00:00+00:00"


def test_a_file_is_not_forgotten(tmp_path: Path) -> None:
    """A later record without files keeps those of the task."""
    folder = Folder(tmp_path)
    folder.add("a", task_id="t1", files=["a.mp4"])
    folder.add("a", task_id="t1", state="unsaved")
    assert [record.files for record in merge(read(folder))] == [("a.mp4",)]


def test_a_later_run_supersedes(tmp_path: Path) -> None:
    """A failure goes once a later run has the same request, however that ended."""
    folder = Folder(tmp_path)
    folder.add("a", state="failed", parameters={"duration": 6, "seed": 1})
    folder.add("b", state="failed")
    folder.add("a", state="failed", run=LATER, parameters={"seed": 1, "duration": 6})
    assert merged(folder) == [("b", "failed"), ("a", "failed")]


def test_what_may_be_paid_for_stays(tmp_path: Path) -> None:
    """It goes only once a later run has the same entry of the journal."""
    folder = Folder(tmp_path)
    for prompt, entry in (("a", 1), ("b", None), ("c", 2)):
        folder.add(prompt, state="unknown", entry=entry)
    folder.add("a", task_id="1", run=LATER, entry=1)
    folder.add("b", task_id="2", run=LATER)
    assert sorted(merged(folder)) == [
        ("a", "saved"),
        ("b", "saved"),
        ("b", "unknown"),
        ("c", "unknown"),
    ]


def test_what_was_paid_for_stays(tmp_path: Path) -> None:
    """A task that is not collected is shown until it is, also where its request was bought again."""
    folder = Folder(tmp_path)
    folder.add("a", state="unsaved", task_id="1")
    folder.add("a", state="saved", task_id="2", run=LATER)
    assert merged(folder) == [("a", "unsaved"), ("a", "saved")]
    folder.add("a", state="saved", task_id="1", run=LATER)
    assert merged(folder) == [("a", "saved"), ("a", "saved")]


def test_other_requests_do_not_supersede(tmp_path: Path) -> None:
    """Another model, another input or the same run leave a record where it is."""
    folder = Folder(tmp_path)
    folder.add("a", state="failed")
    folder.add("a", state="failed", number=2)
    folder.add("a", run=LATER, model="kling")
    folder.add("a", run=LATER, number=2, parameters={"duration": 6})
    folder.add_line(json.dumps({"state": "unknown", "run": ""}))
    assert sorted(state for _, state in merged(folder)) == [
        "failed",
        "failed",
        "saved",
        "saved",
        "unknown",
    ]


def test_what_is_saved_stays(tmp_path: Path) -> None:
    """What was saved is not dropped when it is bought again."""
    folder = Folder(tmp_path)
    folder.add("a", task_id="t1")
    folder.add("a", task_id="t2", run=LATER)
    assert merged(folder) == [("a", "saved"), ("a", "saved")]


def test_the_order(tmp_path: Path) -> None:
    """It is that of the batch, over all runs that it took, and not that of the ends."""
    folder = Folder(tmp_path)
    for run, number in ((RUN, 4), (RUN, 1), (LATER, 3), (LATER, 2), (LATER, 1)):
        folder.add(f"{run} {number}", run=run, number=number)
    order = [f"{RUN} 1", f"{LATER} 1", f"{LATER} 2", f"{LATER} 3", f"{RUN} 4"]
    assert [prompt for prompt, _ in merged(folder)] == order
