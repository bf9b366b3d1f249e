"""Pages of gateways, and links in messages: what is shown of them."""

from collections.abc import Callable

import pytest

from tests.support.responses import ALL_READERS, answer, polled_with
from vidgo_async import APIError, AuthenticationError, PermissionDeniedError, ResponseError
from vidgo_async._api.links import without_queries
from vidgo_async._api.pages import MAX_WORDS, first_words
from vidgo_async._api.responses import Response

NGINX = (
    b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>\r\n"
    b"<center><h1>400 Bad Request</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>"
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b" \n", ""),
        (NGINX, "400 No required SSL certificate was sent"),
        (b"<!DOCTYPE html><TITLE lang=en>\n Log  in &amp; pay\n</TITLE>", "Log in & pay"),
        (b"<html><title></title><body><h1>Bad</h1> Gateway<script>x()</script>", "Bad Gateway"),
        (b"<html><style>b{}</style><!-- no --><p>Sorry</p>", "Sorry"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (b"RBAC: access denied", "RBAC: access denied"),
        (b'{"message": "Forbidden"}', '{"message": "Forbidden"}'),
        (b"error code: 1010", "error code: 1010"),
        (b"\xff\xfe\x00a", "\ufffd\ufffd\ufffda"),
        (b"<" * 50_000, ""),
        (b"<title" * 50_000, ""),
        (b"<title>" * 50_000, ""),
        (b"<script>" * 50_000, ""),
        (b"see https://a.example/x?sig=secret", "see https://a.example/x?…"),
        (b"a" * 500, "a" * (MAX_WORDS - 1) + "…"),
    ],
)
def test_first_words(body: bytes, words: str) -> None:
    """The title of a page is shown, or else its first words; never more than fits a line."""
    assert first_words(body) == words


@ALL_READERS
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_page_is_not_the_apis(read: Callable[[Response], object], status: int) -> None:
    """A gateway's page is no word about the key or the request; its title is in the message."""
    with pytest.raises(APIError, match="400 No required SSL certificate was sent") as caught:
        read(answer(NGINX, status))
    assert type(caught.value) is APIError
    assert not caught.value.documented
    assert "gateway or proxy" in str(caught.value)


@pytest.mark.parametrize("status", [404, 413, 429, 500, 502, 503, 504])
def test_other_pages_keep_their_class(status: int) -> None:
    """What other statuses mean does not depend on who says it; the title is shown all the same."""
    with pytest.raises(APIError, match="No required SSL certificate") as caught:
        polled_with(NGINX, status)
    assert type(caught.value) is not APIError


def test_text_of_a_kind_is_a_page() -> None:
    """A body that is declared as HTML is a page, whatever it begins with."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(APIError, match="Please log in") as caught:
        polled_with(b"Please log in", 401, headers)
    assert type(caught.value) is APIError
    with pytest.raises(AuthenticationError):
        polled_with(b"", 401, headers)


def test_a_page_inside_http_200_shows_its_title() -> None:
    """A login page in place of JSON is named in the error."""
    with pytest.raises(ResponseError, match=r"not JSON .*'Guest Wi-Fi'"):
        polled_with(b"<title>Guest Wi-Fi</title>", 200)
    with pytest.raises(ResponseError, match="it is empty"):
        polled_with(b"", 200)


def test_a_redirect_says_where_to() -> None:
    """A base URL that redirects is told with the address, without its query."""
    with pytest.raises(ResponseError, match=r"leads to https://b\.example/x\?…$") as caught:
        polled_with(b"", 301, {"Location": "https://b.example/x?token=secret"})
    assert "secret" not in str(caught.value)


def test_a_403_says_what_it_may_mean() -> None:
    """A 403 on every call may be the key's list of allowed addresses."""
    with pytest.raises(PermissionDeniedError, match=r"list of allowed addresses.*: no such right"):
        polled_with({"detail": "no such right"}, 403)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("https://cdn.example/a/b.mp4?X-Amz-Signature=secret&a=b", "https://cdn.example/a/b.mp4?…"),
        ("could not fetch http://a.example?k=secret: no", "could not fetch http://a.example?… no"),
        ("HTTPS://A.example/x?secret 'http://b/c?secret'", "HTTPS://A.example/x?… 'http://b/c?…'"),
        ("http://a.example/x#y?z", "http://a.example/x#y?z"),
        ("is it so? https://a.example/x", "is it so? https://a.example/x"),
    ],
)
def test_links_are_shortened(text: str, short: str) -> None:
    """Signed links lose their queries in messages; scheme, host and path stay."""
    assert without_queries(text) == short
