"""`--webhook-url` and `--webhook-port`: the program takes callbacks during a run."""

import os
import socket

import pytest

from tests.support.program import FOX, Program, Start, ended, started
from tests.support.servers import free_port
from vidgo_async.cli.program import app


@pytest.fixture
def port() -> int:
    """Give a port that is free."""
    return free_port()


def test_callbacks_end_the_wait(start: Start, port: int) -> None:
    """A run with a receiver polls each task once, when it ended."""
    program = start(seconds=(400.0, 400.0))
    url = f"http://127.0.0.1:{port}/hook"
    run = program("generate", FOX, "a lake", "--webhook-url", url, "--webhook-port", str(port))

    assert run.status == 0
    assert run.out.count(".mp4") == 2
    assert program.sandbox.received["status"] <= 4
    assert {each.status for each in program.sandbox.callback_attempts} == {200}
    for task in program.sandbox.tasks.values():
        assert task.callback_url is not None
        token = task.callback_url.partition("=")[2]
        assert len(token) > 30
        assert token not in run.out + run.err


async def test_in_the_sandbox(port: int) -> None:
    """It works with `--sandbox` too, which costs nothing to try a tunnel with."""
    options = ["--webhook-url", f"http://localhost:{port}", "--webhook-port", str(port)]
    env = {"VIDGO_WEBHOOK_TOKEN": "a-token-for-tests-1234"}
    async with started("generate", FOX, "--sandbox", *options, environment=env) as process:
        run = await ended(process)
    assert (run.status, run.out.count(".mp4")) == (0, 1)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--webhook-url", "https://a.example"], "go together"),
        (["--webhook-port", "8080"], "go together"),
        (["--webhook-url", "https://a.example", "--webhook-port", "0"], "between 1 and 65535"),
        (["--webhook-url", "a.example", "--webhook-port", "8080"], "http:// or https://"),
    ],
)
def test_bad_options(program: Program, options: list[str], problem: str) -> None:
    """A wrong option is said before anything is bought, with exit status 2."""
    run = program("generate", FOX, *options)
    assert run.status == 2
    assert problem in run.err
    assert program.sandbox.sold == 0


def test_a_short_token(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a token of the environment that can be guessed."""
    monkeypatch.setitem(os.environ, "VIDGO_WEBHOOK_TOKEN", "short")
    run = program("generate", FOX, "--webhook-url", "https://a.example", "--webhook-port", "8080")
    assert (run.status, program.sandbox.sold) == (2, 0)
    assert "16" in run.err


def test_a_port_that_is_taken(program: Program) -> None:
    """The port is tried before anything is bought."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        run = program(
            "generate", FOX, "--webhook-url", "https://a.example", "--webhook-port", number
        )
    assert (run.status, program.sandbox.sold) == (2, 0)
    assert f"--webhook-port {number}" in run.err


def test_the_options_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names both."""
    app(["generate", "--help"], result_action="return_value")
    shown = capsys.readouterr().out
    assert "--webhook-url" in shown
    assert "--webhook-port" in shown
