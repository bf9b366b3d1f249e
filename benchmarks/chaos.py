"""A batch whose process is killed again and again, while faults strike its submits.

The parent serves the sandbox, kills the batch with SIGKILL at random moments, tells it of unknown
submits what the sandbox knows, and compares at the end what was sold with what was saved.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import attrs

from benchmarks.tables import print_table
from vidgo_async import Journal
from vidgo_async.sandbox import Fault, Sandbox, after, answer, changed, hang_after, reset_after

QUESTION = "is anything bought twice or lost when a batch is killed again and again?"

COUNT = 200
FAULTS: dict[str, Fault] = {
    "none": answer(429),
    "429": answer(429),
    "reset after the sale": reset_after,
    "502 after the sale": after(answer(502)),
    "no id": changed(task_id=None),
    "no answer": hang_after,
}
"""Faults on submits; each strikes one in ten, but for the first."""
PAUSE = (0.4, 2.5)
"""Seconds from the start of a run until it is killed, at random."""
MAX_RUNS = 60


@attrs.define
class Result:
    """What came of one batch."""

    runs: int = 0
    unknown: int = 0
    """Entries that had to be settled."""
    twice: int = 0
    """Prompts that were sold more than once."""
    lost: int = 0
    """Prompts that were sold, and have no file."""
    wrong: int = 0
    """Files of other prompts' tasks."""
    left: int = 0
    """Prompts without an outcome after all runs."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("kind", choices=["journal"], nargs="?", default="journal")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")


def run(options: argparse.Namespace) -> bool:
    """Run a batch for each fault, so many times; return whether nothing was twice or lost."""
    chance = random.Random(options.seed)
    rows: list[list[str]] = []
    good = True
    for name, fault in FAULTS.items():
        total = Counter[str]()
        for _ in range(options.repeats):
            rate = 0.0 if name == "none" else 0.1
            total.update(attrs.asdict(asyncio.run(_batch(fault, rate, chance))))
        rows.append([name, *(str(total[field.name]) for field in attrs.fields(Result))])
        good = good and not any(total[each] for each in ("twice", "lost", "wrong", "left"))
    print(f"{options.repeats} batches of {COUNT} requests for each fault")
    header = ["fault", "runs", "unknown", "bought twice", "lost", "wrong", "left"]
    print_table(header, rows)
    return good


async def _batch(fault: Fault, rate: float, chance: random.Random) -> Result:
    result = Result()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Sandbox(seconds=(0.2, 1.0), credits=1e9, seed=chance.randrange(99)) as sandbox:
            sandbox.inject(fault, rate=rate, times=None)
            files: dict[str, str] = {}
            while len(files) < COUNT and result.runs < MAX_RUNS:
                result.runs += 1
                files.update(await _run(sandbox, folder, chance.uniform(*PAUSE)))
                result.unknown += await _settle(sandbox, folder)
            sold = Counter(task.input["prompt"] for task in sandbox.tasks.values())
            result.twice = sum(count > 1 for count in sold.values())
            result.lost = sum(prompt not in files for prompt in sold)
            result.left = COUNT - len(files)
            prompts = {task.task_id: task.input["prompt"] for task in sandbox.tasks.values()}
            result.wrong = sum(prompts.get(Path(p).stem) != each for each, p in files.items())
    return result


async def _run(sandbox: Sandbox, folder: Path, seconds: float) -> dict[str, str]:
    """Run the batch until it ends or is killed; return the files that it yielded, by prompt."""
    arguments = [str(folder / "foxes.vidgo"), str(folder / "videos"), str(COUNT)]
    environment = {**os.environ, "VIDGO_BASE_URL": sandbox.url, "VIDGO_API_KEY": sandbox.api_key}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.journal_run",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    timer = asyncio.get_running_loop().call_later(seconds, _kill, process)
    out, _ = await process.communicate()
    timer.cancel()
    found: dict[str, str] = {}
    for line in out.splitlines():
        try:
            outcome = json.loads(line)
        except ValueError:  # cut by the kill
            continue
        if outcome["paths"]:
            found[outcome["prompt"]] = outcome["paths"][0]
    return found


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


async def _settle(sandbox: Sandbox, folder: Path) -> int:
    """Say of each unknown entry what a user finds in the console; return how many there were."""
    path = folder / "foxes.vidgo"
    if not path.exists():
        return 0
    sold = {task.input["prompt"]: task.task_id for task in sandbox.tasks.values()}
    async with Journal(path) as journal:
        unknown = await journal.entries("unknown")
        for entry in unknown:
            task_id = sold.get(entry.request.input["prompt"])
            if task_id is None:
                await journal.forget(entry)
            else:
                await journal.adopt(entry, task_id)
    return len(unknown)
