"""Errors of a submit, alone and as a group."""

from vidgo_async._core import errors
from vidgo_async._core.errors import RateLimitError, SubmitErrorGroup
from vidgo_async._core.models import Task

TASK = Task("task-1", "running", progress=40)
NO_CREDITS = errors.InsufficientCreditsError("no credits", 402, code=402)
LIMITED = RateLimitError(
    "slow down",
    429,
    code=429,
    type="rate_limit_error",
    body="{}",
    retry_after=7.5,
    documented=True,
)


def group() -> SubmitErrorGroup:
    return SubmitErrorGroup(
        "2 of 3 failed", {1: TASK}, {2: NO_CREDITS.own_copy(), 0: LIMITED.own_copy()}
    )
