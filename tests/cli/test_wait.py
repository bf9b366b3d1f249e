"""`vidgo-async wait`: saves what was bought before."""

import re
from pathlib import Path

from tests.support.files import count_frames, names_in
from tests.support.program import FOX, Program, Start, ended, finished, of, started
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.sandbox import Sandbox, answer


def test_wait_saves_what_was_bought_before(program: Program, tmp_path: Path) -> None:
    """`wait` saves the files of tasks that another program bought; an id given twice is one."""
    task_ids = program.buy(FOX, "a hare")
    run = program("wait", *task_ids, task_ids[0], "--out", "films")
    assert (run.status, run.unsaved) == (0, [])
    assert sorted(run.out.splitlines()) == sorted(f"films/{each}.mp4" for each in task_ids)
    states = [line.removeprefix(f"{task_ids[0]}: ") for line in run.err.splitlines()]
    assert [each for each in states if ":" not in each] == ["not_started", "running", "finished"]
    assert {file.stem for file in (tmp_path / "films").iterdir()} == set(task_ids)


def test_wait_for_unknown_id_fails(program: Program, tmp_path: Path) -> None:
    """An id that the server does not know gives status 1 and is not named again."""
    [task_id] = program.buy(FOX)
    run = program("wait", "no-such-task", task_id, "--quiet")
    assert (run.status, run.unsaved) == (1, [])
    assert re.fullmatch("no-such-task: 404.*Task not found\n", run.err)
    assert [file.stem for file in tmp_path.iterdir()] == [task_id]


def test_wait_prints_a_failed_task(start: Start) -> None:
    """A failed task gives status 1 and its reason."""
    program = start(failure_rate=1.0)
    [task_id] = program.buy(FOX)
    run = program("wait", task_id)
    assert (run.status, run.unsaved) == (1, [])
    assert f"{task_id}: task {task_id} failed: " in run.err


def test_timed_out_wait_says_how_to_go_on(program: Program) -> None:
    """After a timeout `wait` names the tasks again, quoted for a shell and never as options."""
    ids = ["-n", "it's/1 ; x"]
    program.sandbox.inject(answer(502), call="status", times=None)
    run = program("wait", "--timeout", "2", "--", *ids)
    assert (run.status, run.unsaved) == (3, ["wait", "--", *ids])


def test_finished_without_a_file_is_a_failure(program: Program) -> None:
    """A task that finished and has nothing to save gives status 1 and says so."""
    program.sandbox.inject(finished(), call="status", times=None)
    run = program("wait", "empty")
    assert (run.status, run.out, run.unsaved) == (1, "", [])
    assert "empty: finished without a file\n" in run.err


def test_one_lost_file_does_not_cost_the_others(program: Program, tmp_path: Path) -> None:
    """Of several files all that can be fetched are saved; the task stays on the list."""
    [task_id] = program.buy(FOX)
    assert program("wait", task_id, "--out", "a").status == 0
    url = f"{program.sandbox.url}/files/{task_id}.mp4"
    program.sandbox.inject(finished("ftp://a.example/x.mp4", url), call="status", task_id="some/id")
    run = program("wait", "some/id", "--out", "b")
    assert (run.status, run.unsaved) == (3, ["wait", "--out", "b", "some/id"])
    assert "not an http(s) address" in run.err
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["some%2Fid+2.mp4"]


async def test_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    """A file of that name stays as it is; the video is saved under a free name, and printed so."""
    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            task_id = (await vidgo.submit(GrokImagine(prompt=FOX))).task_id
        existing = [tmp_path / f"{task_id}.mp4", tmp_path / f"{task_id}-2.mp4"]
        for path in existing:
            path.write_text("mine")
        async with started("wait", task_id, environment=of(sandbox)) as process:
            run = await ended(process)
    assert (run.status, run.unsaved) == (0, [])
    assert [path.read_text() for path in existing] == ["mine", "mine"]
    assert count_frames(tmp_path / f"{task_id}-3.mp4") > 24
    assert f"{task_id}-3.mp4" in run.out
    assert len(names_in(tmp_path)) == 3


def test_a_log_that_is_there_is_kept_up(program: Program, tmp_path: Path) -> None:
    """What `wait` saves into the folder of a run is on its page, with the prompt of that run."""
    assert program("generate", FOX, "a hare", "--timeout", "2", "--out", "films").status == 3
    page = tmp_path / "films/index.html"
    assert "Not saved" in page.read_text()
    ids = list(program.sandbox.tasks)
    data = {"status": "failed", "error_message": "no GPU"}
    program.sandbox.inject(answer(200, {"code": 200, "data": data}), "status", task_id=ids[1])
    assert program("wait", *ids, "--out", "films").status == 1
    shown = page.read_text()
    assert f'href="{ids[0]}.mp4"' in shown
    assert FOX in shown
    assert "no GPU" in shown
    assert "Not saved" not in shown
