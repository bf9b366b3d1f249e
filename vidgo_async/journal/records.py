"""Values as they stand in a journal: JSON, never pickle."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import cattrs

from vidgo_async._core import errors
from vidgo_async._core.errors import (
    APIError,
    DownloadError,
    NotSentError,
    SubmissionUnknownError,
    TaskTimeoutError,
    TransportError,
    TransportTimeoutError,
    VidgoError,
)
from vidgo_async._core.models import MediaFile, Request, Task, UploadedFile
from vidgo_async.requests import GenerationRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH, UPLOADED, PLAIN = "$path", "$uploaded", "$object"
"""Keys of the objects that stand for a path, an uploaded file, and an object with such a key."""
MAX_BODY = 4096
"""Characters of an answer that are kept with an error."""

_PLAIN = frozenset({TransportError, TransportTimeoutError, NotSentError, TaskTimeoutError})
"""Kinds of errors whose message says it all."""

_converter = cattrs.Converter(omit_if_default=True)
_converter.register_unstructure_hook(datetime, datetime.isoformat)
_converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))


class Records:
    """Reads and writes values; files in the folder are named by their way from there."""

    def __init__(self, here: Path, folder: Path | None = None) -> None:
        self._here = here
        """What relative paths begin at."""
        self._folder = folder

    def at(self, here: Path) -> "Records":
        """Return what reads and writes in another working folder."""
        return self if here == self._here else Records(here, self._folder)

    # --- Requests ---------------------------------------------------------------------------

    def dump_request(self, request: Request) -> str:
        """Write a request."""
        return _dump([request.model, self._without_media(request.input)])

    def load_request(self, text: str) -> GenerationRequest:
        """Read a request; one of any type becomes a free-form one of the same model and input."""
        model, parameters = json.loads(text)
        return GenerationRequest(model, self._with_media(parameters))

    def _without_media(self, value: object) -> Any:
        match value:
            case UploadedFile():
                return {UPLOADED: _converter.unstructure(attrs.evolve(value, raw=None))}
            case os.PathLike():
                return {PATH: self.dump_path(Path(cast("os.PathLike[str]", value)))}
            case list() | tuple():
                return [self._without_media(item) for item in cast("list[object]", value)]
            case dict():
                fields = cast("dict[str, object]", value)
                copied = {key: self._without_media(item) for key, item in fields.items()}
                is_special = len(fields) == 1 and next(iter(fields)) in {PATH, UPLOADED, PLAIN}
                return {PLAIN: copied} if is_special else copied
            case _:
                return value

    def _with_media(self, value: Any) -> Any:
        if isinstance(value, list):
            items = cast("Sequence[Any]", value)
            return [self._with_media(item) for item in items]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        match fields:
            case {"$path": path} if len(fields) == 1:
                return self.load_path(path)
            case {"$uploaded": uploaded} if len(fields) == 1:
                return _converter.structure(uploaded, UploadedFile)
            case {"$object": plain} if len(fields) == 1:
                return {key: self._with_media(item) for key, item in plain.items()}
            case _:
                return {key: self._with_media(item) for key, item in fields.items()}

    # --- Paths ------------------------------------------------------------------------------

    def dump_path(self, path: Path) -> str:
        """Write a path: relative where it lies under the folder, so that both can move."""
        absolute = absolute_path(self._here, path)
        if self._folder is None:
            return str(absolute)
        try:
            return absolute.relative_to(self._folder).as_posix()
        except ValueError:
            return str(absolute)

    def load_path(self, text: str) -> Path:
        """Read a path."""
        return Path(text) if self._folder is None else self._folder / text

    def dump_paths(self, paths: tuple[Path, ...]) -> str:
        """Write the paths of saved files."""
        return _dump([self.dump_path(path) for path in paths])

    def load_paths(self, text: str | None) -> tuple[Path, ...]:
        """Read the paths of saved files."""
        return tuple(self.load_path(path) for path in json.loads(text or "[]"))


def working_folder() -> Path:
    """Return the working folder, which may be gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path(os.sep)


def absolute_path(here: Path, path: Path) -> Path:
    """Return a path from the root; links stay as they are: where they lead may change."""
    return Path(os.path.normpath(here / path))


# --- Tasks ----------------------------------------------------------------------------------


def dump_task(task: Task) -> str:
    """Write a task, without the object that was received."""
    return _dump(_converter.unstructure(attrs.evolve(task, raw=None)))


def load_task(text: str | None) -> Task | None:
    """Read a task."""
    return None if text is None else _converter.structure(json.loads(text), Task)


# --- Errors ---------------------------------------------------------------------------------


def dump_error(error: VidgoError) -> str:
    """Write what an error says."""
    fields: dict[str, Any] = {"kind": type(error).__name__, "message": error.message}
    if isinstance(error, APIError):
        fields |= {"status": error.status, "code": error.code, "type": error.type}
        fields |= {"body": error.body[:MAX_BODY], "documented": error.documented}
    elif isinstance(error, DownloadError):
        fields |= {"file": _converter.unstructure(error.file)}
    elif isinstance(error, SubmissionUnknownError):
        fields |= {"status": error.status, "body": (error.body or "")[:MAX_BODY] or None}
        fields |= {"sent_at": error.sent_at and error.sent_at.isoformat()}
    return _dump(fields)


def load_error(text: str | None, request: Request, task: Task | None = None) -> VidgoError | None:
    """Read an error; one of a kind that needs more than this becomes a plain `VidgoError`."""
    if text is None:
        return None
    error = _load_error(json.loads(text), request)
    if task is not None:
        error.about(task)
    return error


def _load_error(fields: dict[str, Any], request: Request) -> VidgoError:
    kind: type[Any] = getattr(errors, fields["kind"], VidgoError)
    message = fields["message"]
    if kind in _PLAIN:
        plain: type[VidgoError] = kind
        return plain(message)
    if kind is DownloadError:
        return DownloadError(message, _converter.structure(fields["file"], MediaFile))
    if kind is SubmissionUnknownError:
        sent_at = fields.get("sent_at")
        return SubmissionUnknownError(
            message,
            request,
            fields.get("status"),
            fields.get("body"),
            sent_at and datetime.fromisoformat(sent_at),
        )
    if issubclass(kind, APIError):
        api_error: type[APIError] = kind
        return api_error(
            message,
            fields["status"],
            code=fields["code"],
            type=fields["type"],
            body=fields["body"],
            documented=fields["documented"],
        )
    return VidgoError(message)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
