"""Between bytes and values: requests out, answers in.

Pure functions over (status, headers, body), and the only file that knows cattrs. What matters
is never coerced: `task_id` of a submit, `status` of a poll, `file_url` of a finished file and
the credits of a balance are what the server said or a `ResponseError` with the path. Any other
field of an unexpected type becomes None; `odd_fields` names it.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from vidgo_async import errors
from vidgo_async.requests import GenerationRequest, TypedRequest
from vidgo_async.tasks import Balance, MediaFile, Task, TaskStatus

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an answer that an error keeps."""


class Answer(NamedTuple):
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as an error shows it."""
        return self.body[:MAX_ERROR_BODY].decode("utf-8", "replace")


# --- Requests out ---------------------------------------------------------------------------


def submit_body(request: GenerationRequest | TypedRequest, callback_url: str | None) -> bytes:
    """Return the JSON of a submit; an unset callback URL is left out, not sent as null."""
    body: dict[str, Any] = {"model": request.model}
    if callback_url is not None:
        body["callback_url"] = callback_url
    body["input"] = request.input
    return json.dumps(body).encode()


# --- Answers in -----------------------------------------------------------------------------


def read_submitted(answer: Answer, model: str, submitted_at: datetime) -> Task:
    """Read the answer to a submit.

    Only `task_id` is required: some models leave `data.status` out (submit page), and of what
    else cannot be read the polls will tell.
    """
    data = _data(answer)
    ours = {"model": model, "submitted_at": submitted_at, "raw": data}
    fresh = {**data, "status": TaskStatus.NOT_STARTED.value, **ours}
    if not isinstance(data.get("status"), str):
        return _structure(answer, fresh, Task)
    try:
        return _structure(answer, {**data, **ours}, Task)
    except errors.ResponseError:
        return _structure(answer, fresh, Task)


def read_task(answer: Answer, known: Task) -> Task:
    """Read the answer to a poll; what only this side knows is carried over from `known`."""
    data = _data(answer)
    values = {
        **data,
        "task_id": known.task_id,
        "model": known.model,
        "submitted_at": known.submitted_at,
        "raw": data,
    }
    return _structure(answer, values, Task)


def read_balance(answer: Answer) -> Balance:
    """Read the answer to a balance call."""
    return _structure(answer, _data(answer), Balance)


def odd_fields(task: Task) -> Iterator[str]:
    """Name each field that came with a type nobody documented, and was left out of `task`."""
    raw = task.raw or {}
    for name in ("progress", "created_time", "error_message"):
        if raw.get(name) is not None and getattr(task, name) is None:
            yield f"{name} ({type(raw[name]).__name__})"
    for name in ("task_id", "status"):
        if raw.get(name) is not None and not isinstance(raw[name], str):
            yield f"{name} ({type(raw[name]).__name__})"
    if any(
        file.file_type is None and sent.get("file_type") is not None
        for file, sent in zip(task.files, raw.get("files") or (), strict=False)
    ):
        yield "file_type"


def _data(answer: Answer) -> dict[str, Any]:
    """Return the `data` object of a good answer; raise what any other answer means."""
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _refusal(answer, _parsed_or_none(answer), answer.status)
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise _unreadable(answer, f"HTTP status {answer.status} has no meaning in this API")
    payload = _parsed(answer)
    if (code := _code(payload)) is not None and HTTPStatus.BAD_REQUEST <= code <= 599:  # noqa: PLR2004
        raise _refusal(answer, payload, code)
    data = payload.get("data")
    if not isinstance(data, dict):
        raise _unreadable(answer, f"expected an object, got {_shown(data)} @ $.data")
    return data


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        payload = json.loads(answer.body)
    except (ValueError, RecursionError) as error:  # deep nesting ends in RecursionError
        raise _unreadable(answer, f"not JSON ({error}) @ $") from None
    if not isinstance(payload, dict):
        raise _unreadable(answer, f"expected an object, got {_shown(payload)} @ $")
    return payload


def _parsed_or_none(answer: Answer) -> dict[str, Any] | None:
    try:
        return _parsed(answer)
    except errors.ResponseError:
        return None


def _code(payload: Mapping[str, Any]) -> int | None:
    code = payload.get("code")
    return code if type(code) is int else None


def _unreadable(answer: Answer, *problems: str) -> errors.ResponseError:
    return errors.ResponseError(problems, answer.status, answer.text)


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"


# --- Refusals -------------------------------------------------------------------------------

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    402: errors.InsufficientCreditsError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.ServerError,
    409: errors.InvalidRequestError,
    413: errors.InvalidRequestError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitError,
}


def _refusal(answer: Answer, payload: dict[str, Any] | None, status: int) -> errors.APIError:
    """Turn an answer that says no into the error it means."""
    message, kind = _message_and_type(payload or {})
    return _error_class(status, kind)(
        message or _standard_phrase(status),
        status,
        _code(payload or {}),
        kind,
        answer.text,
        retry_after(answer.headers),
        message is not None,
    )


def _error_class(status: int, kind: str | None) -> type[errors.APIError]:
    if kind == "content_moderation_error":
        return errors.ContentModerationError
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.ServerError
    return _BY_STATUS.get(status, errors.APIError)


def _message_and_type(payload: dict[str, Any]) -> tuple[str | None, str | None]:
    """Read the four documented error bodies; (None, None) for anything else."""
    match payload:
        case {"error": {"message": str(message), "type": str(kind)}}:
            return message, kind
        case {"error": {"message": str(message)}}:
            return message, None
        case {"detail": str(message)} | {"message": str(message)}:
            return message, None
        case {"detail": [*items]}:
            return "; ".join(_validation_problem(item) for item in items), None
        case _:
            return None, None


def _validation_problem(item: object) -> str:
    match item:
        case {"loc": [*where], "msg": str(problem)}:
            return f"{'.'.join(str(step) for step in where)}: {problem}"
        case _:
            return str(item)


def _standard_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "the server gave no reason"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for; None where it makes no sense.

    Both forms of RFC 9110, section 10.2.3: seconds or an HTTP date. A date is taken relative
    to the server's own `Date`, so that two clocks that disagree do no harm.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        moment = _http_date(value)
        return None if moment is None else _seconds_until(moment, headers)
    return seconds if seconds >= 0 else None  # a NaN is not >= 0 either


def _seconds_until(moment: datetime, headers: Mapping[str, str]) -> float:
    now = _http_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- Structuring ----------------------------------------------------------------------------

_Value = TypeVar("_Value")
_Hook = Callable[[Any, Any], Any]


def _exactly(kind: type, name: str) -> _Hook:
    def structure(value: Any, _: object) -> Any:
        if type(value) is not kind:
            problem = f"expected {name}, got {_shown(value)}"
            raise ValueError(problem)
        return value

    return structure


def _words(value: Any, _: object) -> str:
    if not isinstance(value, str) or not value.strip():
        problem = f"expected a string that is not empty, got {_shown(value)}"
        raise ValueError(problem)
    return value


def _amount(value: Any, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        problem = f"expected a number, got {_shown(value)}"
        raise ValueError(problem)
    return value


def _moment(value: Any, _: object) -> datetime:
    return datetime.fromisoformat(value)


def _as_it_is(value: Any, _: object) -> Any:
    return value


def _or_none(hook: _Hook) -> _Hook:
    """Make a hook lenient: a field that does not matter is None rather than an error."""

    def structure(value: Any, kind: object) -> Any:
        try:
            return hook(value, kind)
        except (ValueError, TypeError):
            return None

    return structure


def _files(value: Any, _: object) -> tuple[MediaFile, ...]:
    if value is None:  # documented: "may be missing or null"
        return ()
    if not isinstance(value, list):
        problem = f"expected a list, got {_shown(value)}"
        raise ValueError(problem)
    return _converter.structure(value, tuple[MediaFile, ...])


def _file(value: Any, kind: Any) -> MediaFile:
    if not isinstance(value, dict):
        problem = f"expected an object, got {_shown(value)}"
        raise ValueError(problem)
    return _file_fields(value, kind)


_STRING = _exactly(str, "a string")
_OPTIONAL_STRING = override(struct_hook=_or_none(_STRING))
_OURS = override(struct_hook=_as_it_is)
_FROM_SERVER: dict[str, Any] = {
    "task_id": override(struct_hook=_words),
    "status": override(struct_hook=_STRING),
    "progress": override(struct_hook=_or_none(_exactly(int, "an integer"))),
    "created_time": override(struct_hook=_or_none(_moment)),
    "error_message": _OPTIONAL_STRING,
    "model": _OURS,
    "submitted_at": _OURS,
    "raw": _OURS,
}

_converter = cattrs.Converter()
_file_fields = make_dict_structure_fn(
    MediaFile,
    _converter,
    file_url=override(struct_hook=_words),
    file_type=_OPTIONAL_STRING,
    task_id=override(omit=True),
)
_finished_task = make_dict_structure_fn(
    Task, _converter, files=override(struct_hook=_files), **_FROM_SERVER
)
# "Empty unless finished" (status page): until then the field is not even looked at.
_other_task = make_dict_structure_fn(
    Task, _converter, files=override(omit=True), **_FROM_SERVER
)


def _task(value: Any, kind: Any) -> Task:
    if value.get("status") != TaskStatus.FINISHED:
        return _other_task(value, kind)
    task = _finished_task(value, kind)
    files = tuple(attrs.evolve(file, task_id=task.task_id) for file in task.files)
    return attrs.evolve(task, files=files)


_converter.register_structure_hook(MediaFile, _file)
_converter.register_structure_hook(Task, _task)
_converter.register_structure_hook(
    Balance,
    make_dict_structure_fn(
        Balance,
        _converter,
        email=_OPTIONAL_STRING,
        credits=override(rename="credits_amount", struct_hook=_amount),
    ),
)


def _structure(answer: Answer, values: dict[str, Any], kind: type[_Value]) -> _Value:
    try:
        return _converter.structure(values, kind)
    except cattrs.ClassValidationError as failure:
        problems = cattrs.transform_error(failure, "$.data", _problem)
    raise _unreadable(answer, *problems)


def _problem(error: BaseException, _: object) -> str:
    return "required field missing" if isinstance(error, KeyError) else str(error)
