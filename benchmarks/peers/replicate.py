"""The client of Replicate.

Tuned means a connection pool without a limit, and no timeouts.
"""

import os
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import replicate


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    os.environ["REPLICATE_POLL_INTERVAL"] = str(interval)  # read when the client is created
    client = replicate.Client(api_token="fake", base_url=url, **_options(variant))  # noqa: S106
    client._async_client  # noqa: B018, SLF001 - created now: start-up is not measured

    async def generate(number: int) -> None:
        prediction = await client.predictions.async_create(
            version="fake", input={"prompt": f"fox {number}"}, **_submit_timeout(variant)
        )
        await prediction.async_wait()
        assert prediction.status == "succeeded"

    return generate


def _options(variant: str) -> dict[str, Any]:
    if variant == "tuned":
        # The pool scans its idle connections at each request, so keeping more of them costs more.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        # It creates the transport itself and would ignore `limits=`.
        transport = httpx.AsyncHTTPTransport(limits=limits)
        return {"transport": transport, "timeout": httpx.Timeout(None)}
    return {}


def _submit_timeout(variant: str) -> dict[str, Any]:
    """Limit the submit, which the timeout of the client does not."""
    return (
        {"wait": 1} if variant == "short timeout" else {}
    )  # seconds; the client adds half a second
