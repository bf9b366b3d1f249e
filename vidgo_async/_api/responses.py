"""What an HTTP response means: the `data` of a good one, the error of any other.

Pure functions over (status, headers, body). The API documents four error bodies, may put an
error code inside HTTP 200, and has gateways in front that answer HTML or nothing at all.
"""

import json
from codecs import BOM_UTF8
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from vidgo_async._api.http_headers import Headers, retry_after
from vidgo_async._api.links import without_queries
from vidgo_async._api.pages import first_words, is_page
from vidgo_async._core import errors

_decode = json.JSONDecoder().decode
MAX_ERROR_BODY = 64 * 1024
"""Bytes of a body that an error keeps."""


class Response(NamedTuple):
    """One HTTP response, with its whole body."""

    status: int
    headers: Headers
    body: bytes
    proxied: bool = False
    """Whether a proxy saw the request, and so may have answered it."""

    @property
    def text(self) -> str:
        """The body as an error shows it."""
        return self.body[:MAX_ERROR_BODY].decode("utf-8", "replace")


# Plain numbers instead of `HTTPStatus` on the path of every poll: reading an enum member costs as
# much as five comparisons.

# --- Accepted --------------------------------------------------------------------------------------


def data_of(response: Response) -> dict[str, Any]:
    """Return the `data` object of a good response; raise the error of any other."""
    return _data_in(response, _payload_of(response))


def sale_of(response: Response) -> dict[str, Any] | None:
    """Return the object that holds the id of a new task, if the response to a submit has one.

    It means bought, whatever the status and the code beside it.
    """
    return _task_in(_parsed_or_none(response) or {})


def callback_data_of(response: Response) -> dict[str, Any]:
    """Return the object that a callback is about: `data` of an envelope, or the body itself."""
    task = _task_in(_parsed(response))
    if task is None:
        raise unreadable_response(response, "no task_id, neither in data nor beside it @ $")
    return task


def _task_in(payload: dict[str, Any]) -> dict[str, Any] | None:
    for found in (payload.get("data"), payload):
        data = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        if is_text(data.get("task_id")):
            return data
    return None


def is_text(value: object) -> bool:
    """Tell whether this is a string that is not empty, as ids and links are."""
    return isinstance(value, str) and bool(value.strip())


def upload_data_of(response: Response) -> dict[str, Any]:
    """Return `data` of an upload's response, whose `success` may be false in HTTP 200."""
    payload = _payload_of(response)
    if payload.get("success") is False:  # the file was not taken
        raise _refusal(response, payload, HTTPStatus.BAD_REQUEST.value)
    return _data_in(response, payload)


def _payload_of(response: Response) -> dict[str, Any]:
    if response.status >= 400:  # noqa: PLR2004
        raise _refusal(response, _parsed_or_none(response), response.status)
    if not 200 <= response.status < 300:  # noqa: PLR2004
        raise unreadable_response(response, _without_meaning(response))
    payload = _parsed(response)
    if (code := _code(payload)) is not None and 400 <= code <= 599:  # noqa: PLR2004
        raise _refusal(response, payload, code)
    return payload


def _data_in(response: Response, payload: dict[str, Any]) -> dict[str, Any]:
    data = payload.get("data")
    if not isinstance(data, dict):
        raise unreadable_response(response, f"expected an object, got {preview(data)} @ $.data")
    return cast("dict[str, Any]", data)


def _without_meaning(response: Response) -> str:
    problem = f"HTTP status {response.status} has no meaning in this API"
    if (location := response.headers.get("Location")) is None:
        return problem
    return f"{problem}: no redirect is followed, and this one leads to {without_queries(location)}"


def _parsed(response: Response) -> dict[str, Any]:
    try:
        # From bytes `json` would guess the encoding first; like it, lone surrogates are let pass.
        payload = _decode(response.body.removeprefix(BOM_UTF8).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:  # deep nesting ends in RecursionError
        words = first_words(response.body)
        found = f"it begins {words!r}" if words else "it is empty"
        raise unreadable_response(response, f"not JSON ({error}): {found} @ $") from None
    if not isinstance(payload, dict):
        raise unreadable_response(response, f"expected an object, got {preview(payload)} @ $")
    return cast("dict[str, Any]", payload)


def _parsed_or_none(response: Response) -> dict[str, Any] | None:
    try:
        return _parsed(response)
    except errors.ResponseError:
        return None


def _code(payload: Mapping[str, Any]) -> int | None:
    code = payload.get("code")
    return code if type(code) is int else None


def unreadable_response(response: Response, *problems: str) -> errors.ResponseError:
    """Make the error for a response that cannot be read; it keeps the body."""
    return errors.ResponseError(problems, response.status, response.text)


def preview(value: object) -> str:
    """Show a value of a wrong type in an error message, cut short."""
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"


# --- Refused ---------------------------------------------------------------------------------------

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    402: errors.InsufficientCreditsError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.ServerError,
    409: errors.InvalidRequestError,
    413: errors.InvalidRequestError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitError,
}


_PROXY_USER = "the proxy asks for its user and password, as in http://user:password@host:port"
_OF_THE_REQUEST = frozenset({400, 401, 403})
"""Statuses whose errors say that the request or the key is wrong, which only the API can know."""


def _refusal(response: Response, payload: dict[str, Any] | None, status: int) -> errors.APIError:
    """Make the error that a refusal means."""
    payload = payload or {}
    message, kind = _message_and_type(payload)
    documented = bool(message or kind)
    return _error_class(response, status, kind, documented=documented)(
        message or _reason(response, status, documented=documented),
        status,
        code=_code(payload),
        type=kind,
        body=response.text,
        retry_after=retry_after(response.headers),
        documented=documented,
    )


def _error_class(
    response: Response, status: int, kind: str | None, *, documented: bool
) -> type[errors.APIError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.ServerError
    found = _BY_STATUS.get(status, errors.APIError)
    # The status decides what a refusal does; its type only tells refused requests apart.
    if found is errors.InvalidRequestError and kind == "content_moderation_error":
        return errors.ContentModerationError
    foreign = response.proxied or is_page(response.headers, response.body)
    return errors.APIError if foreign and not documented and status in _OF_THE_REQUEST else found


def _reason(response: Response, status: int, *, documented: bool) -> str:
    """Say what a refusal without a message of the API's means, and who may have sent it."""
    reason = _standard_phrase(status)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        reason = f"{reason}: {_PROXY_USER}"
    words = first_words(response.body)
    if documented or not words:
        return reason
    return f"{reason}; not in the API's own format, so perhaps of a gateway or proxy: {words!r}"


def _message_and_type(payload: dict[str, Any]) -> tuple[str | None, str | None]:
    """Read the four documented error bodies; (None, None) for anything else."""
    match payload:
        case {"error": {"type": str(kind), **rest}}:
            message = rest.get("message")
            return message if isinstance(message, str) else None, kind
        case {"error": {"message": str(message)}} | {"detail": str(message)}:
            return message, None
        case {"code": int(), "message": str(message)} | {"code": int(), "msg": str(message)}:
            return message, None
        case {"detail": [*items]}:
            return "; ".join(_validation_problem(item) for item in items), None
        case _:
            return None, None


def _validation_problem(item: Any) -> str:
    try:
        where = item["loc"]
        steps = cast("list[object]", where) if isinstance(where, list) else [where]
        return f"{'.'.join(map(str, steps))}: {item['msg']}"
    except (TypeError, KeyError):
        return str(item)


def _standard_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "the server gave no reason"
