"""Runway's client: `python -m benchmarks.peers.runwayml URL TASKS INTERVAL [tuned]`.

Tuned means its own client over aiohttp, as many connections as it likes, and requests that may
wait for as long as it takes.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import runwayml
import runwayml.lib.polling

from benchmarks import stopwatch

ENOUGH = 100_000
"""Connections. Without a limit httpx-aiohttp falls back to aiohttp's own, which is 100."""


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a client, and return what makes one video with it."""
    runwayml.lib.polling.POLL_TIME = interval
    runwayml.lib.polling.POLL_JITTER = 0
    client = runwayml.AsyncRunwayML(api_key="fake", base_url=url, **_options(form))

    async def make(number: int) -> None:
        task = await client.text_to_video.create(
            model="veo3.1_fast", prompt_text=f"fox {number}", ratio="1280:720"
        )
        done = await task.wait_for_task_output()
        assert done.output

    return make


def _options(form: str) -> dict[str, Any]:
    if form == "impatient":
        return {"timeout": httpx.Timeout(5.0, read=0.5)}
    if form == "tuned":
        limits = httpx.Limits(max_connections=ENOUGH, max_keepalive_connections=ENOUGH)
        client = runwayml.DefaultAioHttpClient(limits=limits, timeout=None)
        return {"http_client": client, "timeout": None}
    return {}


def main(url: str, count: str, interval: str, form: str = "default") -> None:
    """Make so many videos at once, and print what it took."""
    make = maker(url, float(interval), form)
    stopwatch.measure(lambda: asyncio.gather(*(make(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
