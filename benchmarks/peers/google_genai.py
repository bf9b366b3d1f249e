"""Google's client: `python -m benchmarks.peers.google_genai URL TASKS INTERVAL [tuned]`.

With aiohttp installed it goes over that of itself, with as many connections as it likes and no
timeouts. Tuned means an aiohttp session of our own that keeps no cookies and looks for no proxies.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from google import genai
from google.genai import types

from benchmarks import stopwatch

MODEL = "publishers/google/models/veo-fake"


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a client, and return what makes one video with it."""
    options = types.HttpOptions(base_url=url, timeout=500 if form == "impatient" else None)
    client = genai.Client(vertexai=True, api_key="fake", http_options=options)

    async def make(number: int) -> None:
        if form == "tuned":
            _tune(client)
        source = types.GenerateVideosSource(prompt=f"fox {number}")
        operation = await client.aio.models.generate_videos(model=MODEL, source=source)
        while not operation.done:  # the loop that its documentation shows
            await asyncio.sleep(interval)
            operation = await client.aio.operations.get(operation)
        assert operation.response.generated_videos[0].video.uri

    return make


def _tune(client: Any) -> None:
    """Give it a session, which has to be made in the loop, and so after the client.

    That has the same effect as `HttpOptions(aiohttp_client=...)`, but start-up is left out.
    """
    options = client._api_client._http_options  # noqa: SLF001 - as said
    if options.aiohttp_client is None:
        options.aiohttp_client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )


def main(url: str, count: str, interval: str, form: str = "default") -> None:
    """Make so many videos at once, and print what it took."""
    make = maker(url, float(interval), form)
    stopwatch.measure(lambda: asyncio.gather(*(make(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
