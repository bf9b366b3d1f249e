"""The client of ElevenLabs.

Tuned means an httpx client of our own with a connection pool without a limit, and no timeouts.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import elevenlabs
import elevenlabs.flows_custom
import httpx
from elevenlabs.client import AsyncElevenLabs


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    # There is no public way to poll at even intervals, or more than twice a second.
    elevenlabs.flows_custom._SMALLEST_MIN_POLL_INTERVAL_SECONDS = interval  # noqa: SLF001
    elevenlabs.flows_custom._POLL_JITTER = 0.0  # noqa: SLF001
    client = AsyncElevenLabs(api_key="fake", base_url=url, **_options(variant))

    async def generate(number: int) -> None:
        request = elevenlabs.VideoGenerationRequest_BytedanceSeedanceV2(prompt=f"fox {number}")
        video = await client.flows.video.create_and_wait(
            request=request, min_poll_interval_in_seconds=interval
        )
        assert video.status == "completed"

    return generate


def _options(variant: str) -> dict[str, Any]:
    if variant == "short timeout":
        return {"timeout": 0.5}
    if variant == "tuned":
        # The pool scans its idle connections at each request, so keeping more of them costs more.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        client = httpx.AsyncClient(limits=limits, timeout=None)  # noqa: S113 - see the docstring
        return {"httpx_client": client, "timeout": None}
    return {}
