"""The command line program: run in this process, or in one of its own."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import pytest
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

from vidgo_async import GrokImagine, Task, VidgoSession
from vidgo_async.cli.program import app
from vidgo_async.sandbox import Fault, Sandbox, answer

FOX = "a fox in snow"
PROGRAM = [sys.executable, "-m", "vidgo_async"]


@attrs.frozen
class Ended:
    """The exit status and the output of a run."""

    status: int
    out: str
    err: str

    @property
    def unsaved(self) -> list[str]:
        """The arguments of the command that it prints to go on with; empty if it prints none."""
        commands = re.findall("^  vidgo-async (wait .*)$", self.err, re.MULTILINE)
        return shlex.split(commands[0]) if commands else []


@attrs.frozen
class Program:
    """Runs the program in this process, on the loop of its server."""

    sandbox: Sandbox
    runner: asyncio.Runner
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        """Run it to its end."""
        with pytest.raises(SystemExit) as left:
            app(arguments)
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.err
        assert isinstance(left.value.code, int)
        return Ended(left.value.code, captured.out, captured.err)

    def buy(self, *prompts: str) -> list[str]:
        """Buy tasks as another program would, and return their ids."""

        async def submit() -> list[Task]:
            async with VidgoSession() as vidgo:
                return await vidgo.submit_many([GrokImagine(prompt=each) for each in prompts])

        return [task.task_id for task in self.runner.run(submit())]


Start = Callable[..., Program]


async def until(is_true: Callable[[], object]) -> None:
    """Wait until something is so in the sandbox, which sets no event."""
    while not is_true():  # noqa: ASYNC110
        await anyio.sleep(0.005)


async def leave(process: Process, number: signal.Signals) -> str:
    """End a program that buys, at once: Ctrl-C has to be pressed twice; return what it said."""
    process.send_signal(number)
    if number != signal.SIGINT:
        return ""
    said = await read_until(process.stderr, "stopping: ")
    process.send_signal(number)
    return said


@asynccontextmanager
async def started(
    *arguments: str,
    environment: dict[str, str] | None = None,
    stdout: Any = -1,
    wrapper: Sequence[str] = (),
) -> AsyncGenerator[Process]:
    """Run the program as a process of its own, or as the child of a wrapper such as `nohup`."""
    env = {**os.environ, **(environment or {})}
    command = [*wrapper, *PROGRAM, *arguments]
    async with await anyio.open_process(command, env=env, stdout=stdout) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def read_until(stream: ByteReceiveStream | None, text: str, times: int = 1) -> str:
    """Read the output of a process until a text was in it so many times."""
    assert stream is not None
    out = ""
    while out.count(text) < times:
        out += (await stream.receive()).decode()
    return out


async def ended(process: Process, out: str = "", err: str = "") -> Ended:
    """Wait for a process, and read its remaining output; `out` and `err` were read before."""
    if process.stdout is not None:
        out += "".join([chunk async for chunk in TextReceiveStream(process.stdout)])
    if process.stderr is not None:
        err += "".join([chunk async for chunk in TextReceiveStream(process.stderr)])
    status = await process.wait()
    assert "Traceback" not in err
    return Ended(status, out, err)


def of(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment for a sandbox."""
    return {"VIDGO_BASE_URL": sandbox.url, "VIDGO_API_KEY": sandbox.api_key}


def finished(*urls: str, kind: str = "video") -> Fault:
    """Let a task be finished, with these files."""
    files = [{"file_url": url, "file_type": kind} for url in urls]
    return answer(200, {"code": 200, "data": {"status": "finished", "files": files}})
