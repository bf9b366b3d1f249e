"""Seeing a thing through to its end, whoever cancels meanwhile."""

import asyncio
from typing import Any


async def see_through(task: "asyncio.Task[Any]") -> None:
    """Wait until a task ended, and only then give in to a cancellation.

    Its result or exception is left in the task. A native cancellation goes through anyio's
    shields, hence the loop.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
