"""The client of Runway.

Tuned means its own client over aiohttp, as many connections as needed, and no timeouts.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import runwayml
import runwayml.lib.polling

CONNECTIONS = 100_000
"""A high limit: without one httpx-aiohttp falls back to that of aiohttp, which is 100."""


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    runwayml.lib.polling.POLL_TIME = interval
    runwayml.lib.polling.POLL_JITTER = 0
    client = runwayml.AsyncRunwayML(api_key="fake", base_url=url, **_options(variant))

    async def generate(number: int) -> None:
        task = await client.text_to_video.create(
            model="veo3.1_fast", prompt_text=f"fox {number}", ratio="1280:720"
        )
        done = await task.wait_for_task_output()
        assert done.output

    return generate


def _options(variant: str) -> dict[str, Any]:
    if variant == "short timeout":
        return {"timeout": httpx.Timeout(5.0, read=0.5)}
    if variant == "tuned":
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        client = runwayml.DefaultAioHttpClient(limits=limits, timeout=None)
        return {"http_client": client, "timeout": None}
    return {}
