"""The program with a journal, struck by signals: the same command again and again."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from vidgo_async import Entry, Journal
from vidgo_async.cli.running.journals import NAME
from vidgo_async.sandbox import Sandbox

PAUSE = (0.6, 2.7)
"""Seconds from the start of a run until it is struck, at random."""
MAX_RUNS = 60
SLEEP = 5.0
"""Seconds that a process is stopped."""
WRONG_USAGE = 2
"""The program's exit status."""
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}


class JournalBatch:
    """One batch."""

    def __init__(self, sandbox: Sandbox, folder: Path, chance: random.Random, how: str) -> None:
        self.signals = 0
        self.unknown = 0
        self._sandbox = sandbox
        self._folder = folder
        self._chance = chance
        self._signal = SIGNALS[how]

    async def run(self, prompts: list[str]) -> list[Entry]:
        """Run it until all is saved; return its entries."""
        entries: list[Entry] = []
        for _ in range(MAX_RUNS):
            await self._run_once(prompts)
            entries = await self._settled()
            if len([entry for entry in entries if entry.paths]) == len(prompts):
                break
        return entries

    async def _run_once(self, prompts: list[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *[
                sys.executable,
                "-m",
                "vidgo_async",
                "generate",
                "--yes",
                "--out",
                str(self._folder),
                *prompts,
            ],
            env={
                **os.environ,
                "VIDGO_BASE_URL": self._sandbox.url,
                "VIDGO_API_KEY": self._sandbox.api_key,
                "VIDGO_POLL_INTERVAL": "0.05",
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        ended = asyncio.create_task(process.wait())
        while not ended.done():
            await asyncio.wait({ended}, timeout=self._chance.uniform(*PAUSE))
            if not ended.done():
                self.signals += 1
                await self._strike(process)
                if self._signal is signal.SIGTERM:
                    await ended
        if process.returncode == WRONG_USAGE:
            msg = "the program takes its arguments no more: run the command by hand"
            raise RuntimeError(msg)

    async def _strike(self, process: asyncio.subprocess.Process) -> None:
        process.send_signal(self._signal)
        if self._signal is signal.SIGSTOP:
            await asyncio.sleep(SLEEP)
            process.send_signal(signal.SIGCONT)

    async def _settled(self) -> list[Entry]:
        """Say of each unknown entry what a user finds in the console; return all entries."""
        sold = {task.input["prompt"]: task.task_id for task in self._sandbox.tasks.values()}
        async with Journal(self._folder / NAME) as journal:
            for entry in await journal.entries("unknown"):
                self.unknown += 1
                task_id = sold.get(entry.request.input["prompt"])
                if task_id is None:
                    await journal.forget(entry)
                else:
                    await journal.adopt(entry, task_id)
            return await journal.entries()
