"""What every command has: JSON, a quiet and a loud way, help, settings from files and variables."""

import io
import json
import re
from pathlib import Path

import pytest

from tests.support.files import names_in
from tests.support.program import FOX, Program, Start, ended, started
from tests.support.uploads import picture
from vidgo_async.cli import config
from vidgo_async.cli import program as program_module
from vidgo_async.cli.outputs.lines import print_line
from vidgo_async.sandbox import answer

COMMANDS = [*program_module.COMMANDS, *(f"queue {name}" for name in program_module.QUEUE)]


def records(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(program: Program, command: str) -> None:
    """Each command explains itself, with an example of its own."""
    run = program(*command.split(), "--help")
    assert run.status == 0
    assert f"Example: vidgo-async {command} " in " ".join(run.out.split())
    assert "--json" in run.out or command == "sandbox"


def test_there_is_shell_completion(program: Program) -> None:
    """cyclopts installs it for the shell at hand."""
    assert "--install-completion" in program("--help").out


@pytest.mark.parametrize("option", ["--key", "--api-key"])
def test_the_key_is_no_option(program: Program, option: str) -> None:
    """A key on the command line would be seen by other users of the machine."""
    assert program("balance", option, "x").status == 2


# --- Output ----------------------------------------------------------------------------------


def test_status_is_a_table(program: Program) -> None:
    """`status` prints a row for each task, and an error for an id that is not known."""
    task_ids = program.buy(FOX, "a hare")
    run = program("status", *task_ids, "no-such-task")
    assert run.status == 1
    header, *rows = run.out.splitlines()
    assert header.split() == ["task_id", "status", "progress", "credits", "error"]
    assert [row.split()[:2] for row in rows] == [[each, "not_started"] for each in task_ids]
    assert "no-such-task: 404" in run.err
    as_json = program("status", *task_ids, "--json")
    assert [each["status"] for each in records(as_json.out)] == ["not_started"] * 2


def test_each_command_has_json(start: Start, tmp_path: Path) -> None:
    """With `--json` each result is an object on a line, with a version."""
    program = start(seconds=(5, 5))
    [task_id] = program.buy(FOX)
    runs = [
        program("wait", task_id, "--json", "-q"),
        program("download", task_id, "--json"),
        program("upload", str(picture(tmp_path)), "--json"),
        program("balance", "--json"),
        program("doctor", "--sandbox", "--json"),
        program("generate", FOX, "--json", "--out", "films"),
        program("journal", "films/.vidgo-journal", "--json"),
        program("resume", "films/.vidgo-journal", "--out", "films", "--json"),
        program("page", "films", "--json"),
    ]
    assert [run.status for run in runs] == [0] * len(runs)
    for run in runs:
        found = records(run.out)
        assert found
        assert {each["version"] for each in found} == {1}


def test_quiet_and_verbose(program: Program) -> None:
    """`-q` leaves results and errors; `-v` adds the library's log."""
    program.sandbox.inject(answer(400, {"code": 400, "message": "too dark"}), "submit", skip=1)
    run = program("generate", FOX, "a hare", "--quiet")
    assert (run.status, run.out.count(".mp4")) == (1, 1)
    assert run.err.count("\n") == 1
    assert "failed: 400: too dark" in run.err
    run = program("generate", FOX, "--verbose")
    assert "info: submitted " in run.err


@pytest.mark.parametrize(("mode", "lines"), [("auto", 1), ("text", 1), ("bar", 1), ("none", 0)])
def test_progress_without_a_terminal(program: Program, mode: str, lines: int) -> None:
    """In a pipe a bar is lines; `none` prints none."""
    run = program("generate", FOX, "--progress", mode)
    assert run.err.count(f"1 of 1: {FOX}: finished") == lines


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
async def test_consoles_with_few_characters(encoding: str, tmp_path: Path) -> None:
    """What a console cannot show is escaped, and costs no video."""
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"}
    async with started("generate", "狐 🦊", "--sandbox", environment=environment) as process:
        assert process.stdout is not None
        raw = b"".join([chunk async for chunk in process.stdout])
        err = await ended_error(process)
    assert process.returncode == 0
    assert b"\\u72d0.mp4" in raw
    assert "\\U0001f98a" in err or "?" in err
    assert names_in(tmp_path) == ["0001-狐.mp4"]


async def ended_error(process: object) -> str:
    run = await ended(process, "")  # type: ignore[arg-type]  # its output was read
    return run.err


async def test_a_closed_pipe_costs_no_video(tmp_path: Path) -> None:
    """`vidgo-async generate … | head -1`: all is saved."""
    async with started("generate", FOX, "a hare", "a lake", "--sandbox") as process:
        assert process.stdout is not None
        await process.stdout.receive(1)
        await process.stdout.aclose()
        assert await process.wait() == 0
    assert len(names_in(tmp_path)) == 3


# --- Settings --------------------------------------------------------------------------------


def test_options_from_files_and_variables(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is typed wins over a variable, that over the file here, that over the user's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/vidgo").mkdir(parents=True)
    (tmp_path / "config/vidgo/vidgo.toml").write_text(
        '[generate]\nout = "user"\nprogress = "none"\n'
    )
    assert program("generate", "1").status == 0
    assert names_in(tmp_path / "user") == ["0001-1.mp4"]
    Path("vidgo.toml").write_text('[generate]\nout = "here"\nset = ["duration=10"]\n')
    assert program("generate", "2").status == 0
    assert names_in(tmp_path / "here") == ["0001-2.mp4"]
    monkeypatch.setenv("VIDGO_OUT", "variable")
    assert program("generate", "3").status == 0
    run = program("generate", "4", "--out", "typed")
    assert (run.status, names_in(tmp_path / "typed")) == (0, ["0001-4.mp4"])
    assert "finished after" not in run.err  # by the user's own file
    assert names_in(tmp_path / "variable") == ["0001-3.mp4"]
    inputs = [task.input.get("duration") for task in program.sandbox.tasks.values()]
    assert inputs == [None, 10, 10, 10]


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("out = 'films'\n", "out stands in no table; put it under its command"),
        ("api_key = 'x'\n", "the key is no option; it comes from VIDGO_API_KEY"),
        ("[generate]\ncolour = 'red'\n", "colour"),
        ("[generate]\nmax-in-flight = 'many'\n", "many"),
        ("[generate\n", "vidgo.toml"),
    ],
)
def test_wrong_files(program: Program, text: str, about: str) -> None:
    """A mistake in a file is one sentence that names it, before anything is bought."""
    Path("vidgo.toml").write_text(text)
    run = program("generate", FOX)
    assert (run.status, program.sandbox.received) == (2, {})
    assert about in " ".join(run.err.replace("│", " ").split())


def test_the_user_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it is where such programs keep their settings."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("APPDATA", raising=False)
    assert config._user_folder() == Path.home() / ".config/vidgo"
    monkeypatch.setenv("APPDATA", "roaming")
    assert config._user_folder() == Path("roaming/vidgo")


# --- Errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
def test_a_bug_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    """An unexpected error is told in a sentence, with its traceback only with `--debug`."""

    def broken(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(program_module, "app", broken)
    monkeypatch.setattr("sys.argv", ["vidgo-async", "balance", *(["--debug"] if debug else [])])
    with pytest.raises(SystemExit) as left:
        program_module.main()
    assert left.value.code == "vidgo-async: unexpected KeyError: 'x' (--debug shows where)"
    assert ("Traceback" in capsys.readouterr().err) is debug


def test_a_reader_that_has_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--help | head -1` is no error."""

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    moved = list[int]()
    monkeypatch.setattr(program_module, "app", broken)
    monkeypatch.setattr("os.dup2", lambda source, target: moved.append(target))
    program_module.main()
    assert moved == [1]


def test_a_stream_that_is_closed() -> None:
    """Where standard error was closed before the start, nothing is written."""
    print_line(None, "a line")


def test_a_line_that_a_stream_cannot_encode() -> None:
    """It is escaped."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    print_line(stream, "füchse")
    assert written.getvalue() == b"f\\xfcchse\n"


def test_a_proxy_can_be_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--proxy` is used for every host, but the sandbox."""
    url = program.sandbox.url
    monkeypatch.setenv("VIDGO_BASE_URL", "http://vidgo.invalid")
    assert program("generate", FOX, "--proxy", url).status == 0
    assert program("balance", "--proxy", url).status == 0
    assert program("balance", "--proxy", "http://127.0.0.1:9", "--sandbox").status == 0
    run = program("balance", "--proxy", "nonsense")
    assert run.status == 2
    assert re.match("vidgo-async: proxy must be an http", run.err)
