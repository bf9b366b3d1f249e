"""Tasks in virtual time, without a network: how long they take, and how policies look at them."""

import heapq
import itertools
import math
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

import attrs

from vidgo_async._core.models import Task, TaskStatus
from vidgo_async._polling.adaptive import AdaptivePolling, LearningPolicy
from vidgo_async._polling.policies import PollingPolicy
from vidgo_async._polling.poller import JITTER, next_tick

HORIZON = 6000
"""Seconds after which every task has ended, for what is computed on a grid."""


@attrs.frozen
class Durations:
    """How long tasks take."""

    draw: Callable[[random.Random], float]
    alive: Callable[[float], float]
    """The part of the tasks that still runs at an age."""


def lognormal(median: float, sigma: float) -> Durations:
    """Return durations whose logarithm is normal."""

    def draw(chance: random.Random) -> float:
        return median * math.exp(sigma * chance.gauss(0, 1))

    def alive(age: float) -> float:
        return 0.5 * math.erfc(math.log(age / median) / sigma / math.sqrt(2)) if age > 0 else 1.0

    return Durations(draw, alive)


def mixed(share: float, some: Durations, others: Durations) -> Durations:
    """Return durations of which a part is of another kind."""

    def draw(chance: random.Random) -> float:
        return (some if chance.random() < share else others).draw(chance)

    def alive(age: float) -> float:
        return share * some.alive(age) + (1 - share) * others.alive(age)

    return Durations(draw, alive)


Progress = Callable[[float, float, random.Random], int | None]
"""What a server says of a task at an age, which it knows will end at another."""


# --- Policies to compare with -------------------------------------------------------------------


@attrs.define
class Backoff:
    """Exponential backoff; it knows one task at a time."""

    cap: float = 10.0
    delay: float = 1.0

    def next_delay(self, task: Task, age: float | None) -> float:  # noqa: ARG002
        """Return 1 s at first, and then always half as much again."""
        self.delay = 1.0 if age == 0 else min(self.cap, self.delay * 1.5)
        return self.delay


class Told:
    """The rule of `AdaptivePolling`, with the true hazard instead of a learned one."""

    STEP = 0.25
    """Seconds."""

    def __init__(self, truth: Durations, settings: AdaptivePolling) -> None:
        self.settings = settings
        density, alive = 0.0, 1.0
        self.reached = [0.0]
        for age in range(1, int(HORIZON / self.STEP) + 1):
            still = truth.alive(age * self.STEP)
            if still > 1e-12:  # beyond it, the digits do not suffice
                density = math.sqrt(math.log(alive / still) / self.STEP / 2 / settings.patience)
            alive = still
            self.reached.append(self.reached[-1] + density * self.STEP)

    def next_delay(self, task: Task, age: float | None) -> float:  # noqa: ARG002
        """Return the seconds until the integral of the density has grown by 1."""
        assert age is not None
        before = min(int(age / self.STEP), len(self.reached) - 2)
        low, high = self.reached[before : before + 2]
        goal = low + (age / self.STEP - before) * (high - low) + 1
        place = bisect_left(self.reached, goal, before)
        if place == len(self.reached):
            return self.settings.max_interval
        low, high = self.reached[place - 1 : place + 1]
        wait = (place - 1 + (goal - low) / (high - low)) * self.STEP - age
        return min(max(wait, self.settings.min_interval), self.settings.max_interval)


@attrs.define
class Deaf:
    """Makes a policy one that is told what the looks found, and does not listen."""

    policy: PollingPolicy

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return what the policy says."""
        return self.policy.next_delay(task, age)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Learn nothing."""


@attrs.define
class Spy:
    """Keeps the ages of all looks, and the time that a policy takes."""

    policy: LearningPolicy
    ages: list[float] = attrs.field(factory=list)
    deciding: float = 0.0
    """Seconds of `next_delay`."""
    learning: float = 0.0
    """Seconds of `learn`."""

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return what the policy says."""
        began = time.perf_counter()
        delay = self.policy.next_delay(task, age)
        self.deciding += time.perf_counter() - began
        return delay

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Pass it on."""
        self.ages.append(latest)
        began = time.perf_counter()
        self.policy.learn(before, after, earliest, latest)
        self.learning += time.perf_counter() - began


def optimum(truth: Durations, patience: float) -> tuple[float, float]:
    """Return the looks per task and the mean lateness of the best of all schedules.

    By dynamic programming over whole seconds, backwards: no least or longest interval, no
    jitter, looks at any of those seconds. It minimises looks * patience + lateness.
    """
    end = next(age for age in range(HORIZON) if truth.alive(age) < 1e-5)
    alive = [truth.alive(age) for age in range(end + 1)]
    lived = list(
        itertools.accumulate(((a + b) / 2 for a, b in itertools.pairwise(alive)), initial=0)
    )
    # What is still to come at an age, weighted with the chance to get there: looks, lateness.
    ahead = [(0.0, 0.0)] * (end + 1)
    for age in range(end - 1, -1, -1):
        choices = (
            (
                alive[age] + ahead[look][0],
                (look - age) * alive[age] - (lived[look] - lived[age]) + ahead[look][1],
            )
            for look in range(age + 1, min(end, age + 400) + 1)
        )
        ahead[age] = min(choices, key=lambda cost: patience * cost[0] + cost[1])
    return ahead[0]


# --- Runs ---------------------------------------------------------------------------------------


@attrs.frozen
class Figures:
    """What a policy costs."""

    polls: float
    """Looks per task."""
    late: float
    """Seconds from the end of a task to the look that saw it, on average."""
    late_95: float
    """The seconds that 95 % of the tasks were noticed within."""

    @classmethod
    def of(cls, seen: Iterable[tuple[int, float]]) -> "Figures":
        """Sum up the looks and the lateness of each task."""
        looks, late = zip(*seen, strict=True)
        count = len(looks)
        return cls(sum(looks) / count, sum(late) / count, sorted(late)[int(0.95 * count)])

    @property
    def product(self) -> float:
        """The figure of merit: about half the mean duration for any fixed interval."""
        return self.polls * self.late


@attrs.define
class World:
    """Tasks of one kind, and the scheduler's own part in when they are looked at."""

    durations: Durations
    model: str = "video"
    progress: Progress | None = None
    chance: random.Random = attrs.field(factory=lambda: random.Random(1))

    def start(self) -> "_Running":
        """Submit a task."""
        end = self.durations.draw(self.chance)
        return _Running(end, self._seen(0.0, end), 0.0, 0)

    def look(self, policy: PollingPolicy, running: "_Running") -> "_Running":
        """Look at a task when the policy says; the scheduler adds jitter and ticks."""
        delay = policy.next_delay(running.task, running.age)
        delay *= 1 + JITTER * self.chance.random()
        age = next_tick(running.age + delay, delay)
        return _Running(running.end, self._seen(age, running.end), age, running.looks + 1)

    def _seen(self, age: float, end: float) -> Task:
        if age >= end:
            return Task("task", TaskStatus.FINISHED, model=self.model)
        told = None if self.progress is None else self.progress(age, end, self.chance)
        return Task("task", TaskStatus.RUNNING, model=self.model, progress=told)

    def alone(self, policy: PollingPolicy, count: int) -> Iterator[tuple[int, float]]:
        """Let a policy that learns no more look at tasks; yield looks and lateness of each."""
        for _ in range(count):
            running = self.start()
            while not running.task.done:
                running = self.look(policy, running)
            yield running.looks, running.age - running.end

    def together(
        self, policy: LearningPolicy, ends: int, at_once: int = 16, *, refill: bool = True
    ) -> Iterator[tuple[int, float]]:
        """Let a policy look at several tasks at once and learn, until so many have ended."""
        order = itertools.count()
        due: list[tuple[float, int, _Running, _Running]] = []

        def plan(running: _Running, born: float) -> None:
            after = self.look(policy, running)
            heapq.heappush(due, (born + after.age, next(order), running, after))

        for _ in range(at_once):
            plan(self.start(), 0.0)
        while ends:
            now, _, before, after = heapq.heappop(due)
            policy.learn(before.task, after.task, before.age, after.age)
            if not after.task.done:
                plan(after, now - after.age)
                continue
            yield after.looks, after.age - after.end
            ends -= 1
            if refill:
                plan(self.start(), now)


@attrs.frozen
class _Running:
    """A task as it was at its last look."""

    end: float
    task: Task
    age: float
    looks: int
