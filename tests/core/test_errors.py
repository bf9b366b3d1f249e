"""The tree of errors: its classes, their texts and attributes, copies and pickles."""

import copy
import json
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.errors import LIMITED, TASK, group
from vidgo_async._core import errors
from vidgo_async._core.errors import (
    APIError,
    DownloadError,
    JournalError,
    NotFoundError,
    NotSentError,
    RateLimitError,
    ResponseError,
    ServerError,
    SessionClosedError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    TaskFailedError,
    TaskTimeoutError,
    TransportError,
    TransportTimeoutError,
    VidgoError,
    WebhookError,
)
from vidgo_async._core.models import MediaFile, Task
from vidgo_async.requests import GrokImagine

FILE = MediaFile("https://storage.vidgo.ai/a.mp4", "video", "task-2")
REQUEST = GrokImagine("a fox")


EXAMPLES: list[VidgoError] = [
    VidgoError("it broke", TASK),
    VidgoError("it broke", None, "task-9"),
    TransportError("reset", False, False),
    TransportTimeoutError("too slow", False),
    LIMITED,
    *(
        kind("no", 400, code=1, type="some_type", body="{}", documented=True)
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, APIError)
    ),
    ResponseError(["$.data: expected an object, got nothing", "b"], 200, "{}"),
    SubmissionUnknownError("a task may exist", REQUEST, 502, "<html>"),
    SubmissionUnknownError("a task may exist", REQUEST),
    TaskFailedError(Task("task-1", "failed", error_message="too dark")),
    TaskTimeoutError("too late", ["task-1", "task-2"], TASK),
    DownloadError("gone", FILE),
    WebhookError("a wrong token", 401),
    JournalError("in use"),
    NotSentError("not sent"),
    SessionClosedError("closed"),
]
TRAVELS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "own_copy": lambda error: error.own_copy(),
}


# --- The tree --------------------------------------------------------------------------------


def drawn_tree() -> list[tuple[str, str]]:
    """Read (class, base) pairs off the drawing in the module's docstring."""
    ancestors: dict[int, str] = {}
    pairs = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ((?:│   |    |├── |└── )*)([A-Z]\w+(?:Error|Group))\b", line):
            depth = len(match[1])
            ancestors[depth] = match[2]
            pairs.append((match[2], ancestors.get(depth - 4, "Exception")))
    return pairs


def real_tree() -> list[tuple[str, str]]:
    return [
        (kind.__name__, kind.__bases__[0].__name__)
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    ]


def test_the_drawing_is_the_tree() -> None:
    """Every class stands in the docstring's drawing under its own base, and no other does."""
    assert len(drawn_tree()) > 15
    assert sorted(drawn_tree()) == sorted(real_tree())


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (TransportTimeoutError, TimeoutError),
        (TaskTimeoutError, TimeoutError),
        (SessionClosedError, RuntimeError),
        (SubmitErrorGroup, ExceptionGroup),
    ],
)
def test_builtins(kind: type[VidgoError], builtin: type[Exception]) -> None:
    """Four classes are also the builtin error that people catch, as the drawing says."""
    assert issubclass(kind, builtin)
    assert re.search(rf"{kind.__name__} +also an? {builtin.__name__}\b", errors.__doc__ or "")


def test_examples_are_complete() -> None:
    """The examples of this file hold at least one error of every class."""
    kinds = {type(error).__name__ for error in [*EXAMPLES, group()]}

    assert kinds == {name for name, _ in real_tree()}


# --- Copies and pickles -----------------------------------------------------------------------


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS.keys())
def test_errors_travel(error: VidgoError, travel: Callable[[Any], Any]) -> None:
    """A pickled or copied error is a new object of the class, with all it held."""
    arrived = travel(error)

    assert arrived is not error
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
    assert arrived.args == error.args
    assert str(arrived) == str(error)
    assert arrived.task_id == error.task_id


@pytest.mark.parametrize("travel", TRAVELS.values(), ids=TRAVELS.keys())
def test_groups_travel(travel: Callable[[Any], Any]) -> None:
    """A pickled or copied group still has what was accepted, and its errors as parts."""
    arrived = travel(group())

    assert type(arrived) is SubmitErrorGroup
    assert arrived.accepted == {1: TASK}
    assert [(i, type(error)) for i, error in sorted(arrived.failed.items())] == [
        (0, RateLimitError),
        (2, errors.InsufficientCreditsError),
    ]
    assert arrived.exceptions == (arrived.failed[0], arrived.failed[2])
    assert vars(arrived.failed[0]) == vars(LIMITED)
    assert str(arrived) == "2 of 3 failed"


@pytest.mark.parametrize("error", [*EXAMPLES, group()], ids=lambda error: type(error).__name__)
def test_own_copies(error: VidgoError) -> None:
    """A copy has the cause, may have another message, and does not change the original."""
    error = error.own_copy()
    cause = ValueError("why")
    error.__cause__ = cause
    words = error.message
    copied = error.own_copy("in other words")

    assert copied.message == "in other words"
    assert str(copied).endswith("in other words")
    assert copied.__cause__ is cause
    assert error.message == words
    copied.task = Task("other", "running")
    assert error.task_id != "other"


def test_own_copies_have_their_own_traceback() -> None:
    """Raising one copy adds no traceback and no context to another."""
    first = VidgoError("it broke")
    second = first.own_copy()
    with pytest.raises(VidgoError):
        raise first

    assert first.__traceback__ is not None
    assert second.__traceback__ is None


@pytest.mark.parametrize("error", [*EXAMPLES, group()], ids=lambda error: type(error).__name__)
def test_errors_are_hashable(error: VidgoError) -> None:
    """Errors hash by identity, which tracebacks and sets of errors need."""
    assert len({error, error, error.own_copy()}) == 2


# --- Texts and attributes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "task", "task_id"),
    [
        (VidgoError("x"), None, None),
        (VidgoError("x", TASK), TASK, "task-1"),
        (VidgoError("x", None, "task-9"), None, "task-9"),
        (NotFoundError("x", 404), None, None),
        (TaskFailedError(TASK), TASK, "task-1"),
        (TaskTimeoutError("x", ["task-1"], TASK), TASK, "task-1"),
        (TaskTimeoutError("x", ["task-1", "task-2"]), None, None),
        (DownloadError("x", FILE), None, "task-2"),
        (DownloadError("x", FILE, TASK), TASK, "task-1"),
        (DownloadError("x", MediaFile("https://a.b/c")), None, None),
    ],
)
def test_task_ids(error: VidgoError, task: Task | None, task_id: str | None) -> None:
    """The id is the task's; without a task, the one that the error was made with."""
    assert error.task is task
    assert error.task_id == task_id


def test_a_task_can_be_attached() -> None:
    """An error learns of its task later, and then names that one."""
    error = VidgoError("x", None, "task-9")
    error.about(TASK)

    assert (error.task, error.task_id) == (TASK, "task-1")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TransportTimeoutError("no answer within 30 s"), "no answer within 30 s"),
        (TaskTimeoutError("task-1 did not end", ("task-1",)), "task-1 did not end"),
        (SessionClosedError("the session is closed"), "the session is closed"),
        (group(), "2 of 3 failed"),
        (DownloadError("gone", FILE), "task task-2: gone"),
        (DownloadError("task-2 is gone", FILE), "task-2 is gone"),
        (VidgoError("it broke", TASK), "task task-1: it broke"),
        (TaskFailedError(Task("t", "failed", error_message="dark")), "task t failed: dark"),
        (
            TaskFailedError(Task("t", "failed")),
            "task t failed: the server gave no reason",
        ),
        (APIError("no such page", 405), "405: no such page"),
        (LIMITED, "429 rate_limit_error: slow down"),
        (
            ResponseError(("a @ $.b", "c @ $.d"), 200, "{}"),
            "unreadable answer (HTTP 200): a @ $.b; c @ $.d",
        ),
    ],
)
def test_texts(error: VidgoError, text: str) -> None:
    """The text is the message and the task, of those that are an OSError too."""
    assert str(error) == text
    assert error.message in text


def test_an_attached_task_is_named() -> None:
    """An error that learns of its task later names it in its text from then on."""
    error = NotFoundError("no such task", 404)
    error.about(TASK)

    assert str(error) == "task task-1: 404: no such task"
    assert str(error.without_task()) == "404: no such task"


@pytest.mark.parametrize("error", [*EXAMPLES, group()], ids=lambda error: type(error).__name__)
def test_errors_survive_as_json(error: VidgoError) -> None:
    """What task queues keep of an error as JSON is its text, with the id of its task."""
    kept = json.loads(json.dumps([str(error), repr(error), list(error.args)]))

    assert kept == [str(error), f"{type(error).__name__}({str(error)!r})", [str(error)]]
    assert error.message in kept[0]
    assert (error.task_id or "") in kept[0]


def test_a_text_from_json_is_the_same_error() -> None:
    """A backend that rebuilds an error from its class and `args` says the same again."""
    error = VidgoError("it broke", TASK)

    assert str(VidgoError(*error.args)) == str(error)


def test_args_can_be_set() -> None:
    """Code that adds words to `args`, as to those of other exceptions, changes the message."""
    error = VidgoError("it broke", TASK)
    error.args = ("it broke at night",)
    assert str(error) == "task task-1: it broke at night"
    error.args = ()
    assert error.message == ""


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (LIMITED, {"status": 429, "code": 429, "type": "rate_limit_error", "body": "{}"}),
        (LIMITED, {"retry_after": 7.5, "documented": True}),
        (ServerError("x", 502), {"code": None, "type": None, "body": "", "retry_after": None}),
        (ResponseError(["a"], 200, "text"), {"problems": ("a",), "status": 200, "body": "text"}),
        (SubmissionUnknownError("x", REQUEST), {"request": REQUEST, "status": None, "body": None}),
        (TaskTimeoutError("x", ["a", "b"]), {"pending": ("a", "b")}),
        (DownloadError("x", FILE), {"file": FILE}),
        (TransportError("x"), {"sent": True}),
    ],
)
def test_attributes(error: VidgoError, attributes: dict[str, object]) -> None:
    """What an error holds is what it was made with."""
    assert {name: getattr(error, name) for name in attributes} == attributes
