"""A loop over httpx, written in ten minutes; for Vidgo's API, like the one over aiohttp.

Tuned means a connection pool without a limit, and no timeouts.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

HEADERS = {"Authorization": "Bearer fake"}


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    client = httpx.AsyncClient(base_url=url, headers=HEADERS, **_options(variant))

    async def generate(number: int) -> None:
        body = {"model": "grok-imagine", "input": {"prompt": f"fox {number}"}}
        task = (await client.post("/api/generate/submit", json=body)).json()["data"]
        while task["status"] not in {"finished", "failed"}:
            await asyncio.sleep(interval)
            response = await client.get(f"/api/generate/status/{task['task_id']}")
            task = response.json()["data"]

    return generate


def _options(variant: str) -> dict[str, Any]:
    if variant == "tuned":
        # The pool scans its idle connections at each request, so keeping more of them costs more.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        return {"limits": limits, "timeout": None}
    return {}
