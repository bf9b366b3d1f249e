"""The body of a submit: a request as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from vidgo_async._api.submit_body import SubmitBody
from vidgo_async._core.secret import SecretBytes
from vidgo_async.requests import PreparedRequest

SLICE = 2**18
"""Characters that are encoded at a time, so that a thread does not hold the others for long."""
_dumps = json.JSONEncoder().encode


def submit_body(
    prepared: PreparedRequest, links: Sequence[str], callback_url: str | None
) -> SubmitBody:
    """Encode a request, with the URLs of its media that had to be uploaded.

    An unset callback URL is left out, not sent as null. It may hold a token, so the body does
    not show itself.
    """
    parameters = prepared.input_with(links)
    model = prepared.request.model
    body: dict[str, Any] = {"model": model}
    if callback_url is not None:
        body["callback_url"] = callback_url
    body["input"] = parameters
    text = _encode_in_slices(body) if prepared.is_large else _dumps(body)
    return SubmitBody(
        body=SecretBytes(text.encode()),
        secret=callback_url,
        model=model,
        duration=_duration(parameters),
    )


def _encode_in_slices(value: object) -> str:
    """Encode like `json.dumps`, which would hold the interpreter for the whole of a long text."""
    match value:
        case str() if len(value) > SLICE:
            starts = range(0, len(value), SLICE)
            slices = (_dumps(value[start : start + SLICE])[1:-1] for start in starts)
            return f'"{"".join(slices)}"'
        case dict():
            fields = cast("dict[object, object]", value).items()
            # A key that is no text becomes one, which only a whole object shows.
            pairs = (_dumps({key: 0})[1:-2] + _encode_in_slices(item) for key, item in fields)
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            items = cast("list[object]", value)
            return "[" + ", ".join(map(_encode_in_slices, items)) + "]"
        case _:
            return _dumps(value)


def _duration(parameters: Mapping[str, Any]) -> float | None:
    """Return the seconds that a request asks for, which some models take as text."""
    try:
        return float(parameters["duration"])
    except (KeyError, TypeError, ValueError):
        return None
