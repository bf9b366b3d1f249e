"""Simulated tasks from which an adaptive policy learns, in virtual time."""

import math
import random
from collections.abc import Callable

import attrs

from vidgo_async import PollingPolicy, Task
from vidgo_async._polling.adaptive import AdaptivePolling, LearningPolicy

Progress = Callable[[float, float, random.Random], int | None]
"""What the server says of a task at an age, which it knows will end at another."""


def polled(age: float, progress: int | None = None, status: str = "running") -> Task:
    """Return a task as a poll found it."""
    return Task("task-1", status, progress=progress, model="sora-2")


@attrs.define
class World:
    """Tasks one after the other, in virtual time; the scheduler's jitter is added."""

    chance: random.Random = attrs.field(factory=lambda: random.Random(1))
    progress: Progress | None = None
    median: float = 180.0
    sigma: float = 0.15

    def poll(self, policy: LearningPolicy, *, learn: bool) -> tuple[int, float]:
        """Poll one task until it ended; return the polls, and how late the last was."""
        end = self.median * math.exp(self.sigma * self.chance.gauss(0, 1))
        age, polls = 0.0, 0
        before = self._state(age, end)
        while not before.done:
            latest = age + policy.next_delay(before, age) * (1 + 0.2 * self.chance.random())
            after = self._state(latest, end)
            if learn:
                policy.learn(before, after, age, latest)
            before, age, polls = after, latest, polls + 1
        return polls, age - end

    def _state(self, age: float, end: float) -> Task:
        if age >= end:
            return polled(age, status="finished")
        return polled(age, self.progress and self.progress(age, end, self.chance))

    def teach(self, policy: LearningPolicy, ends: int = 50) -> LearningPolicy:
        for _ in range(ends):
            self.poll(policy, learn=True)
        return policy

    def cost(self, policy: LearningPolicy, tasks: int = 400) -> float:
        """Return polls per task, times the mean seconds from end to poll."""
        found = [self.poll(policy, learn=False) for _ in range(tasks)]
        return sum(polls for polls, _ in found) / tasks * sum(late for _, late in found) / tasks


def learned(world: World | None = None, ends: int = 50) -> LearningPolicy:
    """Return a policy that saw so many tasks of a world end."""
    return (world or World()).teach(AdaptivePolling().start(), ends)


def delays(policy: PollingPolicy, progress: int | None = None) -> list[float]:
    """Return what a policy says at many ages."""
    return [policy.next_delay(polled(age, progress), float(age)) for age in range(0, 400, 10)]


def truthful(age: float, end: float, _: random.Random) -> int:
    return int(100 * age / end)
