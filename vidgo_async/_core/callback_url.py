"""Where the server reports the end of a task."""

from typing import Any

from vidgo_async._core.secret import SecretText
from vidgo_async._core.validators import is_http_url

MAX_CALLBACK_URL = 2048
"""Characters; the limit in the older text of the webhook page."""


def check_callback_url(url: Any) -> str:
    """Refuse a callback URL that the API would refuse, without repeating it.

    The URL may carry a webhook's secret token, so no message holds it.

    Raises:
        TypeError: It is not a string.
        ValueError: It is not http(s), or longer than 2,048 characters (webhook page).
    """
    if not isinstance(url, str):
        msg = f"callback_url must be a string, not {type(url).__name__}"
        raise TypeError(msg)
    if len(url) > MAX_CALLBACK_URL:
        msg = f"callback_url has {len(url)} characters; at most {MAX_CALLBACK_URL} are allowed"
        raise ValueError(msg)
    if not is_http_url(url):
        msg = "callback_url must be an absolute http:// or https:// URL"
        raise ValueError(msg)
    return SecretText(url)
