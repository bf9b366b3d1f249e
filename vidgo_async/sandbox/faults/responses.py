"""Faults of the response: another one, or the real one with changes.

`answer` and `refusal` do not handle the request, so that nothing is sold; with `after` they come
after the sale. The others handle it, and change the response, or the task that was bought.
"""

import gzip
import json
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, Final, Literal, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault
from vidgo_async.sandbox.http.calls import FORCED_FAILURE
from vidgo_async.sandbox.media.file_content import body_bytes

Shape = Literal["A", "B", "C", "D"]
"""The error bodies that the API documents.

A is `{"code", "error": {"message", "type"}}`, B `{"detail": "text"}`,
C `{"detail": [{"loc", "msg", "type"}]}`, and D `{"code", "message"}`.
"""

ERROR_TYPES = {
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
"""The usual `error.type` of each status."""

DROPPED: Final = object()
"""In place of a value: the field or header is left out."""


def answer(
    status: int,
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str | None = None,
) -> Fault:
    """Make a fault that sends this response, and does not handle the request.

    Args:
        status: The HTTP status.
        body: The body; an object or a list is sent as JSON.
        headers: More headers, such as `Retry-After`.
        content_type: By default that of JSON for an object or a list, else that of HTML, which
            gateways send.
    """
    is_json = isinstance(body, dict | list)
    text = json.dumps(body) if is_json else body
    data = text.encode() if isinstance(text, str) else text
    kind = content_type or ("application/json" if is_json else "text/html")

    async def apply(_request: web.Request, _handler: Handler) -> web.StreamResponse:
        response = web.Response(status=status, body=data, headers={"Content-Type": kind})
        response.headers.update(headers or {})
        return response

    apply.__name__ = f"answer({status})"
    return apply


def refusal(
    status: int,
    shape: Shape = "A",
    *,
    message: str | None = None,
    type: str | None = None,  # noqa: A002 - the API's own word
    headers: Mapping[str, str] | None = None,
    inside_200: bool = False,
) -> Fault:
    """Make a fault that refuses as the API does, and does not handle the request.

    Args:
        status: The HTTP status, and the `code` of shapes A and D.
        shape: Which of the documented bodies; only A and C have a type.
        message: The message; by default the standard phrase of the status.
        type: The error type; by default the usual one of the status.
        headers: More headers, such as `Retry-After`.
        inside_200: Send HTTP 200, so that only the `code` in the body tells of the error.

    Raises:
        ValueError: `inside_200` with a shape that has no `code`.
    """
    if inside_200 and shape in {"B", "C"}:
        msg = f"shape {shape} has no code that could tell of the error inside HTTP 200"
        raise ValueError(msg)
    text = responses.get(status, "Error") if message is None else message
    kind = ERROR_TYPES.get(status, "server_error") if type is None else type
    body = _refusal_body(status, shape, text, kind)
    apply = answer(200 if inside_200 else status, body, headers)
    apply.__name__ = f"refusal({status}, {shape}{', inside 200' * inside_200})"
    return apply


def changed(**fields: object) -> Fault:
    """Make a fault that handles the request, then changes fields of the response's `data`.

    A response without `data`, such as a refusal or a file, is not changed. A function gets the
    real value: `changed(files=lambda files: files[1:])` has a file too few.

    Args:
        fields: The new values, of any JSON type; a function of the real value, None if there is
            none, that returns the new one; or `DROPPED`, which leaves a field out.
    """
    constants = [each for each in fields.values() if each is not DROPPED and not callable(each)]
    json.dumps(constants)  # raises early

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        if real.content_type != "application/json":
            return real
        body = json.loads(body_bytes(real))
        if "data" not in body:
            return real
        data = body["data"]
        for name, change in fields.items():
            data[name] = _new_value(change, data.get(name))
        body["data"] = {name: value for name, value in data.items() if value is not DROPPED}
        return web.json_response(body, status=real.status)

    apply.__name__ = f"changed({', '.join(fields)})"
    return apply


def with_headers(headers: Mapping[str, object]) -> Fault:
    """Make a fault that handles the request, then changes headers of the response.

    Args:
        headers: The new values; `DROPPED` leaves a header out. For `Content-Length` use
            `chunked` or `wrong_length`.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        for name, value in headers.items():
            real.headers.popall(name, None)
            if value is not DROPPED:
                real.headers[name] = str(value)
        return real

    apply.__name__ = f"with_headers({', '.join(headers)})"
    return apply


def failed_at_once(message: str = "Content moderation: the prompt was rejected") -> Fault:
    """Make a fault that sells a task which has failed when the submit is answered.

    Its `status` is `failed` from the submit's response on, the polls tell why, and its credits
    come back at once.

    Args:
        message: The `error_message` of its polls.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[FORCED_FAILURE] = message
        return await handler(request)

    apply.__name__ = "failed_at_once"
    return apply


async def gzipped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request, and send the body compressed, also to a client that did not ask so."""
    real = await handler(request)
    headers = {"Content-Type": real.headers["Content-Type"], "Content-Encoding": "gzip"}
    return web.Response(status=real.status, body=gzip.compress(body_bytes(real)), headers=headers)


def _new_value(change: object, real: object) -> object:
    return cast("Callable[[object], object]", change)(real) if callable(change) else change


def _refusal_body(status: int, shape: Shape, message: str, kind: str) -> dict[str, Any]:
    bodies: dict[Shape, dict[str, Any]] = {
        "A": {"code": status, "error": {"message": message, "type": kind}},
        "B": {"detail": message},
        "C": {"detail": [{"loc": ["body"], "msg": message, "type": kind}]},
        "D": {"code": status, "message": message},
    }
    return bodies[shape]
