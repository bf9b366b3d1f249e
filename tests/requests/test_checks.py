"""What counts as an http(s) URL, a callback URL and a request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import GenerationRequest, GrokImagine
from vidgo_async._core.callback_url import check_callback_url
from vidgo_async._core.validators import is_http_url
from vidgo_async.requests import check_request

URL = "https://example.com/fox.png"


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("http://example.com", True),
        ("HTTPS://EXAMPLE.COM:8443/a/b?c=d#e", True),
        ("http://[::1]:80/", True),
        ("https://例え.jp/狐", True),
        ("http://user:secret@example.com/", True),
        ("", False),
        ("example.com", False),
        ("//example.com/a", False),
        ("https://", False),
        ("https:///a", False),
        ("https://?a", False),
        ("ftp://example.com", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("http://[::1", False),
        ("http://example.com:99999", False),
        ("http://example.com:0", False),
        ("http://example.com:port", False),
        ("http://exa mple.com", False),
        (" http://example.com", False),
        ("http://example.com\n", False),
        ("http://example.com/\tx", False),
        ("http://example.com/\x00", False),
    ],
)
def test_http_urls(url: str, good: bool) -> None:
    """Only absolute http(s) URLs with a host, a real port and no white space are URLs."""
    assert is_http_url(url) is good


@given(st.text())
def test_any_text_can_be_checked(text: str) -> None:
    """Any text either is a URL or not, also after a scheme and a host."""
    assert not is_http_url(text) or "://" in text
    assert isinstance(is_http_url("http://" + text), bool)
    assert isinstance(is_http_url("http://a:" + text), bool)


@pytest.mark.parametrize("url", [URL, "http://h/" + "x" * 2039])
def test_good_callback_urls(url: str) -> None:
    """http(s) URLs of up to 2,048 characters are taken as they are."""
    assert check_callback_url(url) == url


@pytest.mark.parametrize(
    ("error", "url"),
    [
        (ValueError, "ftp://secret.example/token"),
        (ValueError, "secret.example/token"),
        (ValueError, "http://secret.example/to ken"),
        (ValueError, "http://secret.example/" + "x" * 2027),
        (ValueError, ""),
        (TypeError, b"https://secret.example/token"),
        (TypeError, 5),
    ],
)
def test_bad_callback_urls(error: type[Exception], url: Any) -> None:
    """A bad callback URL is refused without being repeated: it may hold a token."""
    with pytest.raises(error, match="callback_url") as caught:
        check_callback_url(url)

    assert "secret" not in str(caught.value)
    assert "ken" not in str(caught.value)


@pytest.mark.parametrize("request_", [GrokImagine("a fox"), GenerationRequest("any", {})])
def test_requests_are_requests(request_: object) -> None:
    """Both kinds of requests pass the check."""
    check_request(request_)


@pytest.mark.parametrize("request_", ["a fox", None, {"prompt": "a fox"}, GrokImagine])
def test_what_is_not_a_request(request_: object) -> None:
    """Anything else is refused with an example of what is meant."""
    with pytest.raises(TypeError, match=r"GrokImagine\(prompt=...\).*not"):
        check_request(request_)
