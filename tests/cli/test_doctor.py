"""`doctor`, `page` and `sandbox`."""

import json
import os
import pty
import shutil
import signal
import webbrowser
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import FOX, PROGRAM, Program, Start, ended, read_until, started
from vidgo_async import VidgoSession
from vidgo_async.cli.commands import doctor
from vidgo_async.sandbox import answer


def findings(program: Program, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    run = program("doctor", "--json", *options)
    found = [json.loads(line) for line in run.out.splitlines()]
    return run.status, {each["check"]: each for each in found}


def test_all_is_well(program: Program) -> None:
    """Each check says what it found."""
    status, found = findings(program)
    assert status == 0
    assert list(found) == [
        "key",
        "balance",
        "address",
        "clock",
        "file host",
        "folder",
        "journal",
        "terminal",
    ]
    assert found["key"]["found"] == "of you@example.com"
    assert found["balance"]["found"] == "1000 credits"
    assert found["address"]["found"] == program.sandbox.url
    assert program.sandbox.received["submit"] == 0


def test_a_table_for_people(program: Program) -> None:
    """Without `--json` it is a table, with what to do in its last column."""
    run = program("doctor")
    assert run.out.splitlines()[0].split() == ["check", "result", "found", "advice"]


def test_no_key(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    """Without a key the rest is checked all the same."""
    monkeypatch.delenv("VIDGO_API_KEY")
    status, found = findings(program)
    assert (status, found["key"]["result"]) == (1, "failed")
    assert "VIDGO_API_KEY" in found["key"]["advice"]
    assert found["folder"]["result"] == "ok"


def test_a_setting_that_is_wrong(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    """What else is wrong in the environment is not called a key."""
    monkeypatch.setenv("VIDGO_BASE_URL", "nonsense")
    status, found = findings(program)
    assert (status, found["settings"]["result"]) == (1, "failed")
    assert "base_url must be an http" in found["settings"]["found"]


def test_a_key_that_is_refused(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    """A refused key is told apart from an address that does not answer."""
    monkeypatch.setenv("VIDGO_API_KEY", "another")
    status, found = findings(program)
    assert (status, found["key"]["result"], found["address"]["result"]) == (1, "failed", "ok")


def test_no_credits(start: Start) -> None:
    """An empty account is a failure that says what to do."""
    status, found = findings(start(credits=0.0))
    assert (status, found["balance"]["advice"]) == (1, "buy credits")


def test_an_address_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    """It says so for the address, and that the rest could not be found out."""
    monkeypatch.setenv("VIDGO_BASE_URL", "http://127.0.0.1:9")
    status, found = findings(program)
    assert status == 1
    assert found["address"]["result"] == "failed"
    assert "VIDGO_BASE_URL" in found["address"]["advice"]
    assert found["key"]["result"] == found["clock"]["result"] == "warning"
    assert found["file host"]["result"] == "warning"


@pytest.mark.parametrize(
    ("date", "result"),
    [
        ("Wed, 01 Jan 2020 00:00:00 GMT", "failed"),
        ("soon", "warning"),
        (None, "ok"),
    ],
)
def test_the_clock(program: Program, date: str | None, result: str) -> None:
    """It is compared with the date of an answer."""
    if date is not None:
        program.sandbox.inject(answer(404, "", {"Date": date}), call=None)
    _, found = findings(program)
    assert found["clock"]["result"] == result


def test_any_answer_will_do(program: Program) -> None:
    """A page at the address is as good as a refusal: something answers."""
    program.sandbox.inject(answer(200, "welcome"), call=None)
    assert findings(program)[1]["address"]["result"] == "ok"


async def test_an_answer_without_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a date the clock is not known to be right."""
    assert doctor._clock(None).result == "warning"


def test_the_real_file_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real API the host of the status page is asked."""
    assert doctor._file_host("https://api.vidgo.ai") == "https://storage.vidgo.ai"
    assert doctor._file_host("http://127.0.0.1:8000") == "http://127.0.0.1:8000"


def test_a_folder_that_takes_no_files(program: Program, tmp_path: Path) -> None:
    """The folder is tried out."""
    (tmp_path / "file").touch()
    status, found = findings(program, "file")
    assert (status, found["folder"]["result"], found["journal"]["result"]) == (
        1,
        "failed",
        "failed",
    )


def test_a_disk_that_is_nearly_full(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Little room is a warning."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    assert findings(program)[1]["folder"]["result"] == "warning"


@pytest.mark.parametrize(("columns", "result"), [("100", "ok"), ("30", "warning")])
async def test_the_terminal(columns: str, result: str) -> None:
    """A terminal that is too narrow for the bar is told."""
    main, terminal = pty.openpty()
    environment = {"COLUMNS": columns, "TERM": "xterm"}
    process = await _with_stderr(terminal, environment)
    assert {"terminal": result}.items() <= process.items()
    os.close(main)
    os.close(terminal)


async def _with_stderr(terminal: int, environment: dict[str, str]) -> dict[str, str]:
    import anyio  # noqa: PLC0415

    command = [*PROGRAM, "doctor", "--sandbox", "--json"]
    env = {**os.environ, **environment}
    run = await anyio.run_process(command, stderr=terminal, env=env)
    found = [json.loads(line) for line in run.stdout.decode().splitlines()]
    return {each["check"]: each["result"] for each in found}


# --- page and sandbox --------------------------------------------------------------------------


def test_the_page_is_rebuilt_and_opened(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`page` writes it anew; `--open` opens it, there and after `generate`."""
    opened = list[str]()
    monkeypatch.setattr(webbrowser, "open", opened.append)
    page = tmp_path / "films/index.html"
    assert program("generate", FOX, "--out", "films", "--open").status == 0
    page.unlink()
    run = program("page", "films", "--open")
    assert (run.status, run.out) == (0, "films/index.html\n")
    assert FOX in page.read_text()
    assert opened == [page.as_uri()] * 2


def test_a_page_of_the_users_is_kept(program: Program, tmp_path: Path) -> None:
    """An `index.html` of another program is not replaced, and the videos are saved."""
    Path("index.html").write_text("<h1>mine</h1>")
    run = program("generate", FOX)
    assert run.status == 0
    assert "no page: " in run.err
    assert Path("index.html").read_text() == "<h1>mine</h1>"
    assert program("page").status == 2


def test_no_page_to_open(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no page was written none is opened."""
    opened = list[Any]()
    monkeypatch.setattr(webbrowser, "open", opened.append)
    program.sandbox.inject(answer(400, {"code": 400, "message": "no"}), "submit")
    Path("index.html").write_text("mine")
    assert program("generate", FOX, "--open").status == 1
    assert opened == []


async def test_a_sandbox_on_a_port() -> None:
    """`sandbox` serves until Ctrl-C, and prints what to export."""
    async with started("sandbox", "--port", "0", "--realistic") as process:
        line = await read_until(process.stdout, "\n")
        url = line.split("VIDGO_BASE_URL=")[1].split()[0]
        async with VidgoSession("sandbox-key", base_url=url) as vidgo:
            assert (await vidgo.balance()).credits == 1000
        process.send_signal(signal.SIGINT)
        run = await ended(process)
    assert run.status == 0


@pytest.mark.parametrize("options", [["--failure-rate", "2"], ["--port", "-1"]])
async def test_wrong_options_of_the_sandbox(options: list[str]) -> None:
    """They are told."""
    async with started("sandbox", *options) as process:
        run = await ended(process)
    assert run.status == 2
