"""ElevenLabs' client: `python -m benchmarks.peers.elevenlabs URL TASKS INTERVAL [tuned]`.

Tuned means a client of httpx of our own, whose pool opens as many connections as it likes, and
requests that may wait for as long as it takes.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import elevenlabs
import elevenlabs.flows_custom
import httpx
from elevenlabs.client import AsyncElevenLabs

from benchmarks import stopwatch


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a client, and return what makes one video with it."""
    # It has no public way to look at even intervals, or more often than twice a second.
    elevenlabs.flows_custom._SMALLEST_MIN_POLL_INTERVAL_SECONDS = interval  # noqa: SLF001
    elevenlabs.flows_custom._POLL_JITTER = 0.0  # noqa: SLF001
    client = AsyncElevenLabs(api_key="fake", base_url=url, **_options(form))

    async def make(number: int) -> None:
        request = elevenlabs.VideoGenerationRequest_BytedanceSeedanceV2(prompt=f"fox {number}")
        video = await client.flows.video.create_and_wait(
            request=request, min_poll_interval_in_seconds=interval
        )
        assert video.status == "completed"

    return make


def _options(form: str) -> dict[str, Any]:
    if form == "impatient":
        return {"timeout": 0.5}
    if form == "tuned":
        # The pool scans what it keeps idle at each request, so to keep more of it costs more.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        client = httpx.AsyncClient(limits=limits, timeout=None)  # noqa: S113 - as said
        return {"httpx_client": client, "timeout": None}
    return {}


def main(url: str, count: str, interval: str, form: str = "default") -> None:
    """Make so many videos at once, and print what it took."""
    make = maker(url, float(interval), form)
    stopwatch.measure(lambda: asyncio.gather(*(make(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
