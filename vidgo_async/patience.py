"""How long to wait for the answer to a look while others wait for its place.

A hung look may hold its place for ten seconds. As long as nobody needs the place that is fine;
else the oldest look gives way once it took clearly longer than answers take. What "long" means is
learned from the answers themselves, as TCP learns its retransmission timeout (RFC 6298), so that
a server that is merely slow is not cut short for ever.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import attrs

from vidgo_async.errors import TransportTimeoutError

LEAST = 1.0
"""Seconds that every look gets, however fast answers are."""
MOST = 10.0
"""Seconds after which a look is given up anyway."""
FACTOR = 4.0
"""How many times longer than usual a look may take."""
GROWTH = 1.05
"""How much longer "usual" gets with each look that had to give way: a few hung ones must not
make everybody wait, and a slow server is understood after a few dozen."""
WEIGHT = 0.2
"""How much the newest answer counts against all before."""

_Value = TypeVar("_Value")


@attrs.define(eq=False)
class Patience:
    """Follows the looks that are under way, and hurries the oldest when asked to."""

    _usual: float = attrs.field(init=False, default=LEAST / FACTOR)
    _looks: dict[asyncio.Timeout, float] = attrs.field(
        init=False, factory=dict[asyncio.Timeout, float]
    )

    async def see(self, look: Coroutine[Any, Any, _Value]) -> _Value:
        """Wait for a look, as long as nobody needs its place.

        Raises:
            TransportTimeoutError: It had to give way.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._looks[scope] = started
                answer = await look
        except TimeoutError:
            if not scope.expired():
                raise
        else:
            self._usual += WEIGHT * (loop.time() - started - self._usual)
            return answer
        finally:
            self._looks.pop(scope, None)
        self._usual = min(GROWTH * self._usual, MOST / FACTOR)
        msg = f"no answer within {loop.time() - started:.1f} s, and others wait"
        raise TransportTimeoutError(msg)

    def hurry(self) -> None:
        """Let the look that has been under way for longest give way when its time is up."""
        scope = next(iter(self._looks), None)
        if scope is None or scope.when() is not None:
            return
        now = asyncio.get_running_loop().time()
        scope.reschedule(max(now, self._looks[scope] + max(LEAST, FACTOR * self._usual)))
