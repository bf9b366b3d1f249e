"""A batch whose processes are killed, ended or stopped again and again, while faults strike its submits.

The parent serves the sandbox, sends the signals at random moments, tells of unknown submits what the
sandbox knows, and compares at the end what was sold with what was saved.
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs

from benchmarks.chaos_journal import JournalBatch
from benchmarks.chaos_queue import QueueBatch
from benchmarks.tables import print_table
from tests.support.postgres import private_postgres
from vidgo_async import Entry, VidgoSession
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
Batch = JournalBatch | QueueBatch


@attrs.define
class Result:
    """What came of one batch."""

    signals: int = 0
    unknown: int = 0
    """Entries that had to be settled."""
    twice: int = 0
    """Prompts that were sold more than once."""
    lost: int = 0
    """Prompts that were sold, and have no file."""
    wrong: int = 0
    """Files that are not those of the task that was sold for their prompt."""
    left: int = 0
    """Prompts without a file in the end."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("kind", choices=["journal", "queue"], nargs="?", default="journal")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument(
        "--signal",
        choices=["kill", "term", "stop", "database"],
        default="kill",
        help="SIGKILL; SIGTERM; SIGSTOP for 5 s; or, for a queue, its database is away for 40 s",
    )
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS))


def run(options: argparse.Namespace) -> bool:
    """Run a batch for each fault, so many times; return whether nothing was twice or lost."""
    chance = random.Random(options.seed)
    rows: list[list[str]] = []
    good = True
    for name in options.faults:
        total = Counter[str]()
        for _ in range(options.repeats):
            total.update(attrs.asdict(_run_one(options, name, chance)))
        rows.append([name, *(str(total[field.name]) for field in attrs.fields(Result))])
        good = good and not any(total[each] for each in ("twice", "lost", "wrong", "left"))
        if options.signal == "term" and name == "none":
            good = good and not total["unknown"]
    print(
        f"{options.kind}: {options.repeats} batches of {COUNT} requests for each fault, "
        f"signal: {options.signal}"
    )
    header = ["fault", "signals", "unknown", "bought twice", "lost", "wrong", "left"]
    print_table(header, rows)
    return good


def _run_one(options: argparse.Namespace, name: str, chance: random.Random) -> Result:
    fault, rate = FAULTS[name], 0.0 if name == "none" else 0.1
    with tempfile.TemporaryDirectory() as folder:

        def run_batch(make: Callable[[Sandbox], Batch]) -> Result:
            return asyncio.run(_batch(make, fault, rate, chance))

        if options.kind == "journal":
            return run_batch(
                lambda sandbox: JournalBatch(sandbox, Path(folder), chance, options.signal)
            )
        with private_postgres() as postgres:
            return run_batch(
                lambda sandbox: QueueBatch(sandbox, Path(folder), chance, options.signal, postgres)
            )


async def _batch(
    make: Callable[[Sandbox], Batch], fault: Fault, rate: float, chance: random.Random
) -> Result:
    prompts = [f"fox {number}" for number in range(COUNT)]
    async with Sandbox(seconds=(0.2, 1.0), credits=1e9, seed=chance.randrange(99)) as sandbox:
        sandbox.inject(fault, rate=rate, times=None)
        batch = make(sandbox)
        entries = await batch.run(prompts)
        sold = Counter(task.input["prompt"] for task in sandbox.tasks.values())
        files = {_prompt(entry): entry.paths[0] for entry in entries if entry.paths}
        wrong = await _count_wrong(sandbox, files)
    return Result(
        signals=batch.signals,
        unknown=batch.unknown,
        twice=sum(count > 1 for count in sold.values()),
        lost=sum(prompt not in files for prompt in sold),
        wrong=wrong,
        left=COUNT - len(files),
    )


async def _count_wrong(sandbox: Sandbox, files: dict[str, Path]) -> int:
    """Download what was sold for each prompt once more, and compare."""
    sold = {task.input["prompt"]: task.task_id for task in sandbox.tasks.values()}
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            for prompt, path in files.items():
                task = await vidgo.get_task(sold[prompt])
                again = await vidgo.download(task.files[0], Path(folder) / path.name)
                wrong += again.read_bytes() != path.read_bytes()
    return wrong


def _prompt(entry: Entry) -> str:
    prompt: str = entry.request.input["prompt"]
    return prompt
