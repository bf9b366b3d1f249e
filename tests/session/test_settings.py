"""Settings of a session: the environment fills gaps, bad values are refused by name."""

import math
from typing import Any

import pytest

from vidgo_async import AdaptivePolling, FixedPolling, RetryPolicy, Task
from vidgo_async._session.settings import DEFAULT_BASE_URL, Settings

URL = "https://example.com/fox.png"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDGO_API_KEY", raising=False)
    monkeypatch.delenv("VIDGO_BASE_URL", raising=False)
    monkeypatch.delenv("VIDGO_POLL_INTERVAL", raising=False)


def settings(**changes: Any) -> Settings:
    usual: dict[str, Any] = {
        "api_key": "key-1",
        "base_url": None,
        "callback_url": None,
        "max_concurrent_requests": 64,
        "max_concurrent_submits": 16,
        "max_requests_per_second": None,
        "polling": FixedPolling(),
        "retry": RetryPolicy(),
        "request_timeout": 30.0,
        "proxy": None,
        "trust_env": False,
    }
    return Settings(**(usual | changes))


def test_the_environment_fills_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key and a base URL that are not given come from the environment."""
    monkeypatch.setenv("VIDGO_API_KEY", " from-env\n")
    monkeypatch.setenv("VIDGO_BASE_URL", "http://localhost:8000/v1/")
    made = settings(api_key=None)

    assert made.api_key == "from-env"
    assert made.base_url == "http://localhost:8000/v1"


def test_arguments_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given explicitly is used, whatever the environment says."""
    monkeypatch.setenv("VIDGO_API_KEY", "from-env")
    monkeypatch.setenv("VIDGO_BASE_URL", "http://from.env")
    made = settings(api_key="given", base_url="http://given.example")

    assert (made.api_key, made.base_url) == ("given", "http://given.example")


@pytest.mark.parametrize("value", [None, ""])
def test_the_default_base_url(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Without a base URL, or with an empty one in the environment, it is the API's own."""
    if value is not None:
        monkeypatch.setenv("VIDGO_BASE_URL", value)

    assert settings().base_url == DEFAULT_BASE_URL == "https://api.vidgo.ai"


@pytest.mark.parametrize("key", ["", " \n", None])
def test_no_key(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Without a key the error says where to put it; an empty one is none."""
    with pytest.raises(ValueError, match=r"set VIDGO_API_KEY .* or pass api_key"):
        settings(api_key=key)
    monkeypatch.setenv("VIDGO_API_KEY", "  ")
    with pytest.raises(ValueError, match="no API key"):
        settings(api_key=None)


def test_an_empty_key_is_not_filled_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty key is an error, not a reason to read the environment."""
    monkeypatch.setenv("VIDGO_API_KEY", "from-env")

    with pytest.raises(ValueError, match="no API key"):
        settings(api_key="")


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (ValueError, "secret\nX-Other: 1"),
        (ValueError, "secret\rx"),
        (ValueError, "secret\x00"),
        (ValueError, "secret\x7f"),
        (ValueError, "sécret-secret"),
        (ValueError, "secret\N{FOX FACE}"),
        (TypeError, b"secret"),
        (TypeError, 5),
    ],
)
def test_bad_keys(error: type[Exception], key: Any) -> None:
    """A key that no header can carry is refused, without being repeated."""
    with pytest.raises(error) as caught:
        settings(api_key=key)

    assert "secret" not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    """Neither the key, nor a webhook's token, nor a proxy's password is printed."""
    made = settings(
        api_key="secret-key",
        callback_url="https://a.b/secret-token",
        proxy="http://user:secret-word@proxy.example",
    )

    assert "secret" not in repr(made)
    assert made.api_key == "secret-key"
    assert made.callback_url == "https://a.b/secret-token"


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://api.example/v1/", "https://api.example/v1"),
        ("https://api.example//", "https://api.example"),
    ],
)
def test_base_urls(url: str, used: str) -> None:
    """A base URL may have a port and a path; slashes at its end are dropped."""
    assert settings(base_url=url).base_url == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.vidgo.ai",
        "ftp://api.example",
        "https://user@api.example",
        "https://:secret@api.example",
        "https://api.example?key=secret",
        "https://api.example/#part",
        "https://",
        "https://api.example/a b",
        "https://api.example?",
        "https://api.example/#",
        "https://@api.example",
    ],
)
def test_bad_base_urls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base URL that is none, or carries more than host and path, is refused unrepeated."""
    with pytest.raises(ValueError, match="base_url must be an http") as caught:
        settings(base_url=url)
    assert "secret" not in str(caught.value)

    monkeypatch.setenv("VIDGO_BASE_URL", url or "nothing")
    with pytest.raises(ValueError, match="base_url must be an http"):
        settings()


@pytest.mark.parametrize(
    ("error", "field", "value"),
    [
        (TypeError, "base_url", b"http://a.b"),
        (TypeError, "callback_url", 5),
        (ValueError, "callback_url", "ftp://a.b"),
        (TypeError, "max_concurrent_requests", 16.0),
        (TypeError, "max_concurrent_requests", True),
        (TypeError, "max_concurrent_requests", None),
        (ValueError, "max_concurrent_requests", 0),
        (ValueError, "max_concurrent_requests", -1),
        (TypeError, "max_concurrent_submits", 16.0),
        (TypeError, "max_concurrent_submits", None),
        (ValueError, "max_concurrent_submits", 0),
        (TypeError, "max_requests_per_second", "5"),
        (TypeError, "max_requests_per_second", True),
        (ValueError, "max_requests_per_second", 0),
        (ValueError, "max_requests_per_second", -0.5),
        (ValueError, "max_requests_per_second", math.nan),
        (ValueError, "max_requests_per_second", math.inf),
        (TypeError, "request_timeout", None),
        (TypeError, "request_timeout", True),
        (ValueError, "request_timeout", 0.0),
        (ValueError, "request_timeout", math.nan),
        (ValueError, "request_timeout", math.inf),
        (TypeError, "polling", 3.0),
        (TypeError, "polling", FixedPolling),
        (TypeError, "retry", None),
        (TypeError, "retry", 3),
        (ValueError, "proxy", "proxy.example:3128"),
        (ValueError, "proxy", "socks5://proxy.example"),
        (ValueError, "proxy", ""),
    ],
)
def test_bad_settings(error: type[Exception], field: str, value: object) -> None:
    """A setting of a wrong type or out of range is refused, with its name."""
    with pytest.raises(error, match=field):
        settings(**{field: value})


@pytest.mark.parametrize("value", [None, "", " "])
def test_the_default_policy(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Without a policy, and without an interval in the environment, it is the adaptive one."""
    if value is not None:
        monkeypatch.setenv("VIDGO_POLL_INTERVAL", value)

    assert settings(polling=None).polling == AdaptivePolling()


@pytest.mark.parametrize(("value", "interval"), [("0.05", 0.05), (" 3\n", 3.0), ("1e1", 10.0)])
def test_the_interval_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: str, interval: float
) -> None:
    """An interval in the environment means fixed polling, for sessions without a policy only."""
    monkeypatch.setenv("VIDGO_POLL_INTERVAL", value)

    assert settings(polling=None).polling == FixedPolling(interval)
    assert settings(polling=AdaptivePolling()).polling == AdaptivePolling()


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "2s", "0,5"])
def test_bad_intervals_of_the_environment(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An interval that is none is refused by the variable's name, where it would count."""
    monkeypatch.setenv("VIDGO_POLL_INTERVAL", value)

    with pytest.raises(ValueError, match=f"^VIDGO_POLL_INTERVAL must be .* not '{value}'"):
        settings(polling=None)
    assert settings(polling=FixedPolling()).polling == FixedPolling()


def test_a_policy_of_ones_own() -> None:
    """Whatever has a `next_delay` is a polling policy."""

    class Patient:
        def next_delay(self, task: Task, age: float | None) -> float:
            return 60.0

    policy = Patient()

    assert settings(polling=policy).polling is policy
