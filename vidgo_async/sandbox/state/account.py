"""The account: it sells tasks for credits, and decides how each one ends.

The caller passes the time, in seconds of any clock that never goes back.
"""

import bisect
import math
import random
import string
from datetime import datetime, timedelta
from typing import Any

import attrs

from vidgo_async.sandbox.media.film import Film
from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.submissions import Submission
from vidgo_async.sandbox.state.tasks import SoldTask, server_time, utc_time

FAILURES = (
    "Content moderation: the generated video was rejected",
    "The upstream provider is overloaded, please try again",
    "Generation timed out",
)
FILM_SEEDS = 8
"""Enough colours to tell neighbours apart, and few enough that equal films are made once."""


def _check_range(_: object, field: "attrs.Attribute[Any]", value: tuple[float, float]) -> None:
    low, high = value
    if not 0 <= low <= high < math.inf:
        msg = f"{field.name} must be a range such as (0.3, 1.5), not {value}"
        raise ValueError(msg)


_amount = [attrs.validators.ge(0.0), attrs.validators.lt(math.inf)]
_share = [attrs.validators.ge(0.0), attrs.validators.le(1.0)]


@attrs.define(kw_only=True, eq=False)
class Account:
    """Sells tasks for credits; the same seed gives the same times and failures."""

    seed: int
    seconds: tuple[float, float] = attrs.field(validator=_check_range)
    """The shortest and the longest generation."""
    failure_rate: float = attrs.field(validator=_share)
    """The share of the tasks that fail, 0 to 1."""
    credits: float = attrs.field(validator=_amount)
    """Credits at the start."""
    price: float = attrs.field(validator=_amount)
    """Credits for one task."""
    tasks: dict[str, SoldTask] = attrs.field(init=False, factory=dict[str, SoldTask])
    """All sold tasks, in order of sale."""
    _random: random.Random = attrs.field(init=False)
    _refund_times: list[float] = attrs.field(init=False, factory=list[float])  # sorted

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def credits_left(self, now: float) -> float:
        """Return the credits left; those of a failed task come back as it fails."""
        # Changes nothing, so that a test may call it from another thread.
        paid_tasks = len(self.tasks) - bisect.bisect_right(self._refund_times, now)
        # Rounded, so that ten times 0.1 buys ten.
        return round(self.credits - self.price * paid_tasks, 6)

    def sell(
        self, submission: Submission, now: float, wall: datetime, failure: str | None = None
    ) -> SoldTask:
        """Take the credits for a task, and decide how it ends.

        Args:
            submission: What to generate.
            now: The time of the sale.
            wall: The same time on the wall clock, aware.
            failure: The error message of a task that is to fail at once; None leaves its end to
                the seed.

        Raises:
            RefusedError: There are not enough credits (402).
        """
        if self.credits_left(now) < self.price:
            raise RefusedError(402, "insufficient_credits_error", "Insufficient credits")
        task = self._new_task(submission, now, wall)
        if failure is not None:
            finished_time = utc_time(wall)
            task = attrs.evolve(task, seconds=0.0, finished_time=finished_time, failure=failure)
        self.tasks[task.task_id] = task
        if task.failure:
            bisect.insort(self._refund_times, task.ends_at)
        return task

    def _new_task(self, submission: Submission, now: float, wall: datetime) -> SoldTask:
        # Each sale draws the same count of random numbers, so that its settings and its end
        # change nothing for the next one.
        chance, failure = self._random.random(), self._random.choice(FAILURES)
        suffix = "".join(self._random.choices(string.ascii_lowercase + string.digits, k=8))
        seconds = self._random.uniform(*self.seconds)
        return SoldTask(
            task_id=f"task-unified-{int(wall.timestamp()):010d}-{suffix}",
            model=submission.model,
            input=submission.input,
            callback_url=submission.callback_url,
            created_time=server_time(wall),
            finished_time=utc_time(wall + timedelta(seconds=seconds)),
            sold_at=now,
            seconds=seconds,
            failure=failure if chance < self.failure_rate else None,
            price=self.price,
            film=Film.from_input(submission.input, seed=len(self.tasks) % FILM_SEEDS),
        )
