"""Replicate's client: `python -m benchmarks.peers.replicate URL TASKS INTERVAL [tuned]`.

Tuned means that its pool opens as many connections as it likes, and that requests may wait for as
long as it takes.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import replicate

from benchmarks import stopwatch


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a client, and return what makes one video with it."""
    os.environ["REPLICATE_POLL_INTERVAL"] = str(interval)  # it reads that when it is made
    client = replicate.Client(api_token="fake", base_url=url, **_options(form))  # noqa: S106
    client._async_client  # noqa: B018, SLF001 - made now, since start-up is left out

    async def make(number: int) -> None:
        prediction = await client.predictions.async_create(
            version="fake", input={"prompt": f"fox {number}"}, **_patience(form)
        )
        await prediction.async_wait()
        assert prediction.status == "succeeded"

    return make


def _options(form: str) -> dict[str, Any]:
    if form == "tuned":
        # Its pool scans what it keeps idle at each request, so to keep more of it costs more.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        # It makes the transport itself, so `limits=` would be ignored.
        transport = httpx.AsyncHTTPTransport(limits=limits)
        return {"transport": transport, "timeout": httpx.Timeout(None)}
    return {}


def _patience(form: str) -> dict[str, Any]:
    """Limit the submit: the client's timeout does not, so that it would wait for ever."""
    return {"wait": 1} if form == "impatient" else {}  # seconds; half of one more is allowed


def main(url: str, count: str, interval: str, form: str = "default") -> None:
    """Make so many videos at once, and print what it took."""
    make = maker(url, float(interval), form)
    stopwatch.measure(lambda: asyncio.gather(*(make(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
