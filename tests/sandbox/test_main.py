"""Prove that `python -m vidgo_async.sandbox` serves, and exits without output."""

import signal
import sys
from typing import Any
from unittest import mock

import aiohttp
import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from vidgo_async.sandbox import REALISTIC, Sandbox, __main__
from vidgo_async.sandbox.server import QUICK

COMMAND = [sys.executable, "-m", "vidgo_async.sandbox"]


async def environment(line: str) -> dict[str, str]:
    """Run the line in a shell, and return the shell's environment."""
    shell = await anyio.run_process(f"{line.strip()}; env")
    return dict(each.split("=", 1) for each in shell.stdout.decode().splitlines())


@pytest.mark.usefixtures("interruptible")
async def test_serves_until_interrupted() -> None:
    """The printed line sets a shell's environment, and Ctrl-C exits without further output."""
    async with await anyio.open_process([*COMMAND, "--port", "0", "--key", "k'y"]) as process:
        assert process.stdout
        assert process.stderr
        output = BufferedByteReceiveStream(process.stdout)
        variables = await environment((await output.receive_until(b"\n", 200)).decode())
        headers = {"Authorization": f"Bearer {variables['VIDGO_API_KEY']}"}
        async with aiohttp.ClientSession(variables["VIDGO_BASE_URL"], headers=headers) as http:
            async with http.get("/api/user/balance") as response:
                assert response.status == 200
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        assert 0 < float(variables["VIDGO_POLL_INTERVAL"]) < QUICK[0]
        assert [chunk async for chunk in output] == []
        assert [chunk async for chunk in process.stderr] == []


@pytest.mark.usefixtures("interruptible")
async def test_realistic_videos_are_polled_by_the_default_policy() -> None:
    """With `--realistic` the printed line empties the interval, also of a shell that has one."""
    command = [*COMMAND, "--port", "0", "--realistic"]
    async with await anyio.open_process(command) as process:
        assert process.stdout
        output = BufferedByteReceiveStream(process.stdout)
        line = (await output.receive_until(b"\n", 200)).decode()
        variables = await environment(f"VIDGO_POLL_INTERVAL=3; {line}")
        process.send_signal(signal.SIGINT)
    assert variables["VIDGO_POLL_INTERVAL"] == ""


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ([], {"port": 8765, "seconds": QUICK}),
        (["--port", "1234"], {"port": 1234}),
        (["--seed", "7"], {"seed": 7}),
        (["--realistic"], {"seconds": REALISTIC}),
        (["--failure-rate", "0.25"], {"failure_rate": 0.25}),
        (["--key", "secret-key"], {"api_key": "secret-key"}),
    ],
)
def test_options_reach_the_sandbox(arguments: list[str], settings: dict[str, Any]) -> None:
    """Each option sets a setting, and `main` returns on an interrupt."""
    make = mock.create_autospec(Sandbox)
    make.return_value.__aenter__ = mock.AsyncMock(side_effect=KeyboardInterrupt)
    with mock.patch.object(__main__, "Sandbox", make):
        __main__.main(arguments)
    assert make.call_args.kwargs.items() >= settings.items()


@pytest.mark.parametrize(
    ("arguments", "about"),
    [(["--failure-rate", "2"], "failure_rate"), (["--key", ""], "api_key"), (["x"], "x")],
)
def test_bad_option_is_reported(
    arguments: list[str], about: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad option exits with status 2, and its name is printed."""
    with pytest.raises(SystemExit) as caught:
        __main__.main(arguments)
    assert caught.value.code == 2
    assert about in capsys.readouterr().err


async def test_taken_port_is_reported() -> None:
    """A port in use exits with status 2 and a message, without a traceback."""
    async with Sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2]
        ended = await anyio.run_process([*COMMAND, "--port", port], check=False)
    assert ended.returncode == 2
    assert b"in use" in ended.stderr
    assert b"Traceback" not in ended.stderr
