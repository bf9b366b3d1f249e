"""`vidgo-async generate`: what it buys, saves and prints."""

import json
import re
from pathlib import Path

import pytest

from tests.support.files import count_frames, names_in
from tests.support.program import FOX, Program, Start, ended, started
from tests.support.uploads import picture
from vidgo_async.sandbox import answer, reset_after

# --- Generate --------------------------------------------------------------------------------


async def test_sandbox_makes_playable_files(tmp_path: Path) -> None:
    """`--sandbox` needs no key: it ends with one MP4 file per prompt, also for equal prompts."""
    async with started("generate", FOX, FOX, "--sandbox", "--out", "new/films") as process:
        run = await ended(process)
    assert (run.status, run.unsaved) == (0, [])
    names = names_in(tmp_path / "new/films")
    assert names == ["0001-a-fox-in-snow.mp4", "0002-a-fox-in-snow.mp4"]
    assert count_frames(tmp_path / "new/films" / names[0]) > 24


async def test_runs_in_one_second_share_a_folder(tmp_path: Path) -> None:
    """Two runs with `--sandbox` at the same time save all their videos in one folder."""
    command = ("generate", FOX, "a hare", "--sandbox")
    async with started(*command) as one, started(*command) as other:
        runs = [await ended(one), await ended(other)]
    assert [run.status for run in runs] == [0, 0]
    assert names_in(tmp_path) == [
        "0001-a-fox-in-snow-2.mp4",
        "0001-a-fox-in-snow.mp4",
        "0002-a-hare-2.mp4",
        "0002-a-hare.mp4",
    ]


def test_prints_each_file_and_a_summary(program: Program) -> None:
    """Standard output has a path for each file; standard error a line at each end, and a summary."""
    run = program("generate", FOX, "a hare", "--set", "aspect_ratio=3:2")
    paths = run.out.splitlines()
    assert (run.status, len(paths)) == (0, 2)
    assert all(Path(path).read_bytes()[4:8] == b"ftyp" for path in paths)
    assert {task.input["aspect_ratio"] for task in program.sandbox.tasks.values()} == {"3:2"}
    lines = [line for line in run.err.splitlines() if "to go" not in line]
    assert [re.sub(r"\d+ s|fox in snow|hare", "X", line) for line in lines] == [
        "1 of 2: a X: finished after X, 1.5 credits",
        "2 of 2: a X: finished after X, 1.5 credits",
        "2 of 2 videos saved in .",
        "credits spent: 3; balance: 1000 to 997",
        "page: index.html",
    ]


def test_settings_arrive_as_json(program: Program) -> None:
    """A value of `--set` that is JSON arrives as that, and anything else as text."""
    given = {
        "a": "1",
        "b": "text",
        "c": '{"x":1}',
        "d": "true",
        "e": "k=v",
        "f": "null",
        "g": "16:9",
        "h": '"2"',
    }
    settings = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    assert program("generate", FOX, "--model", "other/model", *settings).status == 0
    [task] = program.sandbox.tasks.values()
    assert task.model == "other/model"
    assert json.dumps(task.input) == json.dumps(
        {
            "prompt": FOX,
            "a": 1,
            "b": "text",
            "c": {"x": 1},
            "d": True,
            "e": "k=v",
            "f": None,
            "g": "16:9",
            "h": "2",
        }
    )


def test_known_model_is_the_default(program: Program) -> None:
    """Without `--model` it is grok-imagine, and only what was set is sent."""
    assert program("generate", FOX, "--set", "duration=10").status == 0
    [task] = program.sandbox.tasks.values()
    assert (task.model, task.input) == ("grok-imagine", {"prompt": FOX, "duration": 10})


def test_prompts_may_begin_with_a_dash(program: Program) -> None:
    """After `--` everything is a prompt."""
    assert program("generate", "--", "-fox", "--sandbox").status == 0
    assert {task.input["prompt"] for task in program.sandbox.tasks.values()} == {
        "-fox",
        "--sandbox",
    }


def test_max_in_flight_bounds_what_is_bought(program: Program) -> None:
    """With `--max-in-flight 1` a task is bought when the one before has ended."""
    assert program("generate", "1", "2", "3", "--max-in-flight", "1").status == 0
    sold = [task.sold_at for task in program.sandbox.tasks.values()]
    assert sold[1] >= sold[0] + 5
    assert sold[2] >= sold[1] + 5


def test_failed_tasks_are_printed_and_not_unsaved(start: Start, tmp_path: Path) -> None:
    """A failed task gives status 1, the server's reason, no file, and no command to go on."""
    program = start(failure_rate=1.0)
    run = program("generate", FOX)
    [task] = program.sandbox.tasks.values()
    assert (run.status, run.out, run.unsaved) == (1, "", [])
    assert f"1 of 1: {FOX}: failed: " in run.err
    assert task.failure
    assert task.failure in run.err
    assert names_in(tmp_path) == []


def test_refused_prompt_is_named_and_stops_no_other(start: Start, tmp_path: Path) -> None:
    """What was not bought is printed with its prompt, and the rest is generated: status 1."""
    program = start(credits=1.5)
    run = program("generate", "one\nfox", "one\nfox")
    assert run.status == 1
    assert re.search(r": one fox: failed: 402 insufficient_credits_error: ", run.err)
    assert len(list(tmp_path.glob("*.mp4"))) == 1


def test_unknown_submit_is_printed_with_its_prompt(program: Program) -> None:
    """A submit of unknown outcome is not sent again; its prompt is printed as perhaps paid for."""
    program.sandbox.inject(reset_after)
    run = program("generate", FOX)
    assert (run.status, run.unsaved, program.sandbox.sold) == (3, [], 1)
    assert f": {FOX}: perhaps bought: a task may exist" in run.err
    assert run.err.endswith(f"perhaps paid for, see your account: '{FOX}'\n")


def test_timeout_names_the_command_to_go_on(program: Program, tmp_path: Path) -> None:
    """After a timeout the printed command saves the tasks to the same folder."""
    run = program("generate", FOX, "--timeout", "2", "--out", "my films")
    [task_id] = program.sandbox.tasks
    assert run.status == 3
    assert f"task {task_id} did not end within 2 s" in run.err
    assert run.unsaved == ["wait", "--out", "my films", task_id]
    assert program(*run.unsaved).status == 0
    assert program.sandbox.sold == 1
    assert count_frames(tmp_path / "my films" / f"{task_id}.mp4") > 24


def test_failed_download_is_unsaved(program: Program, tmp_path: Path) -> None:
    """A video that could not be saved gives status 3, and stays in the command to go on."""
    program.sandbox.inject(answer(500), call="file", times=None)
    run = program("generate", FOX)
    [task_id] = program.sandbox.tasks
    assert (run.status, run.unsaved) == (3, ["wait", task_id])
    assert "answered 500" in run.err
    assert names_in(tmp_path) == []


# --- Pictures, earlier tasks and the account -------------------------------------------------


@pytest.mark.parametrize("is_path", [True, False])
def test_a_picture_to_begin_with(program: Program, tmp_path: Path, is_path: bool) -> None:
    """`--image` takes a path, which is uploaded once, or a URL, which is sent as it is."""
    image = str(picture(tmp_path)) if is_path else "https://a.example/fox.png"
    run = program("generate", FOX, "a hare", "--image", image)
    assert run.status == 0
    assert len(program.sandbox.uploads) == is_path
    for task in program.sandbox.tasks.values():
        [url] = task.input["image_urls"]
        assert url.startswith("http")
        assert (url == image) is not is_path


@pytest.mark.parametrize(
    ("options", "about"),
    [
        (["--image", "nothing.png"], "no such file"),
        (
            ["--image", "https://a.example/x.png", "--model", "veo3.1"],
            "--image is for grok-imagine",
        ),
    ],
)
def test_a_missing_picture_buys_nothing(program: Program, options: list[str], about: str) -> None:
    """A picture that does not exist, or that the model does not take, is bad usage."""
    run = program("generate", FOX, *options)
    assert run.status == 2
    assert about in run.err
    assert program.sandbox.received["submit"] == 0
