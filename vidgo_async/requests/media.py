"""Media of requests: a URL, or what the session uploads first to get one.

What needs an upload is found by its type, or in a field whose name ends as the API's media fields
do, at any depth: a model family needs to say no more than that a field holds media.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vidgo_async._core.models import UploadedFile
from vidgo_async._core.validators import is_http_url
from vidgo_async.requests.fields import Check, as_tuple, refuse

if TYPE_CHECKING:
    import attrs

Media = str | os.PathLike[str] | UploadedFile
"""An http(s) URL; or a base64 `data:` URL, a path or an uploaded file, which become one."""
Source = str | Path | UploadedFile
"""What has no URL yet, as it is looked up: a `data:` URL, a path or an uploaded file."""

DATA = "data:"
"""How the URLs begin that hold their file."""
_FIELDS = ("_url", "_urls")
_ALLOWED = "an http(s) URL, a base64 data: URL, a path or an UploadedFile"


def media(*, max_items: int) -> Check:
    """Check for 1 to `max_items` media."""

    def check(owner: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if not isinstance(value, tuple):
            problem = f"must be a list of URLs or paths, not {type(value).__name__}"
            raise refuse(TypeError, owner, field.name, problem)
        given = cast("Sequence[object]", value)
        if not 1 <= len(given) <= max_items:
            problem = f"holds {len(given)} URLs; allowed are 1 to {max_items}, or leave it out"
            raise refuse(ValueError, owner, field.name, problem)
        for i, item in enumerate(given):
            _check_medium(owner, f"{field.name}[{i}]", item)

    return check


def medium() -> Check:
    """Check for one medium, in a field that holds no list."""

    def check(owner: object, field: "attrs.Attribute[Any]", value: object) -> None:
        _check_medium(owner, field.name, value)

    return check


def as_media(value: Any) -> Any:
    """Freeze a list of media, and its paths; leave anything else for the check to refuse."""
    frozen = as_tuple(value)
    if isinstance(frozen, tuple):
        return tuple(as_medium(item) for item in cast("Sequence[object]", frozen))
    return frozen


def as_medium(value: Any) -> Any:
    """Make a plain path of any kind of path, so that requests compare and pickle.

    The scheme of a `data:` URL becomes lower case, since schemes have no case.
    """
    if isinstance(value, os.PathLike):
        return Path(os.fsdecode(cast("os.PathLike[str]", value)))
    if isinstance(value, str) and value[: len(DATA)].lower() == DATA:
        return DATA + value[len(DATA) :]
    return value


def is_media_field(name: str) -> bool:
    """Tell whether the API has media in a field of this name."""
    return name.endswith(_FIELDS)


def data_url_problem(url: str) -> str | None:
    """Return what is wrong with a `data:` URL, if anything."""
    if ";base64" in url.partition(",")[0][:200].lower():
        return None
    return f"is a data: URL without base64; give {_ALLOWED}, not {url[:80]!r}"


def _check_medium(owner: object, where: str, value: object) -> None:
    if isinstance(value, UploadedFile | Path):
        return
    if not isinstance(value, str):
        problem = f"must be a URL or a path, not {type(value).__name__}"
        raise refuse(TypeError, owner, where, problem)
    if value.startswith(DATA):
        if (flaw := data_url_problem(value)) is not None:
            raise refuse(ValueError, owner, where, flaw)
    elif not is_http_url(value):
        problem = f"must be {_ALLOWED}, not {value[:80]!r}; a file's name goes into Path(...)"
        raise refuse(ValueError, owner, where, problem)


# --- What to upload, and what comes of it ---------------------------------------------------


def is_source(text: str, name: str) -> bool:
    """Tell whether a text of the field `name` is a medium that has no URL yet."""
    return text.startswith(DATA) and is_media_field(name)


def filled(value: object, name: str, link: Callable[[Source], str]) -> Any:
    """Copy a value of the field `name`, and put a link in the place of each source."""
    match value:
        case str():
            return link(value) if is_source(value, name) else value
        case UploadedFile():
            return link(value)
        case os.PathLike():
            return link(as_medium(value))
        case list() | tuple():
            items = cast("Sequence[object]", value)
            return [filled(item, name, link) for item in items]
        case Mapping():
            fields = cast("Mapping[object, object]", value)
            return {key: filled(item, str(key), link) for key, item in fields.items()}
        case _:
            return value
