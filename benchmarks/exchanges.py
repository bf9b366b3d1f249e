"""Exchanges one after the other, to count their instructions.

`python -m benchmarks.exchanges CLIENT KIND COUNT`: one client, polls with an unchanged or a changing
body, or submits, against a server in the same process.
"""

import asyncio
import gc
import itertools
import sys
from typing import Any

import aiohttp

from benchmarks.fake_server import task_json
from benchmarks.in_process import InProcess
from vidgo_async import FixedPolling, GrokImagine, VidgoSession

KEY = "a-key-for-a-fake-server"
URL = "http://vidgo.invalid"
TASK = "task-unified-0000000000-fake0000"
SAME, CHANGED, SUBMIT = "unchanged poll", "changed poll", "submit"
KINDS = (SAME, CHANGED, SUBMIT)


class OneTask:
    """A task that finishes at its nth poll; its progress changes with each, or not at all."""

    def __init__(self, polls: int, *, changes: bool) -> None:
        self._polls = itertools.count(1)
        self._last = polls
        self._changes = changes

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Accept a task, or return the state of the one."""
        if method == "POST":
            return task_json(TASK, "not_started")
        poll = next(self._polls)
        if poll < self._last:
            return task_json(TASK, "running", progress=poll % 100 if self._changes else 1)
        return task_json(TASK, "finished", "https://storage.example/fox.mp4", 100)


async def ours(kind: str, count: int, connector: aiohttp.BaseConnector) -> None:
    """A session, with everything it does."""
    polling = FixedPolling(1e-6)  # so little is no wait
    async with VidgoSession(KEY, base_url=URL, polling=polling, connector=connector) as vidgo:
        if kind == SUBMIT:
            for number in range(count):
                await vidgo.submit(GrokImagine(prompt=f"fox {number}"))
        else:
            assert (await vidgo.wait(TASK)).finished


async def bare(kind: str, count: int, connector: aiohttp.BaseConnector) -> None:
    """A loop over aiohttp."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        if kind == SUBMIT:
            for number in range(count):
                body = {"model": "grok-imagine", "input": {"prompt": f"fox {number}"}}
                async with session.post(f"{URL}/api/generate/submit", json=body) as response:
                    await response.json()
            return
        task: dict[str, Any] = {"status": "unknown"}
        while task["status"] != "finished":
            async with session.get(f"{URL}/api/generate/status/{TASK}") as response:
                task = (await response.json())["data"]


CLIENTS = {"ours": ours, "bare": bare}


async def main(client: str, kind: str, count: int) -> None:
    """Make so many exchanges."""
    # Else it depends on chance whether one more collection of all imported modules is counted.
    gc.collect()
    gc.freeze()
    connector = InProcess(OneTask(count, changes=kind == CHANGED))
    await CLIENTS[client](kind, count, connector)
    await connector.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
