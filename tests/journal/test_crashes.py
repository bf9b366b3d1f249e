"""A real process dies at each point of a batch, and runs again: nothing twice, nothing lost."""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from tests.support.journal_run import POINTS
from tests.support.program import of
from tests.support.readme import ROOT
from tests.support.uploads import PNG, picture
from vidgo_async import Journal
from vidgo_async.sandbox import Sandbox, answer, hang_after

COUNT = 3
UNKNOWN = {"before the POST", "with the answer"}
"""The points at which a task may exist of which nobody knows."""


@attrs.frozen
class Runs:
    """Runs of one batch."""

    sandbox: Sandbox
    folder: Path

    @property
    def journal(self) -> Path:
        """The file."""
        return self.folder / "foxes.vidgo"

    async def run(self, point: str = "", count: int = COUNT) -> tuple[int, list[Any]]:
        """Run it once; return the exit status and the outcomes."""
        arguments = [str(self.journal), str(self.folder / "videos"), str(count), point]
        command = [sys.executable, "-m", "tests.support.journal_run", *arguments]
        ended = await anyio.run_process(
            command, cwd=ROOT, env=_environment(self.sandbox), check=False
        )
        assert b"Traceback" not in ended.stderr, ended.stderr.decode()
        return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]

    def sold(self) -> Counter[str]:
        """Count sales by prompt."""
        return Counter(task.input["prompt"] for task in self.sandbox.tasks.values())

    def check_all_done(self, outcomes: list[Any]) -> None:
        """Each request has one task and one file."""
        assert [outcome["error"] for outcome in outcomes] == [None] * COUNT
        assert self.sold() == {f"fox {number}": 1 for number in range(COUNT)}
        paths = [Path(path) for outcome in outcomes for path in outcome["paths"]]
        assert len({path.name for path in paths}) == COUNT
        assert all(path.stat().st_size > 1000 for path in paths)
        assert len(list((self.folder / "videos").glob("*.mp4"))) == COUNT


def _environment(sandbox: Sandbox) -> dict[str, str]:
    return {**os.environ, **of(sandbox)}


@pytest.mark.parametrize("point", [*POINTS, "running"])
async def test_the_same_command_again(point: str, tmp_path: Path) -> None:
    """What the table of crash points says of the next run holds at each of them."""
    async with Sandbox(seconds=(0.2, 0.3), uploads_per_minute=None) as sandbox:
        runs = Runs(sandbox, tmp_path)
        if point == "in the upload":
            picture(tmp_path, "fox.png", PNG)
        if point == "after a refusal":
            sandbox.inject(answer(429), call="submit")
        # One, since a second one might be under way when it dies.
        status, given = await runs.run(point, count=1)
        assert (status, given) == (-signal.SIGKILL, [])
        assert max(runs.sold().values(), default=0) <= 1

        _, outcomes = await runs.run()
        if point in UNKNOWN:
            outcomes = await _settle(runs, outcomes)
        runs.check_all_done(outcomes)
        requests = sandbox.received["submit"], sandbox.received["status"]

        _, again = await runs.run()
        _, resumed = await runs.run(count=0)
        assert sorted(map(str, again)) == sorted(map(str, outcomes)) == sorted(map(str, resumed))
        assert requests == (sandbox.received["submit"], sandbox.received["status"])


async def _settle(runs: Runs, outcomes: list[Any]) -> list[Any]:
    """Tell of each unknown one what a user finds in the console, and run again."""
    unknown = [outcome for outcome in outcomes if outcome["error"] == "SubmissionUnknownError"]
    assert unknown
    assert len(unknown) + len([outcome for outcome in outcomes if not outcome["error"]]) == COUNT
    _, still = await runs.run()
    assert len([each for each in still if each["error"]]) == len(unknown)  # until somebody says
    found = {task.input["prompt"]: task.task_id for task in runs.sandbox.tasks.values()}
    async with Journal(runs.journal) as journal:
        for entry in await journal.entries("unknown"):
            assert "earlier run" in str(entry.error) or entry.error is None
            task_id = found.get(entry.request.input["prompt"])
            if task_id is not None:
                await journal.adopt(entry, task_id)
            else:
                await journal.forget(entry)
    _, settled = await runs.run()
    return settled


async def test_an_answer_that_never_comes(tmp_path: Path) -> None:
    """Killed while the answer is awaited: each is unknown, and sold once."""
    async with Sandbox(seconds=(0.3, 0.5)) as sandbox:
        sandbox.inject(hang_after, call="submit", times=COUNT)
        runs = Runs(sandbox, tmp_path)
        arguments = [str(runs.journal), str(tmp_path / "videos"), str(COUNT)]
        command = [sys.executable, "-m", "tests.support.journal_run", *arguments]
        async with await anyio.open_process(
            command, cwd=ROOT, env=_environment(sandbox)
        ) as process:
            while sandbox.sold < COUNT:  # noqa: ASYNC110 - it sets no event
                await anyio.sleep(0.02)
            process.kill()
        _, outcomes = await runs.run()
        assert {outcome["error"] for outcome in outcomes} == {"SubmissionUnknownError"}
        runs.check_all_done(await _settle(runs, outcomes))


async def test_a_second_run_at_once_is_refused(tmp_path: Path) -> None:
    """Two processes never have one journal: the second says that it is in use."""
    async with Sandbox(seconds=(0.3, 0.5)) as sandbox:
        runs = Runs(sandbox, tmp_path)
        async with Journal(runs.journal):
            arguments = [str(runs.journal), str(tmp_path / "videos"), str(COUNT)]
            command = [sys.executable, "-m", "tests.support.journal_run", *arguments]
            ended = await anyio.run_process(
                command, cwd=ROOT, env=_environment(sandbox), check=False
            )
        assert b"JournalError" in ended.stderr
        assert b"in use" in ended.stderr
        assert sandbox.received == {}
