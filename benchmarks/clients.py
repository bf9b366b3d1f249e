"""The clients of the overhead benchmark, each in a process of its own.

`python -m benchmarks.clients NAME URL TASKS INTERVAL LOOP` generates that many videos, all started
at once, with one client: ours, or a hand-written loop over bare aiohttp.
"""

import asyncio
import random
import sys

import aiohttp
from yarl import URL

from benchmarks import stopwatch
from vidgo_async import FixedPolling, GrokImagine, VidgoSession

KEY = "a-key-for-a-fake-server"
HEADERS = {"Authorization": f"Bearer {KEY}"}
DONE = ("finished", "failed")


async def ours(url: str, count: int, interval: float) -> None:
    """`generate_many`, with everything it does."""
    requests = [GrokImagine(prompt=f"fox {number}") for number in range(count)]
    finished = 0
    async with VidgoSession(KEY, base_url=url, polling=FixedPolling(interval)) as vidgo:
        async for outcome in vidgo.generate_many(requests, max_in_flight=count):
            finished += outcome.ok
    assert finished == count


async def bare(url: str, count: int, interval: float, jitter: float = 0.0) -> None:
    """Written in ten minutes: aiohttp's default timeouts, no checks, no retries."""
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def generate(number: int) -> None:
            body = {"model": "grok-imagine", "input": {"prompt": f"fox {number}"}}
            async with session.post(f"{url}/api/generate/submit", json=body) as response:
                task = (await response.json())["data"]
            while task["status"] not in DONE:
                await asyncio.sleep(interval * (1 + jitter * random.random()))
                status = f"{url}/api/generate/status/{task['task_id']}"
                async with session.get(status) as response:
                    task = (await response.json())["data"]

        await asyncio.gather(*(generate(number) for number in range(count)))


async def polite(url: str, count: int, interval: float) -> None:
    """`bare` with our jitter: as polite to the server as ours, which never polls in lockstep.

    It shows what lockstep saves: a burst wakes the client once for many answers.
    """
    await bare(url, count, interval, jitter=0.2)


async def tuned(url: str, count: int, interval: float) -> None:
    """`bare` without cookies and URL parsing; aiohttp's timeouts are kept."""
    submit = URL(f"{url}/api/generate/submit", encoded=True)
    async with aiohttp.ClientSession(
        headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def generate(number: int) -> None:
            body = {"model": "grok-imagine", "input": {"prompt": f"fox {number}"}}
            async with session.post(submit, json=body) as response:
                task = (await response.json())["data"]
            status = URL(f"{url}/api/generate/status/{task['task_id']}", encoded=True)
            while task["status"] not in DONE:
                await asyncio.sleep(interval)
                async with session.get(status) as response:
                    task = (await response.json())["data"]

        await asyncio.gather(*(generate(number) for number in range(count)))


CLIENTS = {"ours": ours, "bare": bare, "tuned": tuned, "polite": polite}


def main(name: str, url: str, count: str, interval: str, loop: str) -> None:
    """Measure one client."""
    stopwatch.measure(lambda: CLIENTS[name](url, int(count), float(interval)), loop=loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
