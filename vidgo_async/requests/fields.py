"""Checks of the fields of typed requests, which refuse alike."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

if TYPE_CHECKING:
    import attrs

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
