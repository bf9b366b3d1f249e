"""The commands of the queue, each in a process of its own."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import anyio
import attrs
import pytest

from tests.support.program import PROGRAM, Ended, of
from tests.support.queues import PATIENCE
from vidgo_async.sandbox import Sandbox, refusal, reset_after


@attrs.frozen
class Program:
    """The program, for a server and a database."""

    sandbox: Sandbox
    url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What it is run with."""
        return {**os.environ, **of(self.sandbox), "VIDGO_POLL_INTERVAL": "0.05"}

    async def __call__(self, *arguments: str) -> Ended:
        """Run a command of the queue to its end."""
        command, *others = arguments
        ended = await anyio.run_process(
            [*PROGRAM, "queue", command, self.url, *others],
            cwd=self.folder,
            env=self.environment,
            check=False,
        )
        assert b"Traceback" not in ended.stderr, ended.stderr.decode()
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    async def work(self, until_status: str) -> Ended:
        """Run a worker until a state of the batch is printed; end it."""
        command = [*PROGRAM, "work", self.url, "--out", "videos", "--max-in-flight", "4"]
        out = self.folder / "out"
        err = self.folder / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = await anyio.open_process(
                command, cwd=self.folder, env=self.environment, stdout=stdout, stderr=stderr
            )
            async with process:
                async with asyncio.timeout(PATIENCE):
                    while not re.search(until_status, (await self("status")).out):
                        pass
                process.terminate()
                status = await process.wait()
        return Ended(status, out.read_text(), err.read_text())


@pytest.fixture
def program(sandbox: Sandbox, empty_url: str, tmp_path: Path) -> Program:
    """The program, for a database without tables."""
    return Program(sandbox, empty_url, tmp_path)


async def test_a_batch(program: Program) -> None:
    """Install, add, work, look; add again; a signal hands over."""
    assert "queue install" in (await program("status")).err
    assert (await program("install")).status == 0
    added = await program("add", "foxes", "a fox", "a hare", "a lake", "--set", "duration=6")
    assert (added.status, added.out) == (0, "3 of 3 added to foxes\n")
    assert (await program("status")).out == "foxes: 3 planned\n"

    first = await program.work("saved|ended|bought")
    assert first.status == 128 + signal.SIGTERM
    assert "Traceback" not in first.err
    second = await program.work("3 saved")
    # What ended while a signal came is not printed, perhaps.
    printed = re.findall(r"^(task-\S+): (\S+)$", first.out + second.out, re.MULTILINE)
    assert printed
    assert all(Path(path).name == f"{task_id}.mp4" for task_id, path in printed)
    assert program.sandbox.sold == 3
    assert len(list((program.folder / "videos").glob("*.mp4"))) == 3

    again = await program("add", "foxes", "a fox", "a hare", "--set", "duration=6")
    assert again.out == "0 of 2 added to foxes\n"
    listed = (await program("status", "foxes")).out
    assert re.findall(r"^ +\d+  saved +task-\S+ +(a \w+)$", listed, re.MULTILINE) == [
        "a fox",
        "a hare",
        "a lake",
    ]
    assert (await program("status", "foxes", "--state", "unknown")).out == ""


async def test_what_went_wrong(program: Program) -> None:
    """It is printed as it happens, listed, and settled."""
    program.sandbox.inject(refusal(400, message="no such thing"), call="submit")
    program.sandbox.inject(reset_after, call="submit", times=2)
    await program("install")
    await program("add", "foxes", "fox", "hare", "lake", "tree")
    worked = await program.work("1 refused, 1 saved, 2 unknown")
    assert re.search(r"^'\w+': 400 .*no such thing$", worked.err, re.MULTILINE)
    unknown = (await program("status", "foxes", "--state", "unknown")).out
    (first, prompt), (second, _) = re.findall(r"^ +(\d+) .* (\w+)$", unknown, re.MULTILINE)
    sold = {task.input["prompt"]: task.task_id for task in program.sandbox.tasks.values()}
    assert (await program("adopt", "foxes", first, sold[prompt])).status == 0
    assert (await program("forget", "foxes", second)).status == 0
    refused = await program("forget", "foxes", second)
    assert (refused.status, refused.err) == (
        1,
        f"queue: entry {second} is not unknown, or not in {shown(program.url)}\n",
    )
    assert "there is no entry 77 in foxes" in (await program("adopt", "foxes", "77", "x")).err
    assert (await program("retry", "foxes")).out == "1 of foxes are tried again\n"
    await program.work("4 saved")
    assert program.sandbox.sold == 5


async def test_no_credits(program: Program) -> None:
    """The worker ends, and says why in a line."""
    program.sandbox.inject(refusal(402, message="too few credits"), call="submit")
    await program("install")
    await program("add", "foxes", "fox", "hare")
    ended = await anyio.run_process(
        [*PROGRAM, "work", program.url], env=program.environment, cwd=program.folder, check=False
    )
    assert ended.returncode == 1
    assert "vidgo-async: 402" in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr


async def test_wrong_usage(program: Program, tmp_path: Path) -> None:
    """One plain sentence, and status 2, before anything is done."""
    wrong = await program("add", "foxes", "a fox", "--set", "nonsense")
    assert (wrong.status, wrong.err) == (2, "vidgo-async: --set takes key=value, not 'nonsense'\n")
    nowhere = attrs.evolve(program, url="nowhere")
    assert "postgresql://host/name" in (await nowhere("status")).err
    assert "there is no batch 'foxes'" in (await after_install(program)).err
    for options in (["--max-in-flight", "0"], ["--timeout", "-1"]):
        ended = await anyio.run_process(
            [*PROGRAM, "work", program.url, *options],
            env=program.environment,
            cwd=tmp_path,
            check=False,
        )
        assert ended.returncode == 2


async def after_install(program: Program) -> Ended:
    """Ask for a batch that is not there."""
    await program("install")
    return await program("status", "foxes")


async def test_a_database_that_is_away(program: Program) -> None:
    """A worker says so, and ends."""
    away = attrs.evolve(program, url="postgresql://me:secret@127.0.0.1:9/videos")
    assert "127.0.0.1/videos cannot be used now" in (await away("status")).err
    ended = await anyio.run_process(
        [*PROGRAM, "work", away.url], env=program.environment, check=False
    )
    assert ended.returncode == 1
    assert b"cannot be used now" in ended.stderr
    assert b"secret" not in ended.stderr


async def test_without_the_extra(program: Program) -> None:
    """It says what to install."""
    hidden = program.folder / "procrastinate.py"
    hidden.write_text("raise ImportError('no such module')")
    environment = {**program.environment, "PYTHONPATH": str(program.folder)}
    for command in (["queue", "status"], ["work"]):
        ended = await anyio.run_process(
            [*PROGRAM, *command, program.url], env=environment, check=False
        )
        assert ended.returncode == 2
        assert b"pip install 'vidgo_async[queue]'" in ended.stderr
    ended = await anyio.run_process(
        [sys.executable, "-c", "import vidgo_async.queue"], env=environment, check=False
    )
    assert b"needs its extra" in ended.stderr


def shown(url: str) -> str:
    """Return what messages show of an address."""
    found = re.search(r"@/(\w+)\?host=(.*)", url)
    assert found is not None
    return f"{found[2]}/{found[1]}"
