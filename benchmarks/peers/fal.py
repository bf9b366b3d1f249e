"""The client of fal.

Tuned means a connection pool without a limit, which has no public setting, and no timeouts.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import fal_client
import fal_client.client
import httpx


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    fal_client.client.QUEUE_URL_FORMAT = f"{url}/"
    client = fal_client.AsyncClient(key="fake", **_options(variant))
    asyncio.run(_start(client))

    async def generate(number: int) -> None:
        body = {"prompt": f"fox {number}", "server": url}  # its answer contains further URLs
        result = await client.subscribe("fake/video", body, interval=interval)
        assert result["video"]["url"]

    return generate


def _options(variant: str) -> dict[str, Any]:
    if variant == "short timeout":
        return {"default_timeout": 0.5}
    if variant == "tuned":
        _tune()
        return {"default_timeout": 3600.0}
    return {}


def _tune() -> None:
    # The pool scans its idle connections at each request, so keeping more of them costs more.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    fal_client.client.AsyncBackupDomainTransport = functools.partial(
        fal_client.client.AsyncBackupDomainTransport,
        transport=httpx.AsyncHTTPTransport(limits=limits),
    )
    fal_client.client.QUEUE_POLL_TIMEOUT = httpx.Timeout(None)


async def _start(client: Any) -> None:
    """Create now what the first request would create: start-up is not measured."""
    await client._client  # noqa: SLF001 - there is no public way
