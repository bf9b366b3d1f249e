"""Run code that waits for timers only in virtual time: hours in seconds."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from vidgo_async.sandbox import jumping_loop

_Value = TypeVar("_Value")


def run(main: Coroutine[Any, Any, _Value]) -> _Value:
    """Run a coroutine on a clock that starts at 0 and moves by timers alone."""
    loop_factory = partial(jumping_loop, grace=0.0, iteration_time=0.0)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)
