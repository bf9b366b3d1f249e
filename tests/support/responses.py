"""Responses, and the functions that read them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from vidgo_async._api import wire
from vidgo_async._api.responses import Response, data_of
from vidgo_async._api.wire import Origin, read_balance, read_submitted
from vidgo_async._core.models import Balance, Task

NOW = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
KNOWN = Task("task-1", "running", progress=10, model="grok-imagine", submitted_at=NOW)
MISSING = object()


def answer(payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Response(status, headers or {}, body)


def read_task(response: Response, known: Task) -> Task:
    """Read the response to a poll by hand, of which `raw` is kept."""
    return wire.read_task(response, data_of(response), known, keeps_raw=True)


def surprises(task: Task) -> list[str]:
    """Name what was not expected in the response that a task came in."""
    return list(wire.unexpected_fields(task, task.raw or {}))


def submitted(data: Any) -> Task:
    return read_submitted(answer({"code": 200, "data": data}), Origin("grok-imagine", NOW))


def polled(data: Any) -> Task:
    return read_task(answer({"code": 200, "data": data}), KNOWN)


def polled_with(body: Any, status: int, headers: dict[str, str] | None = None) -> Task:
    return read_task(answer(body, status, headers), KNOWN)


def balance(data: Any) -> Balance:
    return read_balance(answer({"code": 200, "data": data}))


def without_missing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not MISSING}


READERS: dict[str, Callable[[Response], Task | Balance]] = {
    "submit": lambda got: read_submitted(got, Origin("grok-imagine", NOW)),
    "poll": lambda got: read_task(got, KNOWN),
    "balance": read_balance,
}
ALL_READERS = pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
ALL_BUT_SUBMIT = pytest.mark.parametrize(
    "read", [READERS["poll"], READERS["balance"]], ids=["poll", "balance"]
)
"""Readers for which the status and the code decide, not a `task_id`."""
