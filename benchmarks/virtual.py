"""An event loop whose clock jumps to the next timer: hours in seconds, for work without sockets."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Value = TypeVar("_Value")


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass that the loop would have waited."""
        self._loop.now += timeout or 0.0
        return []


def run(main: Coroutine[Any, Any, _Value]) -> _Value:
    """Run a coroutine that waits for timers only."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
