"""The settings of a session, checked when it is made."""

import os
from typing import Any
from urllib.parse import urlsplit

import attrs

from vidgo_async._api.proxies import check_proxy
from vidgo_async._core.callback_url import check_callback_url
from vidgo_async._core.retry import RetryPolicy
from vidgo_async._core.secret import SecretText
from vidgo_async._core.validators import count, is_http_url, positive
from vidgo_async._polling.adaptive import AdaptivePolling
from vidgo_async._polling.policies import FixedPolling, PollingPolicy
from vidgo_async.webhooks.receiver import WebhookReceiver

DEFAULT_BASE_URL = "https://api.vidgo.ai"


def _find_key(key: Any) -> str:
    key = os.environ.get("VIDGO_API_KEY", "") if key is None else key
    if not isinstance(key, str):
        msg = f"api_key must be a string, not {type(key).__name__}"
        raise TypeError(msg)
    key = key.strip()
    if not key:
        msg = "no API key: set VIDGO_API_KEY in the environment, or pass api_key"
        raise ValueError(msg)
    if not (key.isascii() and key.isprintable()):
        msg = "the API key holds characters that no HTTP header can carry"
        raise ValueError(msg)
    return SecretText(key)


def _find_base_url(url: Any) -> str:
    url = os.environ.get("VIDGO_BASE_URL") or DEFAULT_BASE_URL if url is None else url
    if not isinstance(url, str):
        msg = f"base_url must be a string, not {type(url).__name__}"
        raise TypeError(msg)
    parts = urlsplit(url) if is_http_url(url) else None
    if parts is None or "@" in parts.netloc or "?" in url or "#" in url:
        msg = (
            "base_url must be an http(s) URL without user, query or fragment, "
            f"such as {DEFAULT_BASE_URL}"
        )
        raise ValueError(msg)
    address: str = url.rstrip("/")
    return address


def _interval() -> str:
    """Return the interval of the environment; empty where there is none."""
    return os.environ.get("VIDGO_POLL_INTERVAL", "").strip()


def _relies_on_callbacks() -> bool:
    """Tell whether to rely on callbacks before the first one came: not where polls are to be fast."""
    return not _interval()


def _find_polling(polling: PollingPolicy | None) -> PollingPolicy:
    """Return the policy that was given; else the environment's interval, or the default."""
    if polling is not None:
        return polling
    interval = _interval()
    if not interval:
        return AdaptivePolling()
    try:
        return FixedPolling(float(interval))
    except ValueError:
        msg = f"VIDGO_POLL_INTERVAL must be a number of seconds above 0, not {interval!r}"
        raise ValueError(msg) from None


def callback_address(url: Any, webhooks: Any) -> str | None:
    """Return where to report the end of tasks: with the token of the session's receiver, if any.

    Raises:
        TypeError: The receiver is none, or the URL is no string.
        ValueError: The URL is not http(s), or too long.
    """
    if webhooks is not None and not isinstance(webhooks, WebhookReceiver):
        msg = f"webhooks must be a WebhookReceiver, not {webhooks!r}"
        raise TypeError(msg)
    if url is None:
        return None
    checked = check_callback_url(url)
    return checked if webhooks is None else webhooks.callback_url(checked)


def _is_polling(_: object, __: object, value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "next_delay", None)):
        msg = f"polling must be a policy such as FixedPolling(3.0), not {value!r}"
        raise TypeError(msg)


def _is_retry(_: object, __: object, value: Any) -> None:
    if not isinstance(value, RetryPolicy):
        msg = f"retry must be a policy such as RetryPolicy(timeout=60.0), not {value!r}"
        raise TypeError(msg)


def _is_proxy(_: object, __: object, value: Any) -> None:
    if value is not None:
        check_proxy("proxy", value)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """How a session behaves; see `VidgoSession` for each."""

    api_key: str = attrs.field(converter=_find_key)
    base_url: str = attrs.field(converter=_find_base_url)
    callback_url: str | None = attrs.field(converter=attrs.converters.optional(check_callback_url))
    webhooks: WebhookReceiver | None = None
    max_concurrent_requests: int = attrs.field(validator=count)
    max_concurrent_submits: int = attrs.field(validator=count)
    max_requests_per_second: float | None = attrs.field(
        validator=attrs.validators.optional(positive)
    )
    max_submits_per_second: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(positive)
    )
    polling: PollingPolicy = attrs.field(converter=_find_polling, validator=_is_polling)
    relies_on_callbacks: bool = attrs.field(init=False, factory=_relies_on_callbacks)
    retry: RetryPolicy = attrs.field(validator=_is_retry)
    request_timeout: float = attrs.field(validator=positive)
    download_timeout: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(positive)
    )
    proxy: str | None = attrs.field(
        converter=attrs.converters.optional(SecretText), validator=_is_proxy
    )
    trust_env: bool

    @property
    def submits_at_once(self) -> int:
        """How many submits may be in flight, by both limits."""
        return min(self.max_concurrent_submits, self.max_concurrent_requests)
