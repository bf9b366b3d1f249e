"""The account: what it buys, how each task ends, and the credits left."""

import bisect
import math
import random
import string
from datetime import datetime
from typing import Any

import attrs

from vidgo_async.sandbox.media.film import Film
from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.submissions import Order
from vidgo_async.sandbox.state.tasks import SERVER_ZONE, SoldTask

FAILURES = (
    "Content moderation: the generated video was rejected",
    "The upstream provider is overloaded, please try again",
    "Generation timed out",
)


def _check_range(_: object, field: "attrs.Attribute[Any]", value: tuple[float, float]) -> None:
    low, high = value
    if not 0 <= low <= high < math.inf:
        msg = f"{field.name} must be a range such as (0.3, 1.5), not {value}"
        raise ValueError(msg)


_amount = [attrs.validators.ge(0.0), attrs.validators.lt(math.inf)]
_share = [attrs.validators.ge(0.0), attrs.validators.le(1.0)]


@attrs.define(kw_only=True, eq=False)
class World:
    """Sells tasks for credits; the same seed gives the same times and failures."""

    seed: int
    seconds: tuple[float, float] = attrs.field(validator=_check_range)
    """The shortest and the longest generation."""
    failure_rate: float = attrs.field(validator=_share)
    """The part of the tasks that fail, 0 to 1."""
    credits: float = attrs.field(validator=_amount)
    """Credits at the start."""
    price: float = attrs.field(validator=_amount)
    """Credits for one task."""
    tasks: dict[str, SoldTask] = attrs.field(init=False, factory=dict[str, SoldTask])
    """All that was ever sold, in order of sale."""
    _random: random.Random = attrs.field(init=False)
    _refunds: list[float] = attrs.field(init=False, factory=list[float])  # when due, sorted

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)  # repeatable; it guards nothing

    def credits_left(self, now: float) -> float:
        """Return the credits left; a failed task's come back as it fails."""
        # It changes nothing, so that a test may ask from another thread.
        paid = self.price * (len(self.tasks) - bisect.bisect_right(self._refunds, now))
        # Rounded, so that ten times 0.1 buys ten.
        return round(self.credits - paid, 6)

    def sell(self, order: Order, now: float, wall: datetime) -> SoldTask:
        """Take the credits and settle what will become of the task.

        Args:
            order: What is to be generated.
            now: Seconds, on the clock of whoever asks.
            wall: The same moment on the wall clock, aware.

        Raises:
            RefusedError: The credits do not suffice (402).
        """
        if self.credits_left(now) < self.price:
            raise RefusedError(402, "insufficient_credits_error", "Insufficient credits")
        task = self._cast_lots(order, now, wall)
        self.tasks[task.task_id] = task
        if task.failure:
            bisect.insort(self._refunds, task.ends_at)
        return task

    def _cast_lots(self, order: Order, now: float, wall: datetime) -> SoldTask:
        # Every sale draws equally often, so that one task's luck is not the next one's.
        chance, failure = self._random.random(), self._random.choice(FAILURES)
        letters = self._random.choices(string.ascii_lowercase + string.digits, k=8)
        return SoldTask(
            task_id=f"task-unified-{int(wall.timestamp()):010d}-{''.join(letters)}",
            model=order.model,
            input=order.input,
            callback_url=order.callback_url,
            created_time=f"{wall.astimezone(SERVER_ZONE):%Y-%m-%dT%H:%M:%S}",
            sold_at=now,
            seconds=self._random.uniform(*self.seconds),
            failure=failure if chance < self.failure_rate else None,
            # A few colours suffice to tell neighbours apart, and equal films are made once.
            film=Film.asked_for(order.input, seed=len(self.tasks) % 8),
        )
