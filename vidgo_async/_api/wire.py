"""Between JSON and values.

Pure functions, and the only file that knows cattrs. What matters is never coerced: `task_id` of a
submit, `status` of a poll, `file_url` of a finished file or of an upload and the credits of a
balance are what the server said, or a `ResponseError` with the path. Any other field of an
unexpected type becomes None; `unexpected_fields` names it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sized
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from vidgo_async._api.responses import (
    Response,
    callback_data_of,
    data_of,
    is_text,
    preview,
    sale_of,
    unreadable_response,
    upload_data_of,
)
from vidgo_async._core.errors import ResponseError
from vidgo_async._core.models import (
    DONE,
    FINISHED,
    Balance,
    MediaFile,
    Task,
    TaskStatus,
    UploadedFile,
)

MAX_FILES = 100
"""Files of a callback that are read; a task has a few."""

# --- Reading responses ------------------------------------------------------------------------


class Origin(NamedTuple):
    """What only this side knows of a task, from its submit."""

    model: str | None
    submitted_at: datetime | None
    duration: float | None = None
    """Seconds of video that were asked for."""


def read_submitted(response: Response, origin: Origin) -> Task:
    """Read the response to a submit.

    A `task_id` means bought, whatever the status and the code beside it, and is all that is
    required: some models leave `data.status` out (submit page), and polls will show any other
    field that cannot be read.
    """
    data = sale_of(response) or data_of(response)
    ours = {**origin._asdict(), "raw": data}
    fresh = {**data, "status": TaskStatus.NOT_STARTED.value, **ours}
    if not isinstance(data.get("status"), str):
        return _structure_task(response, fresh)
    try:
        return _structure_task(response, {**data, **ours})
    except ResponseError:
        return _structure_task(response, fresh)


def read_cut_sale(status: int | None, body: str | None, origin: Origin) -> Task | None:
    """Read what came of the response to a submit; None unless it has the id of a new task."""
    response = Response(status or 0, {}, (body or "").encode())
    return None if sale_of(response) is None else read_submitted(response, origin)


def read_task(response: Response, data: dict[str, Any], known: Task, *, keeps_raw: bool) -> Task:
    """Read the `data` of a response to a poll.

    Args:
        response: The response, which an error keeps.
        data: What it is about.
        known: The task as last known: what only this side knows is carried over from it.
        keeps_raw: Whether `raw` is kept of a task that has not ended too.
    """
    values = {
        **data,
        "task_id": known.task_id,
        "model": known.model,
        "submitted_at": known.submitted_at,
        "duration": known.duration,
        "raw": data if keeps_raw or data.get("status") in DONE else None,
    }
    return _structure_task(response, values)


def read_callback(body: bytes) -> Task:
    """Read the body of a callback: the envelope of a poll, or the task alone (webhook page).

    Files that cannot be read are left out: what counts is which task ended.
    """
    response = Response(200, {}, body)
    data = callback_data_of(response)
    bare = _structure_task(response, {**data, **_NOT_OURS, "files": None, "raw": data})
    files = data.get("files")
    # A thousand wrong ones would take seconds to tell what is wrong with each.
    if not isinstance(files, list) or len(cast("Sized", files)) > MAX_FILES:
        return bare
    try:
        return _structure_task(response, {**data, **_NOT_OURS, "raw": data})
    except ResponseError:
        return bare


def read_balance(response: Response) -> Balance:
    """Read the response to a balance call."""
    data = data_of(response)
    try:
        amount = _amount(data.get("credits_amount"), float)
    except ValueError as error:
        raise unreadable_response(response, f"{error} @ $.data.credits_amount") from None
    return Balance(_if_it_is(str)(data.get("email"), str), amount)


def read_uploaded(response: Response, uploaded_at: datetime) -> UploadedFile:
    """Read the response to an upload, of which only `file_url` matters."""
    data = upload_data_of(response)
    return _structure(response, {**data, "uploaded_at": uploaded_at, "raw": data}, UploadedFile)


def unexpected_fields(task: Task, data: Mapping[str, Any]) -> Iterator[str]:
    """Name each field of an undocumented type in the data of a task, which was left out of it."""
    for name, attribute in _LENIENT:
        if data.get(name) is not None and getattr(task, attribute) is None:
            yield f"{name} ({type(data[name]).__name__})"
    for name in ("task_id", "status"):
        if type(value := data.get(name)) is not str and value is not None:
            yield f"{name} ({type(value).__name__})"
    # Where files were read, the server sent a list of objects.
    received = data["files"] if task.files else ()
    if received and any(
        file.file_type is None and sent.get("file_type") is not None
        for file, sent in zip(task.files, received, strict=False)
    ):
        yield "file_type"


# --- Structuring ----------------------------------------------------------------------------

_Value = TypeVar("_Value")
_Hook = Callable[[Any, Any], Any]


def _string(value: Any, _: object) -> str:
    if type(value) is not str:
        problem = f"expected a string, got {preview(value)}"
        raise ValueError(problem)
    return value


def _text(value: Any, _: object) -> str:
    if not is_text(value):
        problem = f"expected a string that is not empty, got {preview(value)}"
        raise ValueError(problem)
    return cast("str", value)


def _amount(value: Any, _: object) -> float:
    # Only a number is less than infinity, and NaN is not.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        problem = f"expected a number, got {preview(value)}"
        raise ValueError(problem)
    return value


def _number_or_none(value: Any, _: object) -> float | None:
    try:
        return float(_amount(value, _))
    except (ValueError, OverflowError):
        return None


def _moment(value: Any, _: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None


def _as_it_is(value: Any, _: object) -> Any:
    return value


def _if_it_is(kind: type) -> _Hook:
    """Make a lenient hook: a field that does not matter becomes None instead of an error."""

    def structure(value: Any, _: object) -> Any:
        return value if type(value) is kind else None

    return structure


def _files(value: Any, _: object) -> tuple[MediaFile, ...]:
    if value is None:  # documented: "may be missing or null"
        return ()
    if not isinstance(value, list):
        problem = f"expected a list, got {preview(value)}"
        raise TypeError(problem)
    return _converter.structure(value, tuple[MediaFile, ...])


def _file(value: Any, kind: Any) -> MediaFile:
    if not isinstance(value, dict):
        problem = f"expected an object, got {preview(value)}"
        raise TypeError(problem)
    return _file_fields(cast("dict[str, Any]", value), kind)


_OPTIONAL_STRING = override(struct_hook=_if_it_is(str))
_OURS = override(struct_hook=_as_it_is)
_FROM_SERVER: dict[str, Any] = {
    "task_id": override(struct_hook=_text),
    "status": override(struct_hook=_string),
    "progress": override(struct_hook=_number_or_none),
    "credits": override(struct_hook=_number_or_none, rename="credits_amount"),
    "created_time": override(struct_hook=_moment),
    "error_message": _OPTIONAL_STRING,
    "model": _OURS,
    "submitted_at": _OURS,
    "duration": _OURS,
    "raw": _OURS,
}

_NOT_OURS = Origin(None, None)._asdict()
_LENIENT = (
    ("progress", "progress"),
    ("credits_amount", "credits"),
    ("created_time", "created_time"),
    ("error_message", "error_message"),
)
"""The fields that become None where their type is unexpected, and what they are called here."""

_converter = cattrs.Converter()
_file_fields = make_dict_structure_fn(
    MediaFile,
    _converter,
    file_url=override(struct_hook=_text),
    file_type=_OPTIONAL_STRING,
    task_id=override(omit=True),
)
_task_fields = make_dict_structure_fn(
    Task, _converter, files=override(struct_hook=_files), **_FROM_SERVER
)


def _uploaded_file(kind: type[UploadedFile]) -> _Hook:
    """Make the hook with the first upload: most programs upload nothing."""
    return make_dict_structure_fn(
        kind,
        _converter,
        file_url=override(struct_hook=_text),
        file_size=override(struct_hook=_if_it_is(int)),
        uploaded_at=_OURS,
        raw=_OURS,
        download_url=_OPTIONAL_STRING,
        file_id=_OPTIONAL_STRING,
        file_name=_OPTIONAL_STRING,
        original_name=_OPTIONAL_STRING,
        mime_type=_OPTIONAL_STRING,
        upload_path=_OPTIONAL_STRING,
    )


_converter.register_structure_hook(MediaFile, _file)
_converter.register_structure_hook_factory(lambda kind: kind is UploadedFile, _uploaded_file)


def _structure_task(response: Response, values: dict[str, Any]) -> Task:
    """Make a task of a dict of its own, which this may change."""
    if values.get("status") != FINISHED:
        values["files"] = None  # "Empty unless finished" (status page): until then it is ignored
        return _structure(response, values, Task, _task_fields)
    task = _structure(response, values, Task, _task_fields)
    files = tuple(attrs.evolve(file, task_id=task.task_id) for file in task.files)
    return attrs.evolve(task, files=files)


def _structure(
    response: Response,
    values: dict[str, Any],
    kind: type[_Value],
    structure: Callable[[Any, Any], _Value] = _converter.structure,
) -> _Value:
    try:
        return structure(values, kind)
    except cattrs.ClassValidationError as failure:
        problems = cattrs.transform_error(failure, "$.data", _problem)
    raise unreadable_response(response, *problems)


def _problem(error: BaseException, _: object) -> str:
    return "required field missing" if isinstance(error, KeyError) else str(error)
