"""The journal of the program: the same command again buys only what is missing."""

import re
import signal
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.faults import InFlight
from tests.support.program import FOX, Program, Start, ended, leave, of, started, until
from vidgo_async import Journal
from vidgo_async.cli.running.journals import NAME
from vidgo_async.sandbox import Sandbox, after, answer, reset_after, slow

HARE = "a hare"


def test_the_same_command_buys_nothing(program: Program) -> None:
    """With `--out` there is a journal, and the second run says what it did not buy."""
    command = ("generate", FOX, HARE, "--out", "films")
    first = program(*command)
    second = program(*command)
    third = program(*command, "--no-journal")

    assert (first.status, second.status, third.status) == (0, 0, 0)
    assert "earlier run" not in first.err
    assert "2 bought by an earlier run, and not again" in second.err
    assert "--again" in second.err
    assert first.out.count(".mp4") == second.out.count(".mp4") == 2
    assert program.sandbox.sold == 4
    assert Path("films", NAME).stat().st_mode & 0o777 == 0o600


def test_only_what_is_missing_is_bought(program: Program) -> None:
    """A prompt that was added is bought, a failed one again, and no other."""
    program.sandbox.inject(answer(400, {"code": 400, "message": "too dark"}), call="submit", skip=1)
    first = program("generate", FOX, HARE, "--out", "films")
    assert (first.status, program.sandbox.sold) == (1, 1)
    second = program("generate", "a lake", HARE, FOX, "--out", "films")
    assert (second.status, program.sandbox.sold) == (0, 3)
    assert "1 bought by an earlier run" in second.err


def test_again(program: Program) -> None:
    """`--again` buys anew, and puts the journal aside."""
    command = ("generate", FOX, "--out", "films")
    program(*command)
    for number in (1, 2):
        run = program(*command, "--again")
        assert f"{NAME}-{number}" in run.err
    assert program.sandbox.sold == 3
    assert "1 bought by" in program(*command).err
    assert program.sandbox.sold == 3
    assert program("generate", FOX, "--journal", "new.vidgo", "--again").status == 0


def test_without_out_there_is_none(program: Program) -> None:
    """Nor is there one with `--sandbox`; `--journal` names one."""
    program("generate", FOX)
    program("generate", FOX)
    assert program.sandbox.sold == 2
    for _ in range(2):
        program("generate", FOX, "--journal", "foxes.vidgo")
    assert program.sandbox.sold == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--journal", "a", "--no-journal"], "--no-journal"),
        (["--journal", "a", "--sandbox"], "--sandbox"),
        (["--again"], "--again"),
        (["--again", "--out", "films", "--no-journal"], "--again"),
    ],
)
def test_options_that_exclude_each_other(
    program: Program, options: list[str], problem: str
) -> None:
    """They are said before anything is bought."""
    run = program("generate", FOX, *options)
    assert (run.status, program.sandbox.received) == (2, {})
    assert problem in run.err


async def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """Ctrl-C, and the same command: each video once."""
    async with Sandbox(seconds=(1.5, 1.5)) as sandbox:
        command = ("generate", FOX, HARE, "--out", "films")
        environment = {**of(sandbox), "VIDGO_POLL_INTERVAL": "0.1"}
        async with started(*command, environment=environment) as process:
            await until(lambda: sandbox.received["status"])
            said = await leave(process, signal.SIGINT)
            run = await ended(process, err=said)
        assert run.status == 130
        assert f"  vidgo-async {' '.join(command[:1])} " in run.err
        async with started(*command, environment=environment) as process:
            run = await ended(process)
        assert run.status == 0
        assert sandbox.sold == 2
    assert len(list((tmp_path / "films").glob("*.mp4"))) == 2


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
async def test_a_signal_leaves_nothing_unknown(name: str) -> None:
    """POSTs in flight are answered and written down before the program ends."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox:
        sandbox.inject(after(slow(1)), times=2)
        command = ("generate", FOX, HARE, "--out", "films")
        environment = {**of(sandbox), "VIDGO_POLL_INTERVAL": "0.1"}
        async with started(*command, environment=environment) as process:
            await until(lambda: sandbox.sold == 2)
            said = await leave(process, getattr(signal, name))
            run = await ended(process, err=said)
        assert run.status == 128 + getattr(signal, name)
        async with Journal(Path("films", NAME)) as journal:
            assert [entry.state for entry in await journal.entries()] == ["bought", "bought"]
        async with started(*command, environment=environment) as process:
            run = await ended(process)
        assert (run.status, sandbox.sold) == (0, 2)


async def test_a_process_that_is_stopped() -> None:
    """A laptop that sleeps in the middle of submits buys nothing twice."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox:
        command = ("generate", FOX, HARE, "a lake", "--out", "films")
        environment = {**of(sandbox), "VIDGO_POLL_INTERVAL": "0.1"}
        async with started(*command, environment=environment) as process:
            await until(lambda: sandbox.received["submit"])
            process.send_signal(signal.SIGSTOP)
            await anyio.sleep(5)
            process.send_signal(signal.SIGCONT)
            first = await ended(process)
        async with started(*command, environment=environment) as process:
            second = await ended(process)
        assert (first.status, second.status, sandbox.sold) == (0, 0, 3)


async def test_a_second_run_at_once(tmp_path: Path) -> None:
    """It is refused, with a way to do without."""
    async with Sandbox(seconds=(2, 2)) as sandbox:
        command = ("generate", FOX, "--out", "films")
        environment = {**of(sandbox), "VIDGO_POLL_INTERVAL": "0.1"}
        async with started(*command, environment=environment) as process:
            await until(lambda: sandbox.received["status"])
            gate = InFlight()  # the first does not end before the second
            sandbox.inject(gate, call="status", times=None)
            async with started(*command, environment=environment) as second:
                refused = await ended(second)
            gate.release()
            first = await ended(process)
        assert (first.status, refused.status) == (0, 1)
        assert "in use" in refused.err
        assert "--no-journal" in refused.err
        assert sandbox.sold == 1


def test_another_server(start: Start) -> None:
    """A journal of one server is no use with another."""
    start()("generate", FOX, "--out", "films")
    other = start()
    run = other("generate", FOX, "--out", "films")
    assert (run.status, other.sandbox.received["submit"]) == (1, 0)
    assert "made for the server" in run.err


def test_where_locks_do_not_work(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The journal lies in the user's state folder, and the program says so."""

    class Remote(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            (_, _, file), *_ = super().execute("PRAGMA database_list").fetchall() or [("", "", "")]
            if "journal_mode" in statement and "films" in file:
                return super().execute("SELECT 'delete'")
            return super().execute(statement, *arguments)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=Remote, **k))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for _ in range(2):
        run = program("generate", FOX, "--out", "films")
        assert run.status == 0
        assert "locks do not work in films" in run.err
    assert program.sandbox.sold == 1
    assert len(list((tmp_path / "state" / "vidgo-async").glob("*.vidgo"))) == 1
    named = program("generate", FOX, "--journal", "films/named.vidgo")
    assert (named.status, program.sandbox.sold) == (1, 1)
    assert "local disk" in named.err


def test_the_state_folder(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it is where such programs keep theirs."""
    from vidgo_async.cli.running.journals import _state_folder  # noqa: PLC0415

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert _state_folder() == Path.home() / ".local/state/vidgo-async"


# --- journal and resume ---------------------------------------------------------------------


def test_an_unknown_one_is_settled(program: Program) -> None:
    """`journal` shows what is unknown, and adopts or forgets it; `resume` goes on with all."""
    program.sandbox.inject(reset_after, call="submit", times=2)
    program("generate", FOX, HARE, "a lake", "--out", "films")
    file = f"films/{NAME}"
    listed = program("journal", file)
    assert re.findall(r"^ +\d+  (\w+)", listed.out, re.MULTILINE).count("unknown") == 2
    unknown = program("journal", file, "--state", "unknown")
    numbers = re.findall(r"^ +(\d+)  unknown", unknown.out, re.MULTILINE)
    sold = {task.input["prompt"]: task.task_id for task in program.sandbox.tasks.values()}
    assert len(numbers) == 2
    found = sold[FOX] if FOX in unknown.out.splitlines()[0] else sold[HARE]

    assert program("journal", file, "--adopt", numbers[0], found).status == 0
    assert program("journal", file, "--forget", numbers[1]).status == 0
    assert program("journal", file, "--forget", numbers[1]).status == 1
    assert "no entry 99" in program("journal", file, "--forget", "99").err
    run = program("resume", file, "--out", "films")
    assert run.status == 0
    assert run.out.count(".mp4") == 3
    assert program.sandbox.sold == 4


@pytest.mark.parametrize("command", ["journal", "resume"])
def test_a_journal_that_is_not_there(program: Program, command: str) -> None:
    """None is made by mistake."""
    run = program(command, "missing.vidgo")
    assert run.status == 2
    assert "no such journal" in run.err
    assert not Path("missing.vidgo").exists()


@pytest.mark.parametrize("command", ["journal", "resume"])
def test_a_file_that_is_no_journal(program: Program, command: str) -> None:
    """It is said, in one line."""
    Path("notes.txt").write_text("notes " * 1000)
    run = program(command, "notes.txt")
    assert run.status == 1
    assert "no journal" in run.err
