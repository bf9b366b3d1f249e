"""The free-form request, and the base of the typed ones."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import attrs

from vidgo_async._core.models import Request, UploadedFile
from vidgo_async.requests.media import DATA, as_medium, data_url_problem, is_media_field

MAX_DEPTH = 100
"""Levels of lists and dicts in an input; far more than any model has."""


def _copy(value: object, name: str, where: str, depth: int) -> Any:
    """Copy a value of the field `name` deeply, and refuse whatever a request cannot carry."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return _copy_text(value, name, where)
        case float():
            if not math.isfinite(value):
                msg = f"{where} is {value}, and JSON has no such number"
                raise ValueError(msg)
            return value
        case list() | tuple() | Mapping():
            return _copy_container(cast("object", value), name, where, depth + 1)
        case UploadedFile() | os.PathLike():
            return _copy_file(cast("object", value), name, where)
        case _:
            msg = (
                f"{where} is a {type(value).__name__}; an input carries only strings, numbers, "
                "booleans, None, lists and dicts, and as media Path and UploadedFile "
                "(for bytes see VidgoSession.upload)"
            )
            raise TypeError(msg)


def _copy_container(value: object, name: str, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        msg = "input is nested too deeply, or holds itself"
        raise ValueError(msg)
    if isinstance(value, Mapping):
        fields = cast("Mapping[object, object]", value)
        return {
            _json_key(key, where): _copy(item, str(key), f"{where}.{key}", depth)
            for key, item in fields.items()
        }
    items = cast("Sequence[object]", value)
    return [_copy(item, name, f"{where}[{i}]", depth) for i, item in enumerate(items)]


def _copy_text(value: str, name: str, where: str) -> str:
    medium: str = as_medium(value)
    if not (medium.startswith(DATA) and is_media_field(name)):
        return value
    if (problem := data_url_problem(medium)) is not None:
        msg = f"{where} {problem}"
        raise ValueError(msg)
    return medium


def _copy_file(value: object, name: str, where: str) -> Any:
    if name.endswith("prompt"):
        msg = f"{where} is a {type(value).__name__}; a prompt is text, and is never uploaded"
        raise TypeError(msg)
    return as_medium(value)


def _json_key(key: object, where: str) -> str:
    if not isinstance(key, str):
        msg = f"{where} has the key {key!r}; JSON keys are strings"
        raise TypeError(msg)
    return key


def _copy_input(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        msg = f"input must be a dict of the model's parameters, not {type(value).__name__}"
        raise TypeError(msg)
    copied: dict[str, Any] = _copy(cast("Mapping[object, object]", value), "", "input", 0)
    return copied


def _check_model(_: object, __: Any, value: Any) -> None:
    if not isinstance(value, str):
        msg = f"model must be a model id such as 'grok-imagine', not {type(value).__name__}"
        raise TypeError(msg)
    if not value.strip():
        msg = "model is empty; give a model id such as 'grok-imagine'"
        raise ValueError(msg)


@attrs.frozen
class GenerationRequest(Request):
    """A request to any model, with any input; nothing but its form is checked.

    Model ids come and go every few weeks and no endpoint lists them, so this always works.

    Media may be a URL; or, anywhere in the input, a path or an `UploadedFile`; or, under a key that
    ends in `_url` or `_urls`, a base64 `data:` URL. What has no URL the session uploads on submit.
    Text under another key, such as a prompt, is sent as it is.

    Example:
        `GenerationRequest("kling-3.0/pro", {"prompt": "a fox", "image_urls": [Path("fox.png")]})`

    Raises:
        TypeError: `model` is not a string, or `input` holds what a request cannot carry.
        ValueError: `model` is empty, or `input` holds a number that JSON does not have, or a
            `data:` URL without base64 as media, or is nested too deeply.
    """

    # A field may stand for an abstract property, which pyright does not know.
    model: str = attrs.field(validator=_check_model)  # pyright: ignore[reportIncompatibleMethodOverride]
    """A model id; may hold dots and slashes, as in `kling-3.0/pro`."""
    input: Mapping[str, Any] = attrs.field(converter=_copy_input)
    """The model's own parameters, copied deeply: later changes to yours do nothing."""


@attrs.frozen
class TypedRequest(Request):
    """Base of the typed requests: named, checked fields that become the model's input."""

    model: ClassVar[str]  # pyright: ignore[reportIncompatibleMethodOverride] - as above

    @property
    def input(self) -> dict[str, Any]:
        """The model's parameters as JSON; fields that were not set are left out.

        Media that the session has yet to upload is in it as it was given.
        """
        values = ((field.name, getattr(self, field.name)) for field in attrs.fields(type(self)))
        return {
            name: list(cast("Sequence[object]", value)) if isinstance(value, tuple) else value
            for name, value in values
            if value is not None
        }


def check_request(request: object) -> None:
    """Refuse what is not a request, before anything is sent.

    Raises:
        TypeError: It is neither a `GenerationRequest` nor a typed request.
    """
    if not isinstance(request, Request):
        msg = (
            f"expected a request such as GrokImagine(prompt=...) or "
            f"GenerationRequest(model, input), not {type(request).__name__}"
        )
        raise TypeError(msg)
