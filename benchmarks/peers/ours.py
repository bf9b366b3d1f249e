"""Ours, made as its neighbours are, for the table of faults alone."""

from collections.abc import Callable, Coroutine
from typing import Any

from vidgo_async import FixedPolling, GrokImagine, VidgoSession


def maker(url: str, interval: float, form: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Make a session, and return what makes one video with it."""
    timeout = 0.5 if form == "impatient" else 30.0
    session = VidgoSession(
        "fake", base_url=url, polling=FixedPolling(interval), request_timeout=timeout
    )

    async def make(number: int) -> None:
        async with session:
            task = await session.generate(GrokImagine(prompt=f"fox {number}"))
        assert task.files

    return make
