"""Batches and outcomes without a session."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from vidgo_async import Failure, GenerationRequest, Success, Task, VidgoError
from vidgo_async._core.models import Request
from vidgo_async._generation.outcome import Pending


class CountedRequest(Request):
    """A request that counts how often its input is read."""

    def __init__(self, prompt: str) -> None:
        self.reads = 0
        self._prompt = prompt

    @property
    def model(self) -> str:
        return "grok"

    @property
    def input(self) -> Mapping[str, Any]:
        self.reads += 1
        return {"prompt": self._prompt}


@attrs.define(weakref_slot=True)
class FakeBatch:
    """The counts of a batch, and what is in flight."""

    read: int = 0
    finished: int = 0
    failed: int = 0
    in_flight: Sequence[Pending] = ()

    def newest(self, count: int) -> Sequence[Pending]:
        return self.in_flight[: -count - 1 : -1]


_KEPT: list[FakeBatch] = []
"""Views do not keep a batch alive."""


def request(prompt: object = "a fox in snow") -> GenerationRequest:
    return GenerationRequest("grok", {"prompt": prompt})


def task(status: str = "running", **fields: Any) -> Task:
    return Task("task-1", status, **{"submitted_at": datetime.now(UTC), **fields})


def pending(prompt: str = "a fox in snow", index: int = 0, **fields: Any) -> Pending:
    return Pending(index, request(prompt), task(**fields))


def many(count: int, prompt: str = "fox {}") -> FakeBatch:
    """Return a batch with so many tasks in flight."""
    flying = [
        pending(prompt.format(number), number, progress=number % 100) for number in range(count)
    ]
    _KEPT.append(FakeBatch(count, 0, 0, flying))
    return _KEPT[-1]


def success(prompt: str = "a fox in snow", **fields: Any) -> Success:
    return Success(0, request(prompt), task("finished", **fields))


def failure(prompt: str = "rain on glass", error: str = "no fox here") -> Failure:
    return Failure(0, request(prompt), None, VidgoError(error))
