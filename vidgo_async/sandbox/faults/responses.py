"""Misfortune in the answer: other ones than the real thing's, or its own with a twist.

An `answer` and a `refusal` come in place of the real thing, so nothing is sold; `after` of
`vidgo_async.sandbox.faults.connections` lets them come after it. `changed` and `gzipped` do the real thing.
"""

import gzip
import json
from collections.abc import Mapping
from http.client import responses
from typing import Any, Final, Literal

from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault, body_of

Shape = Literal["A", "B", "C", "D"]
"""The error bodies that the API documents.

A is `{"code", "error": {"message", "type"}}`, B `{"detail": "text"}`,
C `{"detail": [{"loc", "msg", "type"}]}`, and D `{"code", "message"}`.
"""

TYPES = {
    400: "validation_error",
    401: "authentication_error",
    402: "insufficient_credits_error",
    403: "permission_denied_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "payload_too_large",
    422: "validation_error",
    429: "rate_limit_error",
    500: "internal_error",
    502: "upstream_error",
    503: "service_error",
}
"""What the API calls its errors."""

DROPPED: Final = object()
"""In place of a value in `changed`: the field is missing."""


def answer(
    status: int,
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str | None = None,
) -> Fault:
    """Make a fault that gives this answer, and does not do the real thing.

    Args:
        status: The HTTP status.
        body: Sent as it is; objects and lists as JSON.
        headers: More headers, such as `Retry-After`.
        content_type: JSON for objects and lists, else HTML as gateways send it.
    """
    is_json = isinstance(body, dict | list)
    text = json.dumps(body) if is_json else body
    data = text.encode() if isinstance(text, str) else text
    kind = content_type or ("application/json" if is_json else "text/html")

    async def strike(_request: web.Request, _handler: Handler) -> web.StreamResponse:
        response = web.Response(status=status, body=data, headers={"Content-Type": kind})
        response.headers.update(headers or {})
        return response

    strike.__name__ = f"answer({status})"
    return strike


def refusal(
    status: int,
    shape: Shape = "A",
    *,
    message: str | None = None,
    type: str | None = None,  # noqa: A002 - the API's own word
    headers: Mapping[str, str] | None = None,
    inside_200: bool = False,
) -> Fault:
    """Make a fault that refuses in the API's own words, and does not do the real thing.

    Args:
        status: The HTTP status, and the body's code where the shape has one.
        shape: Which of the documented bodies; only A and C have a type.
        message: What it says; the status's standard phrase by default.
        type: The API's word for the error; the usual one of the status by default.
        headers: More headers, such as `Retry-After`.
        inside_200: Send it as HTTP 200, so that only the body's code tells.

    Raises:
        ValueError: The shape has no code that could tell of the error inside HTTP 200.
    """
    if inside_200 and shape in {"B", "C"}:
        msg = f"shape {shape} has no code that could tell of the error inside HTTP 200"
        raise ValueError(msg)
    text = responses.get(status, "Error") if message is None else message
    kind = TYPES.get(status, "server_error") if type is None else type
    body = _refusal_body(status, shape, text, kind)
    strike = answer(200 if inside_200 else status, body, headers)
    strike.__name__ = f"refusal({status}, {shape}{', inside 200' * inside_200})"
    return strike


def changed(**fields: object) -> Fault:
    """Make a fault that does the real thing, then changes fields of the answer's `data`.

    An answer without `data`, such as a refusal or a file, stays as it is.

    Args:
        fields: The new values, of any type that JSON has; `DROPPED` leaves a field out.
    """
    json.dumps([value for value in fields.values() if value is not DROPPED])

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        if real.content_type != "application/json":
            return real
        body = json.loads(body_of(real))
        if "data" not in body:
            return real
        data = {**body["data"], **fields}
        body["data"] = {name: value for name, value in data.items() if value is not DROPPED}
        return web.json_response(body, status=real.status)

    strike.__name__ = f"changed({', '.join(fields)})"
    return strike


def with_headers(headers: Mapping[str, object]) -> Fault:
    """Make a fault that does the real thing, and changes headers of its answer.

    Args:
        headers: The new values; `DROPPED` leaves a header out. The length is for `chunked` and
            `wrong_length` to change.
    """

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        for name, value in headers.items():
            real.headers.popall(name, None)
            if value is not DROPPED:
                real.headers[name] = str(value)
        return real

    strike.__name__ = f"with_headers({', '.join(headers)})"
    return strike


async def gzipped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, and send its body compressed, even to who did not ask for it."""
    real = await handler(request)
    headers = {"Content-Type": real.headers["Content-Type"], "Content-Encoding": "gzip"}
    return web.Response(status=real.status, body=gzip.compress(body_of(real)), headers=headers)


def _refusal_body(status: int, shape: Shape, message: str, kind: str) -> dict[str, Any]:
    bodies: dict[Shape, dict[str, Any]] = {
        "A": {"code": status, "error": {"message": message, "type": kind}},
        "B": {"detail": message},
        "C": {"detail": [{"loc": ["body"], "msg": message, "type": kind}]},
        "D": {"code": status, "message": message},
    }
    return bodies[shape]
