"""Callbacks that look plain and are async."""

from vidgo_async import Task


async def never_awaited(task: Task) -> None:
    raise AssertionError(task)


def hidden_async(task: Task) -> object:
    """Call an async function, and return what would have to be awaited."""
    return never_awaited(task)
