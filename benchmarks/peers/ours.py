"""Our client in the same form, for `faults-elsewhere` only."""

from collections.abc import Callable, Coroutine
from typing import Any

from vidgo_async import FixedPolling, GrokImagine, VidgoSession


def create(url: str, interval: float, variant: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Create a client, and return a function that generates one video."""
    timeout = 0.5 if variant == "short timeout" else 30.0
    session = VidgoSession(
        "fake", base_url=url, polling=FixedPolling(interval), request_timeout=timeout
    )

    async def generate(number: int) -> None:
        async with session:
            task = await session.generate(GrokImagine(prompt=f"fox {number}"))
        assert task.files

    return generate
