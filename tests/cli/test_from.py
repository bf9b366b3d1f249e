"""`--from`: a file of rows becomes a folder of videos with telling names."""

import json
import sys
from pathlib import Path

import pytest

from tests.support.files import names_in
from tests.support.program import FOX, Program, Start, ended, started
from tests.support.uploads import picture
from vidgo_async.sandbox import Sandbox, answer, failed_at_once

ROWS = """\
prompt,aspect_ratio,duration,name,scene
a fox in snow,16:9,6,,opening
"a lake, at dawn",,10,the lake,
rain on glass,3:2,,,closing
"""


def records(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_column_that_the_model_does_not_have(program: Program) -> None:
    """An unknown column is named with the lines that use it."""
    Path("rows.csv").write_text(ROWS)
    run = program("generate", "--from", "rows.csv", "--set", "mode=fun", "--out", "films")
    assert (run.status, program.sandbox.received) == (2, {})
    assert run.err.startswith("vidgo-async: rows.csv, lines 2, 4: grok-imagine has no parameter")


def test_a_column_of_the_users(program: Program, tmp_path: Path) -> None:
    """A column that begins with _ is not sent, and names may use it: in a table and in JSON."""
    Path("rows.csv").write_text(ROWS.replace("scene", "_scene"))
    Path("rows.jsonl").write_text('{"prompt": "a hare", "_scene": "the end"}\n')
    command = ("--out", "films", "--name", "{_scene}", "--no-journal")
    assert program("generate", "--from", "rows.csv", *command).status == 2
    Path("rows.csv").write_text(ROWS.replace("scene", "_scene").replace("lake,\n", "lake,middle\n"))
    assert program("generate", "--from", "rows.csv", *command).status == 0
    assert program("generate", "--from", "rows.jsonl", *command).status == 0
    names = ["closing.mp4", "middle.mp4", "opening.mp4", "the end.mp4"]
    assert names_in(tmp_path / "films") == names
    assert not any("_scene" in task.input for task in program.sandbox.tasks.values())


def test_a_table_of_any_model(program: Program, tmp_path: Path) -> None:
    """For a free-form model every column is a field, and a name may use each."""
    Path("rows.csv").write_text(ROWS)
    command = ("generate", "--from", "rows.csv", "--model", "kling-3.0/pro", "--out", "films")
    run = program(*command, "--name", "{index:02} {slug}-{duration}")
    assert (run.status, program.sandbox.sold) == (2, 0)
    assert "--name uses {duration}, and there is none in line 4" in run.err
    run = program(*command, "--name", "{index:02} {slug}")
    assert run.status == 0
    assert names_in(tmp_path / "films") == [
        "01 a-fox-in-snow.mp4",
        "02 a-lake-at-dawn.mp4",
        "03 rain-on-glass.mp4",
    ]
    run = program(*command, "--no-journal")
    assert "the lake.mp4" in names_in(tmp_path / "films")
    inputs = [task.input for task in program.sandbox.tasks.values()]
    assert inputs[0] == {
        "prompt": FOX,
        "aspect_ratio": "16:9",
        "duration": 6,
        "scene": "opening",
    }


async def test_five_hundred_rows_end_to_end(tmp_path: Path) -> None:
    """A CSV of 500 prompts becomes 500 files in their order, a log and a page; again: no request."""
    lines = [f'"a fox, take {number}",3:2' for number in range(500)]
    Path("rows.csv").write_text("prompt,aspect_ratio\n" + "\n".join(lines))  # noqa: ASYNC240
    async with Sandbox(seconds=(0.1, 0.5)) as sandbox:
        environment = {
            "VIDGO_BASE_URL": sandbox.url,
            "VIDGO_API_KEY": sandbox.api_key,
            "VIDGO_POLL_INTERVAL": "0.2",
        }
        command = ("generate", "--from", "rows.csv", "--out", "films", "--yes", "--json", "-q")
        async with started(*command, "--max-in-flight", "100", environment=environment) as process:
            first = await ended(process)
        received = dict(sandbox.received)
        async with started(*command, environment=environment) as process:
            second = await ended(process)
        assert (first.status, second.status, sandbox.sold) == (0, 0, 500)
        assert sandbox.received == received  # not one request, of any kind
    names = names_in(tmp_path / "films")
    assert len(names) == 500
    assert names[0] == "0001-a-fox-take-0.mp4"
    assert names[-1] == "0500-a-fox-take-499.mp4"
    *outcomes, summary = records(first.out)
    assert {outcome["number"] for outcome in outcomes} == set(range(1, 501))
    assert {outcome["version"] for outcome in outcomes} == {1}
    assert summary["saved"] == 500
    assert summary["credits"] == 750
    page = (tmp_path / "films/index.html").read_text()
    assert page.count("a-fox-take-") >= 500
    log = (tmp_path / "films/outcomes.jsonl").read_text()
    assert len(log.splitlines()) == 500


def test_wrong_rows_are_named_before_anything_is_bought(program: Program) -> None:
    """All of them, each with its line; nothing is sent."""
    Path("rows.csv").write_text("prompt,duration\nfox,6\nhare,7\n,6\nlake,8\n")
    run = program("generate", "--from", "rows.csv", "--yes")
    assert (run.status, program.sandbox.received) == (2, {})
    assert run.err.startswith("vidgo-async: wrong rows, so nothing was bought:\n")
    assert [line.split(": ")[0] for line in run.err.splitlines()[1:]] == [
        "rows.csv, line 3",
        "rows.csv, line 4",
        "rows.csv, line 5",
    ]


def test_standard_input(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`-` reads prompts from a pipe."""
    (tmp_path / "prompts").write_text("# foxes\na fox\n\na hare\n")
    with (tmp_path / "prompts").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert program("generate", "--from", "-").status == 0
    assert sorted(task.input["prompt"] for task in program.sandbox.tasks.values()) == [
        "a fox",
        "a hare",
    ]


def test_pictures_of_a_free_form_model(program: Program, tmp_path: Path) -> None:
    """A path in a field of media is uploaded, for any model; one that is not there is named."""
    (tmp_path / "rows").mkdir()
    picture(tmp_path / "rows", "fox.png")
    file = tmp_path / "rows" / "rows.csv"
    file.write_text("prompt,image_urls,end_image_url\nfox,fox.png,https://a.example/b.png\n")
    assert program("generate", "--from", str(file), "--model", "kling-2.6").status == 0
    [task] = program.sandbox.tasks.values()
    assert task.input["image_urls"][0].startswith("http")
    assert task.input["end_image_url"] == "https://a.example/b.png"
    file.write_text("prompt,start_image_url\nfox,hare.png\n")
    run = program("generate", "--from", str(file), "--model", "kling-2.6")
    assert (run.status, program.sandbox.sold) == (2, 1)
    assert "hare.png: there is no such file" in run.err


# --- Failed rows -----------------------------------------------------------------------------


def test_failed_rows_can_be_tried_again(program: Program, tmp_path: Path) -> None:
    """`failed.jsonl` holds the rows that failed, under the names they would have had."""
    Path("rows.csv").write_text("prompt,duration\nfox,6\nhare,10\nlake,6\n")
    program.sandbox.inject(failed_at_once(), "submit", times=2, skip=1)
    run = program("generate", "--from", "rows.csv", "--out", "films", "--no-journal")
    assert run.status == 1
    assert "2 failed, and cost nothing; try again with --from films/failed.jsonl" in run.err
    rows = records((tmp_path / "films/failed.jsonl").read_text())
    assert len(rows) == 2
    command = ("generate", "--from", "films/failed.jsonl", "--out", "films", "--no-journal")
    assert program(*command).status == 0
    assert names_in(tmp_path / "films") == ["0001-fox.mp4", "0002-hare.mp4", "0003-lake.mp4"]
    assert not (tmp_path / "films/failed.jsonl").exists()
    assert program.sandbox.sold == 5


def test_a_file_of_the_users_is_kept(program: Program) -> None:
    """A `failed.jsonl` that holds no rows is not ours to remove."""
    Path("failed.jsonl").write_text("notes\n")
    assert program("generate", FOX).status == 0
    assert Path("failed.jsonl").read_text() == "notes\n"


def test_retries(start: Start) -> None:
    """With `--retries` what failed is bought anew in the same run."""
    program = start()
    program.sandbox.inject(failed_at_once(), "submit", times=2)
    run = program("generate", FOX, "--retries", "2", "--out", "films")
    assert (run.status, program.sandbox.sold) == (0, 3)
    assert not Path("films/failed.jsonl").exists()


# --- JSON ------------------------------------------------------------------------------------


def test_outcomes_as_json(program: Program) -> None:
    """One object for each outcome, with a version, and a summary as the last line."""
    program.sandbox.inject(answer(400, {"code": 400, "message": "too dark"}), "submit", skip=1)
    run = program("generate", FOX, "a hare", "--json", "-q")
    *outcomes, summary = sorted(records(run.out), key=lambda each: "summary" in each)
    assert run.status == 1
    states = {str(each["state"]): each for each in outcomes}
    assert set(states) == {"saved", "failed"}
    assert states["failed"]["error_type"] == "InvalidRequestError"
    assert states["saved"]["files"] == ["0001-a-fox-in-snow.mp4"]
    assert isinstance(states["saved"]["seconds"], float)
    assert records(run.out)[-1] == summary
    assert (summary["saved"], summary["failed"], summary["unsaved"]) == (1, 1, [])
    assert (summary["balance_before"], summary["balance_after"]) == (1000, 998.5)
