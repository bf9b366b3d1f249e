"""The token that a callback's address holds, since callbacks are not signed."""

import hmac
import os
import secrets
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from vidgo_async._core.callback_url import check_callback_url
from vidgo_async._core.secret import SecretText

TOKEN_NAME = "vidgo_token"  # noqa: S105 - the name, not the token
"""The parameter of an address that holds the token."""
MIN_TOKEN = 16
"""Characters of a token."""


def find_token(token: Any) -> str:
    """Return the token that was given, that of the environment, or a random one.

    Raises:
        ValueError: It is too short, or holds what is not printable.
        TypeError: It is not a string.
    """
    if token is None:
        token = os.environ.get("VIDGO_WEBHOOK_TOKEN", "").strip() or secrets.token_urlsafe(32)
    if not isinstance(token, str):
        msg = f"token must be a string, not {type(token).__name__}"
        raise TypeError(msg)
    if len(token) < MIN_TOKEN:
        msg = f"the webhook token has {len(token)} characters; it needs at least {MIN_TOKEN}"
        raise ValueError(msg)
    if not token.isprintable():
        msg = "the webhook token must hold printable characters only"
        raise ValueError(msg)
    return SecretText(token)


def same_token(given: object, token: str) -> bool:
    """Compare in constant time, so that a token cannot be guessed a character at a time."""
    text = given if isinstance(given, str) else ""
    return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), token.encode())


def with_token(url: Any, token: str) -> str:
    """Return an address with the token in its query.

    Raises:
        ValueError: It is no http(s) URL, or longer than 2,048 characters with the token.
        TypeError: It is not a string.
    """
    parts = urlsplit(check_callback_url(url))
    others = [each for each in parts.query.split("&") if each.partition("=")[0] != TOKEN_NAME]
    ours = f"{TOKEN_NAME}={quote(token, safe='')}"
    query = "&".join([*filter(None, others), ours])
    return check_callback_url(urlunsplit(parts._replace(query=query, fragment="")))


def token_in(query: str) -> str | None:
    """Return the token in the query of a URL."""
    return dict(parse_qsl(query, errors="surrogateescape")).get(TOKEN_NAME)
