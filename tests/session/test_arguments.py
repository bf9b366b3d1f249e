"""What callers pass in: refused before anything is sent, by name, and never repeated."""

import math
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import (
    FixedPolling,
    GenerationRequest,
    GrokImagine,
    MediaFile,
    RetryPolicy,
    Task,
)
from vidgo_async._session.arguments import (
    DEFAULT_BASE_URL,
    Settings,
    as_task,
    as_tasks,
    check_callback,
    check_count,
    check_file,
    check_requests,
    check_timeout,
)
from vidgo_async.requests import check_callback_url, check_request, is_http_url

URL = "https://example.com/fox.png"
TASK = Task("task-1", "running")
FOX = GrokImagine("a fox")
NO_NUMBERS = [True, "5", None, [1], 1j]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDGO_API_KEY", raising=False)
    monkeypatch.delenv("VIDGO_BASE_URL", raising=False)


def settings(**changes: Any) -> Settings:
    usual: dict[str, Any] = {
        "api_key": "key-1",
        "base_url": None,
        "callback_url": None,
        "max_concurrent_requests": 16,
        "max_requests_per_second": None,
        "polling": FixedPolling(),
        "retry": RetryPolicy(),
        "request_timeout": 30.0,
        "proxy": None,
        "trust_env": False,
    }
    return Settings(**(usual | changes))


# --- Settings -------------------------------------------------------------------------------


def test_the_environment_fills_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the base URL that are not given come from the environment."""
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
    """An empty key that is given is an error, not a reason to look elsewhere."""
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
        (TypeError, "polling", None),
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


def test_a_policy_of_ones_own() -> None:
    """Whatever has a `next_delay` is a polling policy."""

    class Patient:
        def next_delay(self, task: Task, age: float | None) -> float:
            return 60.0

    policy = Patient()

    assert settings(polling=policy).polling is policy


# --- Arguments of calls ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 16, 10**9])
def test_good_counts(value: int) -> None:
    """Whole numbers from 1 on are counts."""
    check_count("max_in_flight", value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 1.0])
def test_counts_of_wrong_types(value: object) -> None:
    """A count is a whole number, and True is none."""
    with pytest.raises(TypeError, match=rf"max_in_flight .*not {type(value).__name__}"):
        check_count("max_in_flight", value)


@pytest.mark.parametrize("value", [0, -1])
def test_counts_below_one(value: int) -> None:
    """A count is at least 1."""
    with pytest.raises(ValueError, match=f"max_in_flight must be at least 1, not {value}"):
        check_count("max_in_flight", value)


@pytest.mark.parametrize("value", [None, 0, 0.0, 1, 900.5])
def test_good_timeouts(value: float | None) -> None:
    """A timeout is None, or a number of seconds from 0 on."""
    check_timeout(value)


@pytest.mark.parametrize(
    ("error", "value"),
    [(ValueError, -1), (ValueError, -0.001), (ValueError, math.nan), (ValueError, -math.inf)]
    + [(TypeError, value) for value in NO_NUMBERS if value is not None],
)
def test_bad_timeouts(error: type[Exception], value: object) -> None:
    """A negative timeout, NaN, and what is no number are refused."""
    with pytest.raises(error, match=r"timeout must be .* None"):
        check_timeout(value)


@pytest.mark.parametrize("callback", [None, print, lambda task: None, [].append, partial(print)])
def test_good_callbacks(callback: object) -> None:
    """Anything that can be called without awaiting is a callback, and None is no callback."""
    check_callback("on_update", callback)


async def coroutine_function(task: Task) -> None:
    pass


class CoroutineObject:
    async def __call__(self, task: Task) -> None:
        pass


async def stream_function(task: Task) -> AsyncIterator[Task]:
    yield task


@pytest.mark.parametrize(
    "callback",
    [
        5,
        "print",
        coroutine_function,
        partial(coroutine_function),
        CoroutineObject(),
        stream_function,
    ],
)
def test_bad_callbacks(callback: object) -> None:
    """What cannot be called is refused, and an `async def`, which nobody would await."""
    with pytest.raises(TypeError, match="on_update must be a plain function"):
        check_callback("on_update", callback)


def test_tasks_and_ids() -> None:
    """A task stays the object it is; an id becomes a task of which nothing else is known."""
    assert as_task(TASK) is TASK
    assert as_task("task-9") == Task("task-9", "unknown")
    assert not as_task("task-9").done
    assert as_tasks(iter([TASK, "task-9"])) == [TASK, Task("task-9", "unknown")]
    assert as_tasks([]) == []


@pytest.mark.parametrize(
    ("error", "value"),
    [(TypeError, None), (TypeError, 5), (TypeError, b"t"), (ValueError, ""), (ValueError, " ")],
)
def test_what_is_no_task(error: type[Exception], value: object) -> None:
    """Neither a task nor an id, or an empty id, is refused, in a list too."""
    with pytest.raises(error, match="task id"):
        as_task(value)
    with pytest.raises(error, match="task id"):
        as_tasks([TASK, value])


@pytest.mark.parametrize("value", ["task-1", b"task-1", {"task-1": TASK}, TASK, None, 5])
def test_what_is_no_list_of_tasks(value: object) -> None:
    """One id is not a list of its letters, and one task is no list."""
    with pytest.raises(TypeError, match=rf"list of tasks .*not {type(value).__name__}"):
        as_tasks(value)


def test_files() -> None:
    """Only a task's file can be fetched; a bare URL is refused with what is meant."""
    check_file(MediaFile(URL))
    with pytest.raises(TypeError, match=r"MediaFile such as task.files\[0\], not str"):
        check_file(URL)


async def stream() -> AsyncIterator[GrokImagine]:
    yield FOX


class Unread(Iterator[GrokImagine]):
    def __next__(self) -> GrokImagine:
        pytest.fail("the iterator was read")


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("value", [[], [FOX], (FOX, GenerationRequest("any", {})), {FOX}, Unread()])
def test_many_requests(value: object, streams: bool) -> None:
    """Any iterable is taken; what is no list is left unread."""
    check_requests(value, streams=streams)


def test_streams_of_requests() -> None:
    """An async iterable is taken where streams are, and refused elsewhere."""
    check_requests(stream(), streams=True)
    with pytest.raises(TypeError, match="list of requests, not async_generator"):
        check_requests(stream(), streams=False)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("value", ["a fox", b"a fox", {"prompt": "a fox"}, FOX, None, stream])
def test_what_is_no_list_of_requests(value: object, streams: bool) -> None:
    """One request is no list of requests, and one prompt is not a list of its letters."""
    with pytest.raises(TypeError, match="expected a list of requests"):
        check_requests(value, streams=streams)


@pytest.mark.parametrize("value", [[FOX, "a fox"], (None,), [[FOX]]])
def test_lists_are_looked_into(value: object) -> None:
    """What is no request in a list is refused before anything is sent."""
    with pytest.raises(TypeError, match="expected a request such as GrokImagine"):
        check_requests(value, streams=True)


# --- Checks ---------------------------------------------------------------------------------


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
def test_any_text_can_be_judged(text: str) -> None:
    """Whether a text is a URL is answered for any text, also after a scheme and a host."""
    assert not is_http_url(text) or "://" in text
    assert isinstance(is_http_url("http://" + text), bool)
    assert isinstance(is_http_url("http://a:" + text), bool)


@pytest.mark.parametrize("url", [None, URL, "http://h/" + "x" * 2039])
def test_good_callback_urls(url: str | None) -> None:
    """None and http(s) URLs of up to 2,048 characters are taken as they are."""
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
