"""Grok Imagine: its fields are checked at construction, and sent as documented."""

import pickle
from typing import Any

import attrs
import pytest

from tests.support.requests import sent
from vidgo_async import GrokImagine

URL = "https://example.com/fox.png"
ESCAPE = "GenerationRequest(model, input) sends anything"


def test_the_pages_own_example() -> None:
    """The page's example comes out as the page shows it: nothing added, and no nulls."""
    request = GrokImagine(
        prompt="A sleek black sports car speeding through neon-lit city streets",
        aspect_ratio="16:9",
        mode="normal",
    )

    assert sent(request, "https://your-domain.com/callback") == {
        "model": "grok-imagine",
        "callback_url": "https://your-domain.com/callback",
        "input": {
            "prompt": "A sleek black sports car speeding through neon-lit city streets",
            "aspect_ratio": "16:9",
            "mode": "normal",
        },
    }


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (GrokImagine("a fox"), {"prompt": "a fox"}),
        (GrokImagine("a fox", image_urls=[URL]), {"prompt": "a fox", "image_urls": [URL]}),
        (GrokImagine("a fox", image_urls=(URL,)), {"prompt": "a fox", "image_urls": [URL]}),
        (GrokImagine("a fox", duration=6), {"prompt": "a fox", "duration": 6}),
        (
            GrokImagine("狐 \N{FOX FACE}", duration=10, mode="spicy"),
            {"prompt": "狐 \N{FOX FACE}", "duration": 10, "mode": "spicy"},
        ),
    ],
)
def test_only_what_is_set_is_sent(request_: GrokImagine, expected: dict[str, Any]) -> None:
    """Fields that were not set are not in the body, the callback URL included."""
    assert sent(request_) == {"model": "grok-imagine", "input": expected}


@pytest.mark.parametrize("ratio", ["1:1", "2:3", "3:2", "16:9", "9:16"])
@pytest.mark.parametrize("mode", ["fun", "normal", "spicy"])
@pytest.mark.parametrize("duration", [6, 10])
def test_every_allowed_value(ratio: Any, mode: Any, duration: Any) -> None:
    """The five ratios, three modes and two durations are accepted in all combinations."""
    request = GrokImagine("a fox", aspect_ratio=ratio, mode=mode, duration=duration)

    assert request.input == {
        "prompt": "a fox",
        "aspect_ratio": ratio,
        "mode": mode,
        "duration": duration,
    }


@pytest.mark.parametrize("prompt", ["x", "x" * 5000, " x "])
def test_prompts_up_to_the_limit(prompt: str) -> None:
    """A prompt of 1 to 5,000 characters is sent unchanged."""
    assert GrokImagine(prompt).input == {"prompt": prompt}


@pytest.mark.parametrize(
    ("error", "field", "allowed", "values"),
    [
        (ValueError, "prompt", "1 to 5000 characters", {"prompt": ""}),
        (ValueError, "prompt", "1 to 5000 characters", {"prompt": " \t\n\u3000"}),
        (ValueError, "prompt", "at most 5000", {"prompt": "x" * 5001}),
        (TypeError, "prompt", "a string", {"prompt": None}),
        (TypeError, "prompt", "a string", {"prompt": b"a fox"}),
        (TypeError, "prompt", "a string", {"prompt": ["a fox"]}),
        (ValueError, "image_urls", "allowed are 1 to 1", {"image_urls": [URL, URL]}),
        (ValueError, "image_urls", "allowed are 1 to 1", {"image_urls": []}),
        (TypeError, "image_urls", "a list of URLs or paths", {"image_urls": URL}),
        (TypeError, "image_urls", "a list of URLs or paths", {"image_urls": URL.encode()}),
        (TypeError, "image_urls", "a list of URLs or paths", {"image_urls": {URL}}),
        (TypeError, "image_urls", "a list of URLs or paths", {"image_urls": {"url": URL}}),
        (TypeError, "image_urls", "a list of URLs or paths", {"image_urls": 5}),
        (TypeError, "image_urls[0]", "a URL", {"image_urls": [None]}),
        (TypeError, "image_urls[0]", "a URL", {"image_urls": [URL.encode()]}),
        (ValueError, "image_urls[0]", "Path(...)", {"image_urls": ["fox.png"]}),
        (ValueError, "image_urls[0]", "http(s) URL", {"image_urls": ["ftp://a.b/fox.png"]}),
        (ValueError, "image_urls[0]", "without base64", {"image_urls": ["data:image/png,A"]}),
        (ValueError, "image_urls[0]", "http(s) URL", {"image_urls": [""]}),
        (ValueError, "aspect_ratio", "'1:1', '2:3', '3:2'", {"aspect_ratio": "4:3"}),
        (ValueError, "aspect_ratio", "'16:9', '9:16'", {"aspect_ratio": ""}),
        (TypeError, "aspect_ratio", "'16:9'", {"aspect_ratio": 16 / 9}),
        (TypeError, "aspect_ratio", "'16:9'", {"aspect_ratio": (16, 9)}),
        (ValueError, "mode", "'fun', 'normal', 'spicy'", {"mode": "Fun"}),
        (TypeError, "mode", "'fun', 'normal', 'spicy'", {"mode": ["fun"]}),
        (ValueError, "duration", "6, 10", {"duration": 7}),
        (TypeError, "duration", "6, 10", {"duration": True}),
        (TypeError, "duration", "6, 10", {"duration": 6.0}),
        (TypeError, "duration", "6, 10", {"duration": "6"}),
    ],
)
def test_bad_values(
    error: type[Exception], field: str, allowed: str, values: dict[str, Any]
) -> None:
    """A bad value is refused with its field, what is allowed, and an alternative."""
    with pytest.raises(error) as caught:
        GrokImagine(**({"prompt": "a fox"} | values))

    assert type(caught.value) is error
    assert str(caught.value).startswith(f"GrokImagine.{field} ")
    assert allowed in str(caught.value)
    assert ESCAPE in str(caught.value)


def test_a_long_url_is_not_repeated_whole() -> None:
    """A refused data: URL of a megabyte does not fill the message."""
    with pytest.raises(ValueError, match="data:image/png") as caught:
        GrokImagine("a fox", image_urls=["data:image/png," + "A" * 1_000_000])

    assert len(str(caught.value)) < 300


def test_typed_requests_are_values() -> None:
    """Typed requests are frozen, hash and compare by value, and pickle."""
    request = GrokImagine("a fox", image_urls=[URL])
    twin = GrokImagine("a fox", image_urls=(URL,))

    assert request == twin
    assert hash(request) == hash(twin)
    assert pickle.loads(pickle.dumps(request)) == request
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.prompt = "a dog"  # type: ignore[misc]
