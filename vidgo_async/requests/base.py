"""The free-form request, and the base and the checks that typed requests are made of."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast, get_args

import attrs

from vidgo_async._core.models import Request


def _copy_json(value: object, where: str) -> Any:
    """Copy a JSON value deeply, and refuse whatever JSON cannot carry."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                msg = f"{where} is {value}, and JSON has no such number"
                raise ValueError(msg)
            return value
        case list() | tuple():
            items = cast("Sequence[object]", value)
            return [_copy_json(item, f"{where}[{i}]") for i, item in enumerate(items)]
        case Mapping():
            fields = cast("Mapping[object, object]", value)
            return {
                _json_key(key, where): _copy_json(item, f"{where}.{key}")
                for key, item in fields.items()
            }
        case _:
            msg = (
                f"{where} is a {type(value).__name__}; "
                "JSON carries only strings, numbers, booleans, None, lists and dicts"
            )
            raise TypeError(msg)


def _json_key(key: object, where: str) -> str:
    if not isinstance(key, str):
        msg = f"{where} has the key {key!r}; JSON keys are strings"
        raise TypeError(msg)
    return key


def _copy_input(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        msg = f"input must be a dict of the model's parameters, not {type(value).__name__}"
        raise TypeError(msg)
    try:
        copied: dict[str, Any] = _copy_json(cast("Mapping[object, object]", value), "input")
    except RecursionError:
        msg = "input is nested too deeply, or holds itself"
        raise ValueError(msg) from None
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

    Raises:
        TypeError: `model` is not a string, or `input` holds what JSON cannot carry.
        ValueError: `model` is empty, or `input` holds a number that JSON does not have.
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


Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]
_ESCAPE = "GenerationRequest(model, input) sends anything"


def refuse(error: type[Exception], owner: object, field: str, problem: str) -> Exception:
    """Word a refusal alike everywhere: where, what is wrong, and the way around."""
    return error(f"{type(owner).__name__}.{field} {problem} ({_ESCAPE})")


def text(*, max_length: int) -> Check:
    """Check for a string that is not blank and of at most `max_length` characters."""

    def check(owner: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if not isinstance(value, str):
            raise refuse(
                TypeError, owner, field.name, f"must be a string, not {type(value).__name__}"
            )
        if not value.strip():
            raise refuse(
                ValueError, owner, field.name, f"is empty; give 1 to {max_length} characters"
            )
        if len(value) > max_length:
            problem = f"has {len(value)} characters; at most {max_length} are allowed"
            raise refuse(ValueError, owner, field.name, problem)

    return check


def one_of(choices: object) -> Check:
    """Check for one of the values of a `Literal`, of its very type (True is not 1)."""
    allowed: tuple[str | int, ...] = get_args(choices)
    kinds = tuple(type(choice) for choice in allowed)
    listed = ", ".join(repr(choice) for choice in allowed)

    def check(owner: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, kinds):
            problem = f"must be one of {listed}, not {value!r} of type {type(value).__name__}"
            raise refuse(TypeError, owner, field.name, problem)
        if value not in allowed:
            raise refuse(ValueError, owner, field.name, f"must be one of {listed}, not {value!r}")

    return check


def as_tuple(value: Any) -> Any:
    """Freeze a list; leave anything else for the check to refuse by name."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(cast("Sequence[object]", value))
    return value


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
