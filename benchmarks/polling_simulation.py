"""Simulated tasks in virtual time, without a network, and policies that decide when to poll them."""

import argparse
import heapq
import itertools
import math
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

import attrs

from vidgo_async import AdaptivePolling, LearningPolicy, PollingPolicy, Task, TaskStatus
from vidgo_async._polling.ticks import Wait, tick_after

HORIZON = 6000
"""Seconds after which every task has ended, for computations on a grid."""
ENDS = 50
"""Completions that a policy learns from before it is measured."""
INTERVALS = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0)
"""Seconds, up to `max_interval` of `AdaptivePolling`. Far beyond it, where one poll comes after
nearly all ends, the product falls again (to 66 s for sigma 0.15), but ends are noticed a minute
late."""


@attrs.frozen
class Durations:
    """How long tasks take."""

    draw: Callable[[random.Random], float]
    alive: Callable[[float], float]
    """The share of the tasks that still run at an age."""


def lognormal(median: float, sigma: float) -> Durations:
    """Return durations whose logarithm is normal."""

    def draw(rng: random.Random) -> float:
        return median * math.exp(sigma * rng.gauss(0, 1))

    def alive(age: float) -> float:
        return 0.5 * math.erfc(math.log(age / median) / sigma / math.sqrt(2)) if age > 0 else 1.0

    return Durations(draw, alive)


def mixed(share: float, some: Durations, others: Durations) -> Durations:
    """Return a mixture of two kinds of durations."""

    def draw(rng: random.Random) -> float:
        return (some if rng.random() < share else others).draw(rng)

    def alive(age: float) -> float:
        return share * some.alive(age) + (1 - share) * others.alive(age)

    return Durations(draw, alive)


Progress = Callable[[float, float, random.Random], int | None]
"""The progress that a server reports, given the age of a task and its age at the end."""


# --- Policies to compare with -------------------------------------------------------------------


@attrs.define
class Backoff:
    """Exponential backoff; for one task at a time."""

    cap: float = 10.0
    delay: float = 1.0

    def next_delay(self, task: Task, age: float | None) -> float:  # noqa: ARG002
        """Return 1 s at first, then 1.5 times the last delay."""
        self.delay = 1.0 if age == 0 else min(self.cap, self.delay * 1.5)
        return self.delay


class Oracle:
    """The rule of `AdaptivePolling`, with the true hazard instead of a learned one."""

    STEP = 0.25
    """Seconds."""

    def __init__(self, truth: Durations, settings: AdaptivePolling) -> None:
        self.settings = settings
        density, alive = 0.0, 1.0
        self.reached = [0.0]
        for age in range(1, int(HORIZON / self.STEP) + 1):
            still = truth.alive(age * self.STEP)
            if still > 1e-12:  # below that, floats are not exact enough
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
class NonLearning:
    """Adapts a plain policy to where a learning one is expected."""

    policy: PollingPolicy

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the delay of the policy."""
        return self.policy.next_delay(task, age)

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Learn nothing."""


@attrs.define
class Recorder:
    """Records the age at each poll, and the time that a policy takes."""

    policy: LearningPolicy
    ages: list[float] = attrs.field(factory=list)
    deciding: float = 0.0
    """Seconds of `next_delay`."""
    learning: float = 0.0
    """Seconds of `learn`."""

    def next_delay(self, task: Task, age: float | None) -> float:
        """Return the delay of the policy."""
        began = time.perf_counter()
        delay = self.policy.next_delay(task, age)
        self.deciding += time.perf_counter() - began
        return delay

    def learn(self, before: Task, after: Task, earliest: float, latest: float) -> None:
        """Let the policy learn."""
        self.ages.append(latest)
        began = time.perf_counter()
        self.policy.learn(before, after, earliest, latest)
        self.learning += time.perf_counter() - began


def optimum(truth: Durations, patience: float) -> tuple[float, float]:
    """Return the polls per task and the mean lateness of the best possible schedule.

    Dynamic programming over whole seconds, backwards, without jitter and limits of the interval.
    It minimises polls * patience + lateness.
    """
    end = next(age for age in range(HORIZON) if truth.alive(age) < 1e-5)
    alive = [truth.alive(age) for age in range(end + 1)]
    lived = list(
        itertools.accumulate(((a + b) / 2 for a, b in itertools.pairwise(alive)), initial=0)
    )
    # Polls and lateness still to come at an age, weighted with the probability of getting there.
    ahead = [(0.0, 0.0)] * (end + 1)
    for age in range(end - 1, -1, -1):
        choices = (
            (
                alive[age] + ahead[poll][0],
                (poll - age) * alive[age] - (lived[poll] - lived[age]) + ahead[poll][1],
            )
            for poll in range(age + 1, min(end, age + 400) + 1)
        )
        ahead[age] = min(choices, key=lambda cost: patience * cost[0] + cost[1])
    return ahead[0]


# --- Runs ---------------------------------------------------------------------------------------


@attrs.frozen
class Figures:
    """The cost of a policy."""

    polls: float
    """Polls per task."""
    late: float
    """Mean seconds from the end of a task to the poll that sees it."""
    late_95: float
    """The 95th percentile of these seconds."""

    @classmethod
    def of(cls, tasks: Iterable[tuple[int, float]]) -> "Figures":
        """Summarise the polls and the lateness of each task."""
        polls, late = zip(*tasks, strict=True)
        count = len(polls)
        return cls(sum(polls) / count, sum(late) / count, sorted(late)[int(0.95 * count)])

    @property
    def product(self) -> float:
        """The figure of merit: about half the mean duration for any fixed interval."""
        return self.polls * self.late


@attrs.define
class Simulation:
    """Tasks of one kind, polled as the session's scheduler does: with jitter and ticks."""

    durations: Durations
    model: str = "video"
    progress: Progress | None = None
    rng: random.Random = attrs.field(factory=lambda: random.Random(1))

    def start(self) -> "_Running":
        """Submit a task."""
        end = self.durations.draw(self.rng)
        return _Running(end, self._state(0.0, end), 0.0, 0)

    def poll(self, policy: PollingPolicy, running: "_Running") -> "_Running":
        """Poll a task when the policy says; the scheduler adds jitter and ticks."""
        delay = policy.next_delay(running.task, running.age)
        age = tick_after(Wait(delay), running.age, delay, self.rng.random())
        return _Running(running.end, self._state(age, running.end), age, running.polls + 1)

    def _state(self, age: float, end: float) -> Task:
        if age >= end:
            return Task("task", TaskStatus.FINISHED, model=self.model)
        progress = None if self.progress is None else self.progress(age, end, self.rng)
        return Task("task", TaskStatus.RUNNING, model=self.model, progress=progress)

    def one_by_one(self, policy: PollingPolicy, count: int) -> Iterator[tuple[int, float]]:
        """Poll tasks one by one, teaching the policy nothing; yield polls and lateness of each."""
        for _ in range(count):
            running = self.start()
            while not running.task.done:
                running = self.poll(policy, running)
            yield running.polls, running.age - running.end

    def concurrently(
        self, policy: LearningPolicy, ends: int, at_once: int = 16, *, refill: bool = True
    ) -> Iterator[tuple[int, float]]:
        """Poll several tasks at once and let the policy learn, until so many have ended."""
        order = itertools.count()
        due: list[tuple[float, int, _Running, _Running]] = []

        def schedule(running: _Running, submitted_at: float) -> None:
            after = self.poll(policy, running)
            heapq.heappush(due, (submitted_at + after.age, next(order), running, after))

        for _ in range(at_once):
            schedule(self.start(), 0.0)
        while ends:
            now, _, before, after = heapq.heappop(due)
            policy.learn(before.task, after.task, before.age, after.age)
            if not after.task.done:
                schedule(after, now - after.age)
                continue
            yield after.polls, after.age - after.end
            ends -= 1
            if refill:
                schedule(self.start(), now)


@attrs.frozen
class _Running:
    """A task as it was at its last poll."""

    end: float
    task: Task
    age: float
    polls: int


# --- Costs --------------------------------------------------------------------------------------


def cost_after_learning(
    simulation: Simulation,
    options: argparse.Namespace,
    settings: AdaptivePolling | None = None,
    past: Simulation | None = None,
    ends: int = ENDS,
) -> Figures:
    """Return the cost for learners after `ends` completions, perhaps after another simulation."""
    tasks: list[tuple[int, float]] = []
    for seed in range(options.learners):
        policy = (settings or AdaptivePolling()).start()
        rng = random.Random(seed)
        if past is not None:
            list(attrs.evolve(past, rng=rng).concurrently(policy, 2 * ENDS))
        now = attrs.evolve(simulation, rng=rng)
        list(now.concurrently(policy, ends))
        tasks.extend(now.one_by_one(policy, options.tasks))
    return Figures.of(tasks)


def cost_of(durations: Durations, policy: PollingPolicy, count: int = 4000) -> Figures:
    """Return the cost for `count` tasks of a policy that learns nothing."""
    return Figures.of(Simulation(durations).one_by_one(policy, count))
