"""fal's client: `python -m benchmarks.peers.fal URL TASKS INTERVAL [tuned]`.

Tuned means that its pool opens as many connections as it likes, which no public setting of it
reaches, and that requests may wait for as long as it takes.
"""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import fal_client
import fal_client.client
import httpx

from benchmarks import stopwatch


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a client, and return what makes one video with it."""
    fal_client.client.QUEUE_URL_FORMAT = f"{url}/"
    client = fal_client.AsyncClient(key="fake", **_options(form))
    asyncio.run(_start(client))

    async def make(number: int) -> None:
        wanted = {"prompt": f"fox {number}", "server": url}  # whose answer names further URLs
        result = await client.subscribe("fake/video", wanted, interval=interval)
        assert result["video"]["url"]

    return make


def _options(form: str) -> dict[str, Any]:
    if form == "impatient":
        return {"default_timeout": 0.5}
    if form == "tuned":
        _tune()
        return {"default_timeout": 3600.0}
    return {}


def _tune() -> None:
    # The pool scans what it keeps idle at each request, so to keep more of it costs more.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    fal_client.client.AsyncBackupDomainTransport = functools.partial(
        fal_client.client.AsyncBackupDomainTransport,
        transport=httpx.AsyncHTTPTransport(limits=limits),
    )
    fal_client.client.QUEUE_POLL_TIMEOUT = httpx.Timeout(None)


async def _start(client: Any) -> None:
    """Let it make now what it would make with the first request, since start-up is left out."""
    await client._client  # noqa: SLF001 - it has no public way


def main(url: str, count: str, interval: str, form: str = "default") -> None:
    """Make so many videos at once, and print what it took."""
    make = maker(url, float(interval), form)
    stopwatch.measure(lambda: asyncio.gather(*(make(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
