"""The way to the server: proxies of the environment, and a server that cannot be reached."""

import contextlib
import signal
import socket
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

from tests.support.files import names_in
from tests.support.program import FOX, Program, Start, ended, of, read_until, started
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.sandbox import Sandbox, answer

RETRY = "trying again: "


def retries(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith(RETRY)]


@contextlib.contextmanager
def closed_port() -> Generator[str]:
    """Give an address that refuses connections: its port is taken, and nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# --- Proxies ---------------------------------------------------------------------------------


def behind(proxy: str) -> dict[str, str]:
    """Return the environment for a server that only a proxy can reach: its name is of no host."""
    return {"VIDGO_BASE_URL": "http://vidgo.invalid", "http_proxy": proxy, "no_proxy": ""}


async def test_proxy_of_the_environment_applies(tmp_path: Path) -> None:
    """The real program polls and downloads through the proxy that the environment names."""
    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            task = await vidgo.submit(GrokImagine(prompt=FOX))
        environment = {**of(sandbox), **behind(sandbox.url)}
        async with started("wait", task.task_id, environment=environment) as process:
            run = await ended(process)
        [file] = [call for call in sandbox.calls if call.name == "file"]
    assert (run.status, retries(run.err)) == (0, [])
    assert file.headers is not None
    assert file.headers["Host"] == "vidgo.invalid"
    assert names_in(tmp_path) == [f"{task.task_id}.mp4"]


@pytest.mark.parametrize("command", ["generate", "wait", "download", "upload", "balance"])
def test_proxy_applies_to_each_command(
    start: Start, fox: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Each command reaches the server through the proxy."""
    program = start(seconds=(0.0, 0.0))
    task_ids = program.buy(FOX)
    program.sandbox.calls.clear()
    for name, value in behind(program.sandbox.url).items():
        monkeypatch.setenv(name, value)
    arguments = {"generate": [FOX], "upload": [str(fox)], "balance": []}
    run = program(command, *arguments.get(command, task_ids))
    assert (run.status, retries(run.err)) == (0, [])
    assert program.sandbox.calls


async def test_proxy_never_applies_to_the_sandbox(tmp_path: Path) -> None:
    """With `--sandbox` the proxy variables are ignored: a proxy that is not there does no harm."""
    with closed_port() as proxy:
        environment = {"http_proxy": proxy, "all_proxy": proxy, "no_proxy": ""}
        async with started("generate", FOX, "--sandbox", environment=environment) as process:
            run = await ended(process)
    assert run.status == 0
    assert len(names_in(tmp_path)) == 1


# --- A server that cannot be reached ---------------------------------------------------------


@pytest.mark.parametrize("command", ["generate", "wait"])
async def test_unreachable_server_is_named_at_once(command: str) -> None:
    """The first failure is printed while the program goes on trying; Ctrl-C then ends it."""
    with closed_port() as url:
        environment = {"VIDGO_BASE_URL": url, "VIDGO_API_KEY": "key"}
        async with started(command, "fox", environment=environment) as process:
            with anyio.fail_after(20):
                err = await read_until(process.stderr, "\n")
            assert process.returncode is None
            process.send_signal(signal.SIGINT)
            run = await ended(process, err=err)
    assert run.status == 130
    [line] = retries(run.err)
    assert url.removeprefix("http://") in line


@pytest.mark.parametrize("call", ["submit", "status"])
def test_short_outage_is_one_line(program: Program, tmp_path: Path, call: str) -> None:
    """After an outage the program goes on, and ends as if nothing had been."""
    busy = answer(503, {"code": 503, "error": {"message": "busy", "type": "service_error"}})
    program.sandbox.inject(busy, call=call, times=3)
    run = program("generate", FOX)
    assert (run.status, retries(run.err)) == (0, [f"{RETRY}503 service_error: busy"])
    assert names_in(tmp_path) == ["0001-a-fox-in-snow.mp4"]


def test_lasting_failure_is_printed_once_a_minute(program: Program) -> None:
    """While the server fails, a line a minute is printed, however many tasks are waited for."""
    program.sandbox.inject(answer(502), call="status", times=None)
    run = program("wait", "a", "b", "c", "--timeout", "150")
    assert run.status == 3
    assert 2 <= len(retries(run.err)) <= 3
    assert retries(run.err)[0] == f"{RETRY}502: Bad Gateway"


@pytest.mark.parametrize("status", [429, 404, 401])
def test_refusal_is_no_failure_of_the_server(program: Program, status: int) -> None:
    """A server that asks to slow down, or refuses a poll, is there: nothing is printed."""
    [task_id] = program.buy(FOX)
    refused = answer(status, {"code": status, "message": "no"})
    program.sandbox.inject(refused, call="status", times=2)
    run = program("wait", task_id, "--quiet")
    assert (run.status, run.err) == (0, "")
