"""The token, and the addresses that hold it."""

import logging
import traceback
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.webhooks import TOKEN, flat
from vidgo_async import VidgoSession, WebhookError, WebhookReceiver


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["vidgo_token"][0]


def test_a_random_token() -> None:
    """Without a token each receiver has one of its own, which cannot be guessed."""
    tokens = {token_of(WebhookReceiver().callback_url("https://a.example/")) for _ in range(9)}
    assert len(tokens) == 9
    assert min(map(len, tokens)) >= 40


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An empty `VIDGO_WEBHOOK_TOKEN` means a random token."""
    monkeypatch.setenv("VIDGO_WEBHOOK_TOKEN", value)
    assert len(token_of(WebhookReceiver().callback_url("https://a.example/"))) >= 40


def test_the_token_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`VIDGO_WEBHOOK_TOKEN` is taken, unless another is given."""
    monkeypatch.setenv("VIDGO_WEBHOOK_TOKEN", TOKEN)
    assert token_of(WebhookReceiver().callback_url("https://a.example/")) == TOKEN
    other = WebhookReceiver("another-token-12345")
    assert token_of(other.callback_url("https://a.example/")) == "another-token-12345"


@pytest.mark.parametrize("token", ["", "x" * 15, "x" * 16 + "\n", "x" * 16 + "\0"])
def test_bad_tokens(token: str) -> None:
    """A token that can be guessed, or that no URL can carry, is refused without being shown."""
    with pytest.raises(ValueError, match="token") as caught:
        WebhookReceiver(token)
    assert token[:3] not in str(caught.value) or not token


@pytest.mark.parametrize(
    ("arguments", "name"), [({"token": 5}, "token"), ({"on_unknown": "print"}, "on_unknown")]
)
def test_bad_types(arguments: Any, name: str) -> None:
    """An argument of the wrong type is named."""
    with pytest.raises(TypeError, match=name):
        WebhookReceiver(**arguments)


def test_a_bad_token_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short variable is refused as well."""
    monkeypatch.setenv("VIDGO_WEBHOOK_TOKEN", "short")
    with pytest.raises(ValueError, match="5 characters"):
        WebhookReceiver()


@pytest.mark.parametrize(
    ("url", "with_token"),
    [
        ("https://a.example", "https://a.example?vidgo_token="),
        ("https://a.example/b/", "https://a.example/b/?vidgo_token="),
        ("https://a.example/b?c=d&e", "https://a.example/b?c=d&e&vidgo_token="),
        ("https://a.example/?c=%2F#part", "https://a.example/?c=%2F&vidgo_token="),
        ("https://a.example/?vidgo_token=old&c=d", "https://a.example/?c=d&vidgo_token="),
    ],
)
def test_callback_urls(url: str, with_token: str) -> None:
    """The token joins the query, all else stays as it is, and doing it twice changes nothing."""
    receiver = WebhookReceiver(TOKEN)
    made = receiver.callback_url(url)
    assert made == with_token + TOKEN
    assert receiver.callback_url(made) == made
    assert receiver.leads_here(made)
    assert not receiver.leads_here(url)
    assert not receiver.leads_here(None)
    assert not receiver.leads_here(made + "-staging")


@pytest.mark.parametrize("token", ["a/b?c=d&e#f+g%20h i", "ünïcödé-token-1234"])
async def test_tokens_of_any_characters(token: str) -> None:
    """A token is quoted in the address, and comes back as it was."""
    receiver = WebhookReceiver(token)
    url = receiver.callback_url("https://a.example/")
    assert url.isascii()
    await receiver.handle(flat("a"), token_of(url))


@pytest.mark.parametrize(
    ("error", "url"),
    [
        (ValueError, "ftp://a.example"),
        (ValueError, "a.example"),
        (ValueError, "https://a.example/" + "x" * 2020),
        (ValueError, ""),
        (TypeError, None),
        (TypeError, b"https://a.example"),
    ],
)
def test_bad_addresses(error: type[Exception], url: Any) -> None:
    """An address that the API would refuse is refused before anything is bought."""
    with pytest.raises(error) as caught:
        WebhookReceiver(TOKEN).callback_url(url)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), 5])
async def test_wrong_tokens(token: Any) -> None:
    """Any other token is refused with 401, whatever the body."""
    receiver = WebhookReceiver(TOKEN)
    for body in (flat("a"), b"", b"x" * 2_000_000):
        with pytest.raises(WebhookError, match="token") as caught:
            await receiver.handle(body, token)
        assert caught.value.status == 401


@given(st.text())
def test_any_text_can_be_compared(token: str) -> None:
    """No text, surrogates included, is anything but wrong."""
    with pytest.raises(WebhookError):
        WebhookReceiver(TOKEN).check_token(token)


async def test_the_token_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """It is in no repr, error, traceback or log."""
    caplog.set_level(logging.DEBUG)
    receiver = WebhookReceiver(TOKEN, on_unknown=print)
    url = receiver.callback_url("https://a.example/")
    session = VidgoSession("a-key-for-tests", webhooks=receiver, callback_url=url)
    shown = [
        repr(receiver),
        repr(url),
        repr(session),
        repr(receiver.sessions),
        repr(vars(receiver)),
    ]
    for body, token in ((b"", TOKEN), (flat("a"), "wrong"), (b"x" * 2_000_000, TOKEN)):
        try:
            await receiver.handle(body, token)
        except WebhookError as error:
            trace = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown += [str(error), repr(error), str(error.__dict__), *trace.format()]

    # What the caller's own frame holds is the caller's; ours hold it as text that hides itself.
    ours = [line for line in shown if "test_tokens" not in line]
    assert not [line for line in ours if f"'{TOKEN}'" in line.replace(f"token = '{TOKEN}'", "")]
    assert TOKEN not in caplog.text
