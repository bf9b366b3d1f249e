"""What the program says of money and rows is true, however a run ends."""

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import names_in
from tests.support.program import FOX, Program, Start, ended, of, started, until
from vidgo_async.cli.inputs.arguments import Defaults
from vidgo_async.cli.inputs.rows import dump_row, rows_of_prompts
from vidgo_async.sandbox import Sandbox, answer, changed, failed_at_once, hang_after, reset_after

QUICK = {"VIDGO_POLL_INTERVAL": "0.05"}


def summary_of(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def row(prompt: str) -> str:
    [made] = rows_of_prompts([prompt], Defaults("grok-imagine"))
    return dump_row(made)


def prompts_in(file: Path) -> list[str]:
    return [json.loads(line)["input"]["prompt"] for line in file.read_text().splitlines()]


# --- What it cost ----------------------------------------------------------------------------


async def test_leaving_tells_what_was_spent() -> None:
    """Tasks that are left are neither unsent nor free."""
    async with Sandbox(seconds=(60, 60)) as sandbox:
        command = ("generate", "a", "b", "c", "--out", "films", "--json", "-q")
        async with started(*command, environment={**of(sandbox), **QUICK}) as process:
            await until(lambda: sandbox.received["status"] >= 3)
            process.send_signal(signal.SIGTERM)
            run = await ended(process)
    found = summary_of(run.out)
    assert (found["not_sent"], found["unknown"]) == (0, 0)
    assert set(found["unsaved"]) == set(sandbox.tasks)
    assert (found["credits"], found["balance_after"]) == (4.5, 995.5)


async def test_submits_that_get_no_answer_may_have_cost() -> None:
    """A POST that hangs as the program is left may be paid for: its cost is unknown, never 0."""
    async with Sandbox(seconds=(60, 60)) as sandbox:
        sandbox.inject(hang_after, "submit", times=None)
        command = ("generate", "a", "b", "--out", "films", "--json", "-q")
        async with started(*command, environment=of(sandbox)) as process:
            await until(lambda: sandbox.sold == 2)
            process.send_signal(signal.SIGTERM)
            run = await ended(process)
    found = summary_of(run.out)
    assert (found["unknown"], found["not_sent"], found["credits"]) == (2, 0, None)
    assert run.err.count("perhaps paid for") == 2
    assert "vidgo-async journal films/.vidgo-journal --state unknown" in run.err


def test_a_server_that_tells_no_cost_is_checked_by_the_balance(program: Program) -> None:
    """Where tasks are said to cost nothing and the balance falls, the balance counts."""
    program.sandbox.inject(changed(credits_amount=0), "status", times=None)
    run = program("generate", *"abcdefgh", "--max-credits", "4.5")
    assert program.sandbox.sold == 3
    assert "credits spent: 4.5; balance: 1000 to 995.5" in run.err


def test_the_reason_is_said_where_a_limit_cannot_be_kept(program: Program) -> None:
    """The error of the balance is told, and nothing else is done."""
    program.sandbox.inject(answer(401, {"code": 401, "message": "bad key"}), "balance", times=None)
    run = program("generate", FOX, "--max-credits", "5")
    assert (run.status, run.out) == (1, "")
    assert run.err == (
        "vidgo-async: --max-credits needs the balance, and it is not told: 401: bad key\n"
    )


@pytest.mark.parametrize(
    ("status", "advice"),
    [(402, "the credits are used up: buy some"), (401, "the key is refused: set VIDGO_API_KEY")],
)
def test_what_to_do_about_the_account(program: Program, status: int, advice: str) -> None:
    """A refused key and used-up credits come with what to do."""
    body = {"code": status, "error": {"message": "no", "type": "x"}}
    program.sandbox.inject(answer(status, body), "submit", times=None)
    assert advice in program("generate", FOX).err


# --- What earlier runs bought ------------------------------------------------------------------


async def _killed(sandbox: Sandbox, *prompts: str) -> None:
    """Let a run buy these tasks, and die."""
    command = ("generate", *prompts, "--out", "films", "-q")
    async with started(*command, environment={**of(sandbox), **QUICK}) as process:
        await until(lambda: sandbox.received["status"] >= len(prompts))
        process.kill()
        await process.wait()


@pytest.mark.parametrize("end", ["SIGTERM", "limit"])
async def test_tasks_of_earlier_runs_are_named(end: str) -> None:
    """What a run that died had paid for is named by the next one, also where it read none of it."""
    prompts = [f"fox {number}" for number in range(6)]
    async with Sandbox(seconds=(60, 60)) as sandbox:
        await _killed(sandbox, *prompts)
        assert sandbox.sold == 6
        command = ["generate", *prompts, "a hare", "--out", "films", "--max-in-flight", "2"]
        if end == "limit":
            command += ["--timeout", "0.5", "--max-credits", "0.5"]
        async with started(*command, environment={**of(sandbox), **QUICK}) as process:
            if end == "SIGTERM":
                await until(lambda: sandbox.received["status"] >= 10)
                process.send_signal(signal.SIGTERM)
            run = await ended(process)
        assert run.status == (143 if end == "SIGTERM" else 3)
        assert set(run.unsaved[3:]) >= set(list(sandbox.tasks)[:6])
        assert ("1 not sent: nothing was bought for them" in run.err) is (sandbox.sold == 6)


def test_what_is_bought_needs_no_budget(program: Program) -> None:
    """Rows that a journal knows are saved, whatever the limit says of new ones."""
    command = ("generate", "a", "b", "c", "--out", "films")
    assert program(*command, "--timeout", "2").status == 3
    run = program(*command, "d", "--max-credits", "0.5")
    assert program.sandbox.sold == 4  # the first of a run tells its price
    assert run.out.count(".mp4") == 4


def test_again_is_not_part_of_the_advice(program: Program) -> None:
    """The command to go on buys nothing anew; what the journal put aside owes is named."""
    command = ("generate", FOX, "--out", "films", "--timeout", "2")
    assert program(*command).status == 3
    run = program(*command, "--again")
    assert run.status == 3
    assert "1 tasks in it are paid for and not saved; go on with: vidgo-async resume" in run.err
    aside = run.err.split("go on with: vidgo-async ")[1].splitlines()[0]
    assert program(*shlex.split(aside)).status == 0
    assert program.sandbox.sold == 2


@pytest.mark.parametrize("where", ["typed", "variable"])
def test_the_same_command_after_again(
    program: Program, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It goes on without `--again`; where that comes from elsewhere, by the journal."""
    arguments = ["generate", FOX, "--out", "films", "--timeout", "2"]
    typed = [*arguments, *(["--again"] if where == "typed" else [])]
    monkeypatch.setattr("sys.argv", ["vidgo-async", *typed])
    if where == "variable":
        monkeypatch.setenv("VIDGO_AGAIN", "1")
    run = program(*typed)
    assert run.status == 3
    assert "--again" not in run.err.split("go on with:")[1]
    how = "  vidgo-async generate" if where == "typed" else "  vidgo-async resume films/"
    assert how in run.err


def test_rows_of_a_pipe_go_on_by_the_journal(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command that read a pipe cannot be repeated."""
    (tmp_path / "rows").write_text(FOX)
    with (tmp_path / "rows").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        run = program("generate", "--from", "-", "--out", "films", "--timeout", "2")
    assert "  vidgo-async resume films/.vidgo-journal --out films\nwhich takes all" in run.err


def test_a_key_that_was_changed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program says how it is told that only the key is new."""
    command = ("generate", FOX, "--out", "films")
    assert program(*command).status == 0
    monkeypatch.setenv("VIDGO_API_KEY", "another")  # the server need not be asked to tell that
    run = program(*command)
    assert run.status == 1
    assert "use it with --new-key" in run.err
    run = program(*command, "--new-key")
    assert (run.status, run.out, program.sandbox.sold) == (0, "films/0001-a-fox-in-snow.mp4\n", 1)


# --- Failed rows -----------------------------------------------------------------------------


def test_rows_of_earlier_runs_stay(program: Program, tmp_path: Path) -> None:
    """A run adds its failures to those of others, and takes out what it completed."""
    file = tmp_path / "films/failed.jsonl"
    file.parent.mkdir()
    file.write_text(row("mine") + "\n" + row("hare") + "\n")
    program.sandbox.inject(failed_at_once(), "submit")
    assert program("generate", FOX, "hare", "--max-in-flight", "1", "--out", "films").status == 1
    assert prompts_in(file) == ["mine", FOX]
    assert program("generate", "other", "--out", "films").status == 0
    assert prompts_in(file) == ["mine", FOX]


@pytest.mark.parametrize("fault", ["key", "balance", "port"])
def test_a_run_that_did_not_begin_touches_nothing(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Where nothing could be sent the rows are as they were, and there is no page."""
    file = tmp_path / "films/failed.jsonl"
    file.parent.mkdir()
    file.write_text(row(FOX) + "\n")
    command = ["generate", "--from", str(file), "--out", "films"]
    if fault == "key":
        monkeypatch.setenv("VIDGO_API_KEY", "another")
        program.sandbox.inject(answer(500), "balance", times=None)
        command += ["--max-credits", "3"]
    elif fault == "balance":
        program.sandbox.inject(answer(500), "balance", times=None)
        command += ["--max-credits", "3"]
    else:
        url = program.sandbox.url
        command += ["--webhook-url", url, "--webhook-port", url.rpartition(":")[2]]
    assert program(*command).status in {1, 2}
    assert prompts_in(file) == [FOX]
    assert names_in(tmp_path / "films") == []


@pytest.fixture
def six_rows(tmp_path: Path) -> Path:
    """Give a `failed.jsonl` with six rows."""
    file = tmp_path / "films/failed.jsonl"
    file.parent.mkdir()
    file.write_text("".join(f"{row(f'fox {number}')}\n" for number in range(6)))
    return file


@pytest.mark.parametrize("has_journal", [True, False])
async def test_a_run_that_is_left_keeps_its_rows(has_journal: bool, six_rows: Path) -> None:
    """Of a file that a run reads, what it did not complete stays, and nothing is bought twice."""
    file, prompts = six_rows, prompts_in(six_rows)
    options = [] if has_journal else ["--no-journal"]
    async with Sandbox(seconds=(60, 60)) as sandbox:
        command = ("generate", "--from", str(file), "--out", "films", "--max-in-flight", "2")
        async with started(*command, *options, environment={**of(sandbox), **QUICK}) as process:
            await until(lambda: sandbox.received["status"] >= 2)
            process.send_signal(signal.SIGTERM)
            run = await ended(process)
        sold = {task.input["prompt"] for task in sandbox.tasks.values()}
    assert len(run.unsaved[3:]) == 2
    kept = prompts if has_journal else [each for each in prompts if each not in sold]
    assert prompts_in(file) == kept


def test_a_file_of_the_users_is_not_replaced(program: Program, tmp_path: Path) -> None:
    """A `failed.jsonl` that holds other things is left, and the program says so."""
    Path("failed.jsonl").write_text('{"notes": 1}\n')
    program.sandbox.inject(failed_at_once(), "submit")
    run = program("generate", FOX)
    assert "failed.jsonl was not written: it holds something else than rows" in run.err
    assert Path("failed.jsonl").read_text() == '{"notes": 1}\n'


def test_a_task_that_the_server_forgot(program: Program) -> None:
    """It is neither unsent nor to be waited for: status 1."""
    body = {"code": 404, "error": {"message": "no such task", "type": "not_found_error"}}
    program.sandbox.inject(answer(404, body), "status", times=None)
    run = program("generate", FOX, "--json", "-q")
    assert (run.status, run.unsaved) == (1, [])
    found = summary_of(run.out)
    assert (found["not_sent"], found["unsaved"], found["failed"]) == (0, [], 0)


def test_the_journal_of_a_folder(program: Program) -> None:
    """`journal` and `resume` take the folder too."""
    assert program("generate", FOX, "--out", "films").status == 0
    assert "saved" in program("journal", "films").out
    assert program("resume", "films", "--out", "films").status == 0


# --- Small things ----------------------------------------------------------------------------


async def test_closed_streams() -> None:
    """Without standard input it asks nothing; without standard error results stay alone."""
    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        shell = ["sh", "-c", '"$@" <&-', "sh"]
        prompts = [str(number) for number in range(25)]
        async with started("generate", *prompts, environment=of(sandbox), wrapper=shell) as process:
            run = await ended(process)
        assert (run.status, sandbox.sold) == (2, 0)
        assert "--yes" in run.err
        async with started(
            "generate", "--from", "-", environment=of(sandbox), wrapper=shell
        ) as process:
            run = await ended(process)
        assert (run.status, run.err) == (2, "vidgo-async: standard input is closed\n")
        silent = ["sh", "-c", '"$@" 2>&-', "sh"]
        async with started("generate", FOX, environment=of(sandbox), wrapper=silent) as process:
            run = await ended(process)
        assert (run.status, run.out) == (0, "0001-a-fox-in-snow.mp4\n")


def test_a_text_that_is_a_table(program: Program) -> None:
    """A CSV or JSON under the name of a text is not bought as prompts."""
    for text in ("prompt,aspect_ratio\nfox,16:9\n", '{"prompt": "fox"}\n'):
        Path("rows.txt").write_text(text)
        run = program("generate", "--from", "rows.txt")
        assert (run.status, program.sandbox.received) == (2, {})
        assert "rows.txt, line 1: it has the form of a table or of JSON" in run.err


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("[genrate]\nmax-credits = 5\n", "[genrate] is no command; did you mean [generate]?"),
        ("[generate]\napi_key = 'x'\n", "the key is no option; it comes from VIDGO_API_KEY"),
    ],
)
def test_settings_that_would_be_ignored(program: Program, text: str, about: str) -> None:
    """A table of no command, and a key, are refused."""
    Path("vidgo.toml").write_text(text)
    run = program("generate", FOX)
    assert (run.status, program.sandbox.received) == (2, {})
    assert about in " ".join(run.err.replace("│", " ").split())


@pytest.mark.parametrize("out", ["file", "file/films", "new/films"])
def test_a_dry_run_checks_the_folder(program: Program, tmp_path: Path, out: str) -> None:
    """It makes none, and says where none could be made."""
    (tmp_path / "file").touch()
    run = program("generate", FOX, "--out", out, "--dry-run")
    assert run.status == (0 if out == "new/films" else 2)
    assert not (tmp_path / "new").exists()


def test_an_empty_file_is_no_journal(program: Program) -> None:
    """`resume` makes none of it."""
    Path("empty").touch()
    run = program("resume", "empty")
    assert run.status == 2
    assert Path("empty").stat().st_size == 0


def test_results_are_named_alike(start: Start) -> None:
    """Whether a file is new or of an earlier run, its path is the same."""
    program = start(seconds=(5, 5))
    command = ("generate", FOX, "--out", "films")
    assert program(*command).out == program(*command).out == "films/0001-a-fox-in-snow.mp4\n"


def test_unknown_outcomes_are_told_apart(program: Program) -> None:
    """A line says whether a row failed, is not saved, or was perhaps bought."""
    program.sandbox.inject(reset_after, "submit")
    run = program("generate", FOX, "a hare", "--timeout", "2", "--max-in-flight", "1")
    assert "1 of 2: a fox in snow: perhaps bought: a task may exist" in run.err
    assert "2 of 2: a hare: not saved: task " in run.err
