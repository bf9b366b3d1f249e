"""What callers pass in, checked where it is passed: before anything is sent or bought."""

import inspect
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Iterable,
    Sequence,
)
from pathlib import Path
from typing import Any, ParamSpec, cast

from vidgo_async._core.models import MediaFile, Request, Task, task_of
from vidgo_async.requests import check_request

_Args = ParamSpec("_Args")


def _check_many(what: str, value: object, kinds: tuple[type, ...]) -> None:
    # A string and a dict are iterable too, and never meant.
    if not isinstance(value, kinds) or isinstance(value, str | bytes | dict):
        msg = f"expected a list of {what}, not {_type_name(value)}"
        raise TypeError(msg)


def _type_name(value: Any) -> str:
    return type(value).__name__


def check_timeout(timeout: object) -> None:
    """Refuse a timeout that is not a number of seconds; None means no limit."""
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        msg = f"timeout must be a number of seconds or None, not {type(timeout).__name__}"
        raise TypeError(msg)
    if not timeout >= 0:
        msg = f"timeout must be 0 or more seconds, or None for no limit, not {timeout}"
        raise ValueError(msg)


def check_callback(name: str, callback: object) -> None:
    """Refuse what cannot be called, or would have to be awaited."""
    if callback is None:
        return
    called = (callback, getattr(callback, "__call__", None))  # noqa: B004 - to look inside
    if not callable(callback) or any(
        inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in called
    ):
        msg = f"{name} must be a plain function, not {callback!r}"
        raise TypeError(msg)


def as_callback(
    name: str, callback: Callable[_Args, object] | None
) -> Callable[_Args, None] | None:
    """Return a callback whose results are checked: one that would have to be awaited is refused.

    That shows only when it is called where an async function is hidden in a plain one.

    Raises:
        TypeError: It cannot be called, or is seen to be async.
    """
    check_callback(name, callback)
    if callback is None:
        return None

    def checked(*args: _Args.args, **kwargs: _Args.kwargs) -> None:
        result = callback(*args, **kwargs)
        if result is None or not isinstance(result, Coroutine | AsyncGenerator):
            return
        if isinstance(result, Coroutine):
            result.close()  # else Python warns that it was never awaited
        msg = f"{name} must be a plain function; {callback!r} returned a {_type_name(result)}"
        raise TypeError(msg)

    return checked


def as_task(task_or_id: object) -> Task:
    """Make a task of a bare id; a task stays as it is."""
    return task_of(check_task(task_or_id))


def check_task(task_or_id: object) -> Task | str:
    """Refuse what is neither a task nor the id of one."""
    if isinstance(task_or_id, Task):
        return task_or_id
    if not isinstance(task_or_id, str):
        msg = f"expected a Task or a task id, not {type(task_or_id).__name__}"
        raise TypeError(msg)
    if not task_or_id.strip():
        msg = "the task id is empty"
        raise ValueError(msg)
    return task_or_id


def check_tasks(tasks_or_ids: object) -> list[Task | str]:
    """Refuse what is not many of them."""
    _check_many("tasks or task ids", tasks_or_ids, (Iterable,))
    return [check_task(item) for item in cast("Iterable[object]", tasks_or_ids)]


def check_file(file: object) -> None:
    """Refuse what is not a file of a task."""
    if not isinstance(file, MediaFile):
        msg = f"expected a MediaFile such as task.files[0], not {type(file).__name__}"
        raise TypeError(msg)


def as_folder(name: str, folder: object) -> Path | None:
    """Return where to save files, if anywhere."""
    return None if folder is None else Path(as_path(name, folder))


def as_path(name: str, path: object) -> str:
    """Return a path as text, which keeps a separator at its end."""
    if not isinstance(path, str | os.PathLike):
        msg = f"{name} must be a path, not {type(path).__name__}"
        raise TypeError(msg)
    text = os.fspath(cast("str | os.PathLike[str]", path))
    if "\0" in text:
        msg = f"{name} must not hold a NUL character: {text!r}"
        raise ValueError(msg)
    return text


def check_requests(requests: object) -> None:
    """Refuse what is not many requests; check those of a list, leave a generator unread."""
    _check_many("requests", requests, (Iterable, AsyncIterable))
    if isinstance(requests, list | tuple):
        _check_each(cast("Sequence[object]", requests))


def list_requests(requests: object) -> list[Request]:
    """Read many requests from what can be read at once, and refuse anything else."""
    _check_many("requests", requests, (Iterable,))
    listed = list(cast("Iterable[Request]", requests))
    _check_each(listed)
    return listed


def _check_each(requests: Sequence[object]) -> None:
    # By type first: a hundred thousand take a few milliseconds.
    if not all(issubclass(kind, Request) for kind in set(map(type, requests))):
        list(map(check_request, requests))
