"""Responses with an error: which exception they become, and when to retry."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.responses import (
    ALL_BUT_SUBMIT,
    ALL_READERS,
    KNOWN,
    NOW,
    answer,
    polled_with,
    read_task,
)
from vidgo_async._api.http_headers import retry_after
from vidgo_async._api.responses import MAX_ERROR_BODY, Response
from vidgo_async._core import errors
from vidgo_async._core.errors import APIError, ResponseError

# --- Refusals -------------------------------------------------------------------------------

CLASSES = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    402: errors.InsufficientCreditsError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: APIError,
    408: errors.ServerError,
    409: errors.InvalidRequestError,
    413: errors.InvalidRequestError,
    418: APIError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitError,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
    504: errors.ServerError,
    599: errors.ServerError,
}
SHAPES = [
    ({"code": 418, "error": {"message": "no", "type": "some_error"}}, "no", "some_error", 418),
    ({"code": 418, "error": {"message": "no"}}, "no", None, 418),
    ({"code": "418", "error": {"message": "no", "type": 5}}, "no", None, None),
    ({"detail": "no"}, "no", None, None),
    ({"detail": [{"loc": ["body", 0], "msg": "no", "type": "t"}]}, "body.0: no", None, None),
    ({"detail": [{"loc": ["a"], "msg": "no"}, {"b": 1}]}, "a: no; {'b': 1}", None, None),
    ({"code": 418, "message": "no"}, "no", None, 418),
    ({"code": 418, "message": "no", "data": None, "new": 1}, "no", None, 418),
]


@ALL_READERS
@pytest.mark.parametrize(("status", "kind"), CLASSES.items())
@pytest.mark.parametrize(("payload", "message", "type_", "code"), SHAPES)
def test_documented_refusals(
    read: Callable[[Response], object],
    status: int,
    kind: type[APIError],
    payload: dict[str, Any],
    message: str,
    type_: str | None,
    code: int | None,
) -> None:
    """Each body the API documents, under each status, becomes the error it means."""
    with pytest.raises(APIError) as caught:
        read(answer(payload, status))

    error = caught.value
    assert type(error) is kind
    assert (error.status, error.message, error.type, error.code) == (status, message, type_, code)
    assert error.documented
    assert error.body == json.dumps(payload)


@ALL_READERS
@pytest.mark.parametrize("status", [401, 404, 500, 502, 503])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad Gateway</html>", b"[]", b"null", b"5", b'"no"', b"{}", b"\xff\xfe", b"{",
     b'{"detail": {"a": 1}}', b'{"detail": 5}', b'{"error": "no"}', b'{"code": true}',
     b'{"message": null}', b"[" * 100_000],
)  # fmt: skip
def test_undocumented_refusals(
    read: Callable[[Response], object], status: int, body: bytes
) -> None:
    """A gateway's response is the error of its status, marked as not from the API.

    A page says nothing about the key, though.
    """
    kind = APIError if status == 401 and body.startswith(b"<") else CLASSES[status]
    with pytest.raises(kind) as caught:
        read(answer(body, status))

    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.type) == (status, None, None)
    assert error.message[0].isupper()
    assert not error.documented


@ALL_BUT_SUBMIT
@pytest.mark.parametrize(("code", "kind"), CLASSES.items())
def test_an_error_code_inside_http_200(
    read: Callable[[Response], object], code: int, kind: type[APIError]
) -> None:
    """HTTP 200 carrying an error code is that error, even beside readable data."""
    data = {"task_id": "task-1", "status": "running", "credits_amount": 5, "email": ""}
    with pytest.raises(kind) as caught:
        read(answer({"code": code, "message": "no", "data": data}))

    assert (type(caught.value), caught.value.status, caught.value.code) == (kind, code, code)


@pytest.mark.parametrize("code", [True, "404", 404.0, None, [404], 0, -1, 200, 201, 399, 600])
def test_what_is_no_error_code(code: object) -> None:
    """Inside HTTP 200 only a whole number from 400 to 599 is an error code."""
    body = {"code": code, "data": {"status": "running"}}

    assert read_task(answer(body), KNOWN).status == "running"


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_content_moderation(status: int) -> None:
    """A rejection by content moderation has a class of its own, by its type."""
    body = {"code": status, "error": {"message": "no", "type": "content_moderation_error"}}
    with pytest.raises(errors.ContentModerationError):
        polled_with(body, status)


def test_an_unnamed_status() -> None:
    """A status that has no name of its own still gives a message."""
    with pytest.raises(errors.ServerError, match="599: the server gave no reason"):
        polled_with(b"", 599)


@pytest.mark.parametrize("status", [100, 101, 199, 300, 301, 304, 399])
@ALL_BUT_SUBMIT
def test_statuses_without_a_meaning(read: Callable[[Response], object], status: int) -> None:
    """What is neither 2xx nor an error is unreadable, even with a good body."""
    data = {"task_id": "t", "status": "running", "credits_amount": 5, "email": ""}
    with pytest.raises(ResponseError, match=f"HTTP status {status} has no meaning") as caught:
        read(answer({"code": 200, "data": data}, status))

    assert caught.value.status == status


@ALL_READERS
@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"<html>", "$"),
        (b"\xff", "$"),
        (b"[]", "$"),
        (b"null", "$"),
        (b'"x"', "$"),
        (b"[" * 100_000, "$"),
        (b"{}", "$.data"),
        (b'{"data": null}', "$.data"),
        (b'{"data": []}', "$.data"),
        (b'{"data": "x"}', "$.data"),
        (b'{"detail": "no"}', "$.data"),
    ],
)
def test_good_statuses_with_unreadable_bodies(
    read: Callable[[Response], object], body: bytes, path: str
) -> None:
    """A 200 that is no JSON object, or has no data object, is unreadable, and says where."""
    with pytest.raises(ResponseError) as caught:
        read(answer(body))

    (problem,) = caught.value.problems
    assert problem.endswith(f" @ {path}")
    assert caught.value.body == body[:MAX_ERROR_BODY].decode("utf-8", "replace")


@pytest.mark.parametrize("status", [200, 500])
def test_huge_bodies_are_trimmed(status: int) -> None:
    """An error keeps the first 64 KiB of a body, even if that cuts a character."""
    body = b"x" + "é".encode() * MAX_ERROR_BODY
    with pytest.raises((APIError, ResponseError)) as caught:
        polled_with(body, status)

    assert isinstance(caught.value, APIError | ResponseError)
    assert len(caught.value.body) == MAX_ERROR_BODY // 2 + 1
    assert caught.value.body.endswith("é\ufffd")


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 429, 500, 503])
def test_content_moderation_is_no_other_status(status: int) -> None:
    """The status decides the class of an error; the type only tells 4xx errors apart."""
    body = {"code": status, "error": {"message": "no", "type": "content_moderation_error"}}
    with pytest.raises(CLASSES[status]):
        polled_with(body, status)


@pytest.mark.parametrize(
    "body",
    [{"message": "Forbidden"}, {"detail": []}, {"detail": ""}, {"code": "403", "message": "x"}],
)
def test_json_that_is_not_in_a_documented_shape(body: object) -> None:
    """JSON in no documented shape comes from a gateway, not from the API."""
    with pytest.raises(errors.PermissionDeniedError) as caught:
        polled_with(body, 403)
    assert not caught.value.documented


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"loc": ["body", "file", 0], "msg": "bad"}, "body.file.0: bad"),
        ({"loc": "body", "msg": "bad"}, "body: bad"),
        ({"loc": ["body"]}, "{'loc': ['body']}"),
        ("bad", "bad"),
    ],
)
def test_validation_problems(item: object, text: str) -> None:
    """Each problem of a 422 is named with its location, where the server gave one."""
    with pytest.raises(errors.InvalidRequestError) as caught:
        polled_with({"detail": [item]}, 422)
    assert caught.value.message == text


def test_a_type_without_a_message() -> None:
    """An error type counts even where the message is missing."""
    with pytest.raises(errors.ServerError) as caught:
        polled_with({"code": 503, "error": {"message": None, "type": "service_error"}}, 503)
    assert (caught.value.type, caught.value.documented) == ("service_error", True)


# --- Retry-After ----------------------------------------------------------------------------

LATER = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
DATE = format_datetime(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "86400000"}, 86_400_000.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1_0"}, None),
        ({"Retry-After": "\N{ARABIC-INDIC DIGIT FIVE}"}, None),
        ({"Retry-After": "-inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "5 s"}, None),
        ({"Retry-After": "Mon, 99 Foo 2026 00:00:00 GMT"}, None),
        ({"Retry-After": "Mon, 01 Jan 99999 00:00:00 GMT"}, None),
        ({"Retry-After": LATER, "Date": DATE}, 90.0),
        ({"Retry-After": LATER.replace("GMT", "-0000"), "Date": DATE}, 90.0),
        ({"Retry-After": DATE, "Date": LATER}, 0.0),
        ({"Retry-After": DATE, "Date": DATE}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds or a date relative to the server's own clock; nonsense is no wish at all."""
    assert retry_after(headers) == seconds
    with pytest.raises(errors.RateLimitError) as caught:
        polled_with(b"", 429, headers)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("date", [{}, {"Date": "soon"}])
def test_retry_after_without_a_date(date: dict[str, str]) -> None:
    """Without a readable `Date` a date is taken relative to this machine's clock."""
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = retry_after({"Retry-After": moment, **date})

    assert seconds == pytest.approx(3600, abs=5)


@given(st.text(), st.text())
@example("Wed, 21 Oct 2015 07:28:00 +999999999999", "1")
@example("9" * 5000, "x")
def test_any_retry_after(wish: str, date: str) -> None:
    """Whatever the headers hold, the wish is None or a number that is not negative."""
    seconds = retry_after({"Retry-After": wish, "Date": date})

    assert seconds is None or seconds >= 0
