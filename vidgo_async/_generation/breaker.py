"""The circuit breaker of one batch: after a 401 or a 402 nothing more is sent."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from vidgo_async._core.concurrency import wait_shielded
from vidgo_async._core.errors import AuthenticationError, InsufficientCreditsError, VidgoError

_Value = TypeVar("_Value")


class Breaker:
    """Opens after a 401 or a 402, so that the rest of a batch is not sent."""

    def __init__(self) -> None:
        self._refusal: VidgoError | None = None
        self._opened = asyncio.Event()

    def check(self) -> None:
        """Raise a copy of the refusal, if there was one."""
        if self._refusal is not None:
            raise self._refusal.own_copy()

    def record(self, error: VidgoError) -> None:
        """Open, if a submit or the upload of its media failed like this."""
        if isinstance(error, AuthenticationError | InsufficientCreditsError):
            self._refusal = self._refusal or error
            self._opened.set()

    async def race(self, coroutine: Coroutine[Any, Any, _Value]) -> _Value:
        """Wait for what a submit needs first, but no longer than until the breaker opens."""
        self.check()
        needed = asyncio.create_task(coroutine)
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({needed, opened}, return_when=asyncio.FIRST_COMPLETED)
            self.check()
            return needed.result()
        except VidgoError as error:
            self.record(error)
            raise
        finally:
            needed.cancel()
            opened.cancel()
            await wait_shielded({needed, opened})
