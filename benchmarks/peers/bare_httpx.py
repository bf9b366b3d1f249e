"""What one writes in ten minutes over httpx; Vidgo's API, as the loop over aiohttp.

`python -m benchmarks.peers.bare_httpx URL TASKS INTERVAL [tuned]`; tuned as the clients over httpx
are: its pool opens as many connections as it likes, and requests may wait for as long as it takes.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from benchmarks import stopwatch

HEADERS = {"Authorization": "Bearer fake"}


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a client, and return what makes one video with it."""
    client = httpx.AsyncClient(base_url=url, headers=HEADERS, **_options(form))

    async def make(number: int) -> None:
        wanted = {"model": "grok-imagine", "input": {"prompt": f"fox {number}"}}
        task = (await client.post("/api/generate/submit", json=wanted)).json()["data"]
        while task["status"] not in {"finished", "failed"}:
            await asyncio.sleep(interval)
            response = await client.get(f"/api/generate/status/{task['task_id']}")
            task = response.json()["data"]

    return make


def _options(form: str) -> dict[str, Any]:
    if form == "tuned":
        # The pool scans what it keeps idle at each request, so to keep more of it costs more.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        return {"limits": limits, "timeout": None}
    return {}


def main(url: str, count: str, interval: str, form: str = "default") -> None:
    """Make so many videos at once, and print what it took."""
    make = maker(url, float(interval), form)
    stopwatch.measure(lambda: asyncio.gather(*(make(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
