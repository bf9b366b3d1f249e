"""What callers were given, compared with what a server sold: each sale has exactly one owner."""

from collections import Counter
from collections.abc import Collection, Mapping

import attrs

from vidgo_async import (
    Failure,
    RateLimitError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Success,
    Task,
    VidgoError,
)


@attrs.frozen
class Differences:
    """Where both sides differ; all empty if each sale has exactly one owner."""

    not_sold: frozenset[str] = frozenset()
    """Task ids that a caller was given, and the server never sold."""
    sold_twice: frozenset[str] = frozenset()
    """Prompts for which more than one task was sold."""
    owned_twice: frozenset[str] = frozenset()
    """Prompts whose sale has more than one owner."""
    reported_twice: frozenset[str] = frozenset()
    """Prompts with more than one outcome."""
    lost: frozenset[str] = frozenset()
    """Prompts that were sold, and have no owner."""


@attrs.define
class Ledger:
    """What callers were given: tasks by id, submits of unknown outcome and outcomes by prompt."""

    tasks: Counter[str] = attrs.field(init=False, factory=Counter[str])
    unknown: Counter[str] = attrs.field(init=False, factory=Counter[str])
    outcomes: Counter[str] = attrs.field(init=False, factory=Counter[str])
    named: set[str] = attrs.field(init=False, factory=set[str])
    """Tasks that an error named: what goes on after the session is in `unclaimed` too."""
    given_up: list[RateLimitError] = attrs.field(init=False, factory=list[RateLimitError])
    """Submits that were refused until their patience was at its end."""

    def note(self, *things: object) -> None:
        """Note what a submit returned, raised or left unclaimed, and what a batch yielded."""
        for thing in things:
            match thing:
                case Task():
                    self.tasks[thing.task_id] += 1
                case SubmissionUnknownError():
                    self.unknown[thing.request.input["prompt"]] += 1
                case SubmitErrorGroup():
                    self.note(*thing.accepted.values(), *thing.failed.values())
                case VidgoError() if thing.task_id is not None:
                    self.named.add(thing.task_id)
                case RateLimitError():
                    self.given_up.append(thing)
                case VidgoError():
                    pass
                case Success() | Failure():
                    self.outcomes[thing.request.input["prompt"]] += 1
                    self.note(thing.error if thing.task is None else thing.task)
                case _:
                    assert thing is None

    def compare(self, sold: Mapping[str, Collection[str]]) -> Differences:
        """Compare with the ids of the tasks that a server sold, by prompt."""
        prompts = {task_id: prompt for prompt, task_ids in sold.items() for task_id in task_ids}
        owners = Counter(self.unknown)
        for task_id in self.tasks.keys() | self.named:
            if task_id in prompts:
                owners[prompts[task_id]] += self.tasks[task_id] or 1
        return Differences(
            not_sold=frozenset((self.tasks.keys() | self.named) - prompts.keys()),
            sold_twice=frozenset(prompt for prompt, ids in sold.items() if len(ids) > 1),
            owned_twice=_repeated(owners),
            reported_twice=_repeated(self.outcomes),
            lost=frozenset(sold.keys() - owners.keys()),
        )


def _repeated(counts: Counter[str]) -> frozenset[str]:
    return frozenset(name for name, times in counts.items() if times > 1)
