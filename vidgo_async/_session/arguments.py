"""What callers pass in, checked where it is passed: before anything is sent or bought."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import attrs

from vidgo_async._core.errors import SessionClosedError
from vidgo_async._core.models import UNSEEN, MediaFile, Task
from vidgo_async._core.secret import SecretText
from vidgo_async._polling.policies import PollingPolicy, RetryPolicy, positive
from vidgo_async.requests import check_callback_url, check_request, is_http_url

DEFAULT_BASE_URL = "https://api.vidgo.ai"


def _positive_int(_: object, field: "attrs.Attribute[int]", value: object) -> None:
    check_count(field.name, value)


def _find_key(key: Any) -> str:
    key = os.environ.get("VIDGO_API_KEY", "") if key is None else key
    if not isinstance(key, str):
        msg = f"api_key must be a string, not {type(key).__name__}"
        raise TypeError(msg)
    key = key.strip()
    if not key:
        msg = "no API key: set VIDGO_API_KEY in the environment, or pass api_key"
        raise ValueError(msg)
    if not (key.isascii() and key.isprintable()):
        msg = "the API key holds characters that no HTTP header can carry"
        raise ValueError(msg)
    return SecretText(key)


def _find_base_url(url: Any) -> str:
    url = os.environ.get("VIDGO_BASE_URL") or DEFAULT_BASE_URL if url is None else url
    if not isinstance(url, str):
        msg = f"base_url must be a string, not {type(url).__name__}"
        raise TypeError(msg)
    parts = urlsplit(url) if is_http_url(url) else None
    if parts is None or "@" in parts.netloc or "?" in url or "#" in url:
        msg = (
            "base_url must be an http(s) URL without user, query or fragment, "
            f"such as {DEFAULT_BASE_URL}"
        )
        raise ValueError(msg)
    address: str = url.rstrip("/")
    return address


def _is_polling(_: object, __: object, value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "next_delay", None)):
        msg = f"polling must be a policy such as FixedPolling(3.0), not {value!r}"
        raise TypeError(msg)


def _is_retry(_: object, __: object, value: Any) -> None:
    if not isinstance(value, RetryPolicy):
        msg = f"retry must be a policy such as RetryPolicy(timeout=60.0), not {value!r}"
        raise TypeError(msg)


def _is_proxy(_: object, __: object, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and is_http_url(value)):
        msg = "proxy must be an http(s) URL such as http://proxy.example:3128"
        raise ValueError(msg)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """How a session behaves; see `VidgoSession` for each."""

    api_key: str = attrs.field(converter=_find_key)
    base_url: str = attrs.field(converter=_find_base_url)
    callback_url: str | None = attrs.field(converter=check_callback_url)
    max_concurrent_requests: int = attrs.field(validator=_positive_int)
    max_requests_per_second: float | None = attrs.field(
        validator=attrs.validators.optional(positive)
    )
    polling: PollingPolicy = attrs.field(validator=_is_polling)
    retry: RetryPolicy = attrs.field(validator=_is_retry)
    request_timeout: float = attrs.field(validator=positive)
    proxy: str | None = attrs.field(
        converter=attrs.converters.optional(SecretText), validator=_is_proxy
    )
    trust_env: bool


def _check_many(what: str, value: object, kinds: tuple[type, ...]) -> None:
    # A string and a dict are iterable too, and never meant.
    if not isinstance(value, kinds) or isinstance(value, str | bytes | dict):
        msg = f"expected a list of {what}, not {_type_name(value)}"
        raise TypeError(msg)


def _type_name(value: Any) -> str:
    return type(value).__name__


def check_count(name: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name} must be a whole number, not {type(value).__name__}"
        raise TypeError(msg)
    if value < 1:
        msg = f"{name} must be at least 1, not {value}"
        raise ValueError(msg)


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


def as_task(task_or_id: object) -> Task:
    """Make a task of a bare id; a task stays as it is."""
    if isinstance(task_or_id, Task):
        return task_or_id
    if not isinstance(task_or_id, str):
        msg = f"expected a Task or a task id, not {type(task_or_id).__name__}"
        raise TypeError(msg)
    if not task_or_id.strip():
        msg = "the task id is empty"
        raise ValueError(msg)
    return Task(task_or_id, UNSEEN)


def as_tasks(tasks_or_ids: object) -> list[Task]:
    """Make tasks of tasks and ids."""
    _check_many("tasks or task ids", tasks_or_ids, (Iterable,))
    return [as_task(item) for item in cast("Iterable[object]", tasks_or_ids)]


def check_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Refuse the use of a session in another event loop than its own, or in none.

    Raises:
        SessionClosedError: This is not the session's loop.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not loop:
        msg = "the session belongs to another event loop; open one session in each"
        raise SessionClosedError(msg)


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


def check_requests(requests: object, *, streams: bool) -> None:
    """Refuse what is not many requests; look into a list, leave a generator unread."""
    _check_many("requests", requests, (Iterable, AsyncIterable) if streams else (Iterable,))
    if isinstance(requests, list | tuple):
        for request in cast("Sequence[object]", requests):
            check_request(request)
