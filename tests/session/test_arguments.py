"""Arguments of calls: refused before anything is sent, by name."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial

import pytest

from tests.support.callbacks import hidden_async
from vidgo_async import GenerationRequest, GrokImagine, MediaFile, Request, Task
from vidgo_async._core.validators import check_count
from vidgo_async._session.arguments import (
    as_callback,
    as_task,
    check_callback,
    check_file,
    check_requests,
    check_tasks,
    check_timeout,
    list_requests,
)

URL = "https://example.com/fox.png"
TASK = Task("task-1", "running")
FOX = GrokImagine("a fox")
NO_NUMBERS = [True, "5", None, [1], 1j]


@pytest.mark.parametrize("value", [1, 16, 10**9])
def test_good_counts(value: int) -> None:
    """Whole numbers from 1 on are counts."""
    check_count("max_in_flight", value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 1.0])
def test_counts_of_wrong_types(value: object) -> None:
    """A count is a whole number, and True is none."""
    with pytest.raises(TypeError, match=rf"max_in_flight .*not {type(value).__name__}"):
        check_count("max_in_flight", value)


@pytest.mark.parametrize("value", [0, -1])
def test_counts_below_one(value: int) -> None:
    """A count is at least 1."""
    with pytest.raises(ValueError, match=f"max_in_flight must be at least 1, not {value}"):
        check_count("max_in_flight", value)


@pytest.mark.parametrize("value", [None, 0, 0.0, 1, 900.5])
def test_good_timeouts(value: float | None) -> None:
    """A timeout is None, or a number of seconds from 0 on."""
    check_timeout(value)


@pytest.mark.parametrize(
    ("error", "value"),
    [(ValueError, -1), (ValueError, -0.001), (ValueError, math.nan), (ValueError, -math.inf)]
    + [(TypeError, value) for value in NO_NUMBERS if value is not None],
)
def test_bad_timeouts(error: type[Exception], value: object) -> None:
    """A negative timeout, NaN, and what is no number are refused."""
    with pytest.raises(error, match=r"timeout must be .* None"):
        check_timeout(value)


@pytest.mark.parametrize("callback", [None, print, lambda task: None, [].append, partial(print)])
def test_good_callbacks(callback: object) -> None:
    """Anything that can be called without awaiting is a callback, and None is no callback."""
    check_callback("on_update", callback)


async def coroutine_function(task: Task) -> None:
    pass


class CoroutineObject:
    async def __call__(self, task: Task) -> None:
        pass


async def stream_function(task: Task) -> AsyncIterator[Task]:
    yield task


@pytest.mark.parametrize(
    "callback",
    [
        5,
        "print",
        coroutine_function,
        partial(coroutine_function),
        CoroutineObject(),
        stream_function,
    ],
)
def test_bad_callbacks(callback: object) -> None:
    """What cannot be called is refused, and an `async def`, which is never awaited."""
    with pytest.raises(TypeError, match="on_update must be a plain function"):
        check_callback("on_update", callback)


def hidden_stream(task: Task) -> object:
    return stream_function(task)


class HiddenCoroutine:
    def __call__(self, task: Task) -> object:
        return coroutine_function(task)


@pytest.mark.parametrize(
    "callback",
    [
        hidden_async,
        partial(hidden_async),
        hidden_stream,
        HiddenCoroutine(),
    ],
)
def test_hidden_async_callbacks(callback: Callable[[Task], object]) -> None:
    """An async function in a plain one is refused when it is called, without a warning."""
    checked = as_callback("on_update", callback)
    assert checked is not None
    with pytest.raises(TypeError, match=r"on_update must be a plain function; .* returned a "):
        checked(TASK)


async def test_callbacks_may_start_tasks() -> None:
    """What a callback returns otherwise counts for nothing, be it a task that runs already."""
    started: list[asyncio.Task[None]] = []

    def start(task: Task) -> asyncio.Task[None]:
        started.append(asyncio.create_task(coroutine_function(task)))
        return started[-1]

    checked = as_callback("on_update", start)
    assert checked is not None
    checked(TASK)
    await started[0]
    assert as_callback("on_update", None) is None


def test_tasks_and_ids() -> None:
    """A task stays the object it is; an id becomes a task of which nothing else is known."""
    assert as_task(TASK) is TASK
    assert as_task("task-9") == Task("task-9", "unknown")
    assert not as_task("task-9").done
    assert check_tasks(iter([TASK, "task-9"])) == [TASK, "task-9"]
    assert check_tasks([]) == []


@pytest.mark.parametrize(
    ("error", "value"),
    [(TypeError, None), (TypeError, 5), (TypeError, b"t"), (ValueError, ""), (ValueError, " ")],
)
def test_what_is_no_task(error: type[Exception], value: object) -> None:
    """Neither a task nor an id, or an empty id, is refused, in a list too."""
    with pytest.raises(error, match="task id"):
        as_task(value)
    with pytest.raises(error, match="task id"):
        check_tasks([TASK, value])


@pytest.mark.parametrize("value", ["task-1", b"task-1", {"task-1": TASK}, TASK, None, 5])
def test_what_is_no_list_of_tasks(value: object) -> None:
    """One id is not a list of its letters, and one task is no list."""
    with pytest.raises(TypeError, match=rf"list of tasks .*not {type(value).__name__}"):
        check_tasks(value)


def test_files() -> None:
    """Only a task's file can be fetched; a bare URL is refused with what is meant."""
    check_file(MediaFile(URL))
    with pytest.raises(TypeError, match=r"MediaFile such as task.files\[0\], not str"):
        check_file(URL)


async def stream() -> AsyncIterator[GrokImagine]:
    yield FOX


class Unread(Iterator[GrokImagine]):
    def __next__(self) -> GrokImagine:
        pytest.fail("the iterator was read")


@pytest.mark.parametrize("value", [[], [FOX], (FOX, GenerationRequest("any", {})), {FOX}, Unread()])
def test_many_requests(value: object) -> None:
    """Any iterable is taken; what is no list is left unread."""
    check_requests(value)


@pytest.mark.parametrize("value", [[], [FOX], (FOX, GenerationRequest("any", {})), {FOX}])
def test_requests_that_are_read_at_once(value: Iterable[Request]) -> None:
    """Any iterable is read."""
    assert list_requests(value) == list(value)
    assert list_requests(iter(value)) == list(value)


def test_streams_of_requests() -> None:
    """An async iterable is taken where streams are, and refused elsewhere."""
    check_requests(stream())
    with pytest.raises(TypeError, match="list of requests, not async_generator"):
        list_requests(stream())


@pytest.mark.parametrize("check", [check_requests, list_requests])
@pytest.mark.parametrize("value", ["a fox", b"a fox", {"prompt": "a fox"}, FOX, None, stream])
def test_what_is_no_list_of_requests(value: object, check: Callable[[object], object]) -> None:
    """One request is no list of requests, and one prompt is not a list of its letters."""
    with pytest.raises(TypeError, match="expected a list of requests"):
        check(value)


@pytest.mark.parametrize("check", [check_requests, list_requests])
@pytest.mark.parametrize("value", [[FOX, "a fox"], (None,), [[FOX]]])
def test_lists_are_checked(value: object, check: Callable[[object], object]) -> None:
    """What is no request in a list is refused before anything is sent."""
    with pytest.raises(TypeError, match="expected a request such as GrokImagine"):
        check(value)
