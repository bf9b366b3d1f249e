"""The client of Google.

With aiohttp installed it uses that, without a limit of connections and without timeouts. Tuned
means an aiohttp session of our own without cookies and proxy look-up.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from google import genai
from google.genai import types

MODEL = "publishers/google/models/veo-fake"


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    options = types.HttpOptions(base_url=url, timeout=500 if variant == "short timeout" else None)
    client = genai.Client(vertexai=True, api_key="fake", http_options=options)

    async def generate(number: int) -> None:
        if variant == "tuned":
            _tune(client)
        source = types.GenerateVideosSource(prompt=f"fox {number}")
        operation = await client.aio.models.generate_videos(model=MODEL, source=source)
        while not operation.done:  # the loop that its documentation shows
            await asyncio.sleep(interval)
            operation = await client.aio.operations.get(operation)
        assert operation.response.generated_videos[0].video.uri

    return generate


def _tune(client: Any) -> None:
    """Give it a session, which has to be created in the loop, and so after the client.

    The effect is that of `HttpOptions(aiohttp_client=...)`, but start-up is not measured.
    """
    options = client._api_client._http_options  # noqa: SLF001 - see the docstring
    if options.aiohttp_client is None:
        options.aiohttp_client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
