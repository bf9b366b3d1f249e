"""One HTTP answer: what it holds when it says yes, and the error it means when it says no.

Pure functions over (status, headers, body). The API documents four error bodies, may put an
error code inside HTTP 200, and has gateways in front that answer HTML or nothing at all.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from vidgo_async._core import errors

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an answer that an error keeps."""


class Answer(NamedTuple):
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as an error shows it."""
        return self.body[:MAX_ERROR_BODY].decode("utf-8", "replace")


# Numbers instead of `HTTPStatus` where every answer passes: each look-up of a member costs as much
# as five comparisons.

# --- Yes --------------------------------------------------------------------------------------


def data_of(answer: Answer) -> dict[str, Any]:
    """Return the `data` object of a good answer; raise what any other answer means."""
    return _data_in(answer, _payload_of(answer))


def upload_data_of(answer: Answer) -> dict[str, Any]:
    """Do the same where `success` is said too, and may be false in HTTP 200."""
    payload = _payload_of(answer)
    if payload.get("success") is False:  # for whatever reason: the file was not taken
        raise _refusal(answer, payload, HTTPStatus.BAD_REQUEST.value)
    return _data_in(answer, payload)


def _payload_of(answer: Answer) -> dict[str, Any]:
    if answer.status >= 400:  # noqa: PLR2004
        raise _refusal(answer, _parsed_or_none(answer), answer.status)
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        raise unreadable(answer, f"HTTP status {answer.status} has no meaning in this API")
    payload = _parsed(answer)
    if (code := _code(payload)) is not None and 400 <= code <= 599:  # noqa: PLR2004
        raise _refusal(answer, payload, code)
    return payload


def _data_in(answer: Answer, payload: dict[str, Any]) -> dict[str, Any]:
    data = payload.get("data")
    if not isinstance(data, dict):
        raise unreadable(answer, f"expected an object, got {shown(data)} @ $.data")
    return cast("dict[str, Any]", data)


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        payload = json.loads(answer.body)
    except (ValueError, RecursionError) as error:  # deep nesting ends in RecursionError
        raise unreadable(answer, f"not JSON ({error}) @ $") from None
    if not isinstance(payload, dict):
        raise unreadable(answer, f"expected an object, got {shown(payload)} @ $")
    return cast("dict[str, Any]", payload)


def _parsed_or_none(answer: Answer) -> dict[str, Any] | None:
    try:
        return _parsed(answer)
    except errors.ResponseError:
        return None


def _code(payload: Mapping[str, Any]) -> int | None:
    code = payload.get("code")
    return code if type(code) is int else None


def unreadable(answer: Answer, *problems: str) -> errors.ResponseError:
    """Say what cannot be read, and keep the answer's text."""
    return errors.ResponseError(problems, answer.status, answer.text)


def shown(value: object) -> str:
    """Show a value of a wrong type in an error, shortly."""
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"


# --- No ---------------------------------------------------------------------------------------

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


def _refusal(answer: Answer, payload: dict[str, Any] | None, status: int) -> errors.APIError:
    """Turn an answer that says no into the error it means."""
    payload = payload or {}
    message, kind = _message_and_type(payload)
    return _error_class(status, kind)(
        message or _standard_phrase(status),
        status,
        _code(payload),
        kind,
        answer.text,
        retry_after(answer.headers),
        bool(message or kind),
    )


def _error_class(status: int, kind: str | None) -> type[errors.APIError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.ServerError
    found = _BY_STATUS.get(status, errors.APIError)
    # The status decides what a refusal does; its type only tells refused requests apart.
    if found is errors.InvalidRequestError and kind == "content_moderation_error":
        return errors.ContentModerationError
    return found


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for; None where it makes no sense.

    Both forms of RFC 9110, section 10.2.3: seconds or an HTTP date. A date is taken relative
    to the server's own `Date`, so that two clocks that disagree do no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    moment = _http_date(value)
    return None if moment is None else _seconds_until(moment, headers)


def _seconds_until(moment: datetime, headers: Mapping[str, str]) -> float:
    now = _http_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
