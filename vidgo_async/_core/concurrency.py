"""Seeing a thing through to its end, whoever cancels meanwhile."""

import asyncio
import contextlib
from collections.abc import Set as AbstractSet
from typing import Any

import anyio


async def see_through(tasks: AbstractSet["asyncio.Task[Any]"]) -> None:
    """Wait until all tasks ended, and only then give in to a cancellation.

    Their results and exceptions are left in them.
    """
    if not tasks:
        return
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        # A cancelled scope of anyio's would cancel each further wait, were there no shield; a
        # native cancellation goes through the shield, hence the loop.
        with anyio.CancelScope(shield=True):
            while not all(task.done() for task in tasks):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(tasks)
        raise
