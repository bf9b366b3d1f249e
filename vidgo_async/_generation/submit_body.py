"""The body of a submit: a request as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from vidgo_async._api.submit_body import SubmitBody
from vidgo_async._core.models import Request
from vidgo_async._core.secret import SecretBytes
from vidgo_async.requests import Source, input_with

Links = Mapping[Source, str]
"""The URLs of media that had none."""


def submit_body(request: Request, links: Links, callback_url: str | None) -> SubmitBody:
    """Encode a request, with the URLs of its media that had to be uploaded.

    An unset callback URL is left out, not sent as null. It may hold a token, so the body does
    not show itself.
    """
    parameters = input_with(request, links)
    body: dict[str, Any] = {"model": request.model}
    if callback_url is not None:
        body["callback_url"] = callback_url
    body["input"] = parameters
    return SubmitBody(
        body=SecretBytes(json.dumps(body).encode()),
        secret=callback_url,
        model=request.model,
        duration=_duration(parameters),
    )


def _duration(parameters: Mapping[str, Any]) -> float | None:
    """Return the seconds that a request asks for, which some models take as text."""
    try:
        return float(parameters["duration"])
    except (KeyError, TypeError, ValueError):
        return None
