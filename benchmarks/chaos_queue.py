"""Three workers on one queue, struck by signals, one each second; each that ends is started again."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from benchmarks.chaos_journal import SIGNALS, SLEEP
from tests.support.postgres import Postgres
from vidgo_async import Entry, EntryState, GrokImagine, JournalError
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import Sandbox

WORKERS = 3
PAUSE = 1.0
"""Seconds between two signals."""
AWAY = 40.0
"""Seconds for which the database is stopped, once."""
MAX_SECONDS = 300.0
BATCH = "foxes"


class QueueBatch:
    """One batch."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, chance: random.Random, how: str, postgres: Postgres
    ) -> None:
        self.signals = 0
        self.unknown = 0
        self._sandbox = sandbox
        self._folder = folder
        self._chance = chance
        self._how = how
        self._postgres = postgres
        self._workers: list[asyncio.subprocess.Process] = []

    async def run(self, prompts: list[str]) -> list[Entry]:
        """Run it until all is saved; return its entries."""
        async with BatchQueue(self._postgres.url()) as queue:
            await queue.install()
            await queue.add(BATCH, [GrokImagine(prompt=prompt) for prompt in prompts])
            striking = asyncio.create_task(self._strike_often())
            try:
                async with asyncio.timeout(MAX_SECONDS):
                    while await self._is_under_way(queue):  # noqa: ASYNC110 - it tells of ends only
                        await asyncio.sleep(PAUSE)
            except TimeoutError:
                print(f"not ended after {MAX_SECONDS} s")
            finally:
                striking.cancel()
                await asyncio.wait({striking})
                for worker in self._workers:
                    if worker.returncode is None:
                        worker.kill()
                        await worker.wait()
            return await queue.entries(BATCH)

    async def _is_under_way(self, queue: BatchQueue) -> bool:
        try:
            counts = (await queue.counts(BATCH))[BATCH]
            await self._settle(queue)
        except JournalError:  # it is away
            return True
        return set(counts) != {EntryState.SAVED}

    async def _settle(self, queue: BatchQueue) -> None:
        """Say of each unknown entry what a user finds in the console."""
        unknown = await queue.entries(BATCH, "unknown")
        sold = {task.input["prompt"]: task.task_id for task in self._sandbox.tasks.values()}
        for entry in unknown:
            self.unknown += 1
            task_id = sold.get(entry.request.input["prompt"])
            if task_id is None:
                await queue.forget(entry)
            else:
                await queue.adopt(entry, task_id)

    async def _strike_often(self) -> None:
        for _ in range(WORKERS):
            self._workers.append(await self._start())
        while True:
            await asyncio.sleep(PAUSE)
            for place, worker in enumerate(self._workers):
                if worker.returncode is not None:
                    self._workers[place] = await self._start()
            await self._strike()

    async def _strike(self) -> None:
        if self._how == "database":
            if not self.signals and self._sandbox.sold > 50:
                self.signals += 1
                await asyncio.to_thread(self._postgres.stop)
                await asyncio.sleep(AWAY)
                await asyncio.to_thread(self._postgres.start)
            return
        worker = self._chance.choice(self._workers)
        if worker.returncode is not None:
            return
        self.signals += 1
        worker.send_signal(SIGNALS[self._how])
        if self._how == "stop":
            await asyncio.sleep(SLEEP)
            worker.send_signal(signal.SIGCONT)

    async def _start(self) -> asyncio.subprocess.Process:
        command = ["-m", "tests.support.queue_run", self._postgres.url(), str(self._folder)]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={
                **os.environ,
                "VIDGO_BASE_URL": self._sandbox.url,
                "VIDGO_API_KEY": self._sandbox.api_key,
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=None,
        )
