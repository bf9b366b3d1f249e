"""What is asked for: checked when it is made, sent as the API's page shows it."""

import json
import math
import pickle
from collections import UserDict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import GenerationRequest, GrokImagine, TypedRequest, UploadedFile
from vidgo_async._api.wire import submit_body
from vidgo_async.requests import Media, sources_of
from vidgo_async.requests.media import as_medium, medium

URL = "https://example.com/fox.png"
ESCAPE = "GenerationRequest(model, input) sends anything"


class Size(NamedTuple):
    """A tuple with names, to be sent as a list."""

    width: int
    height: int


def sent(request: GenerationRequest | TypedRequest, callback_url: str | None = None) -> Any:
    return json.loads(submit_body(request, callback_url))


# --- Grok Imagine ---------------------------------------------------------------------------


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
    """Fields that were not set are left out of the body, the callback URL included."""
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
    """A bad value is refused with its field, what is allowed, and the way around."""
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


@pytest.mark.parametrize(
    "given_",
    [
        Path("fox.png"),
        "data:image/png;base64,AAAA",
        UploadedFile(URL, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_media_may_be_uploaded_later(given_: Any) -> None:
    """A path, an uploaded file and a base64 data: URL are kept as given, compare and pickle."""
    request = GrokImagine("a fox", image_urls=[given_])

    assert request.image_urls == (given_,)
    assert request.input == {"prompt": "a fox", "image_urls": [given_]}
    assert pickle.loads(pickle.dumps(request)) == request
    assert hash(request) == hash(GrokImagine("a fox", image_urls=[given_]))


def test_any_kind_of_path_is_one() -> None:
    """Another `os.PathLike` becomes a plain path, so that equal requests are equal."""

    class Elsewhere:
        def __fspath__(self) -> str:
            return "fox.png"

    assert GrokImagine("a", image_urls=[Elsewhere()]) == GrokImagine(
        "a", image_urls=[Path("fox.png")]
    )


@attrs.frozen
class Start(TypedRequest):
    """A request with a field for one medium."""

    model: ClassVar[str] = "start"

    start_image_url: Media = attrs.field(converter=as_medium, validator=medium())


def test_a_field_for_one_medium() -> None:
    """A field for one medium takes what a list of them takes, and refuses alike."""
    assert Start(Path("fox.png")).input == {"start_image_url": Path("fox.png")}
    assert sources_of(Start(Path("fox.png"))) == [Path("fox.png")]
    assert sources_of(Start(URL)) == []
    assert sources_of(GenerationRequest("any", {"image_url": "data:image/png;base64,AA"})) == []
    with pytest.raises(TypeError, match=r"Start.start_image_url must be a URL or a path, not list"):
        Start([URL])
    with pytest.raises(ValueError, match=r"a file's name goes into Path"):
        Start("fox.png")


def test_a_path_is_no_json() -> None:
    """The free-form request is sent as it is, so a path in it is refused, with where it is."""
    with pytest.raises(TypeError, match=r"input.image_urls\[0\] is a PosixPath"):
        GenerationRequest("any", {"image_urls": [Path("fox.png")]})
    with pytest.raises(TypeError, match=r"input.x is a UploadedFile"):
        GenerationRequest("any", {"x": UploadedFile(URL, datetime(2026, 1, 1, tzinfo=UTC))})


def test_a_list_of_images_is_copied() -> None:
    """Neither the caller's list nor the `input` that was read leads into the request."""
    images = [URL]
    request = GrokImagine("a fox", image_urls=images)
    images.append(URL)
    request.input["image_urls"].append(URL)

    assert request.input == {"prompt": "a fox", "image_urls": [URL]}


# --- Any model ------------------------------------------------------------------------------


def test_a_generation_request_sends_anything() -> None:
    """The free-form request sends the model and the input just as they are."""
    inner: dict[str, Any] = {"a": [None, True, 1, 0.5, "", {"b": []}], "size": "768P"}

    assert sent(GenerationRequest("kling-3.0/pro", inner), URL) == {
        "model": "kling-3.0/pro",
        "callback_url": URL,
        "input": inner,
    }


def test_input_is_copied_deeply() -> None:
    """Whatever the caller does to the input later changes nothing."""
    inner: dict[str, Any] = {"list": [1, {"deep": [2]}], "dict": {"key": "value"}}
    request = GenerationRequest("any", inner)
    inner["list"][1]["deep"].append(3)
    inner["dict"]["key"] = "other"
    inner["new"] = 1

    assert request.input == {"list": [1, {"deep": [2]}], "dict": {"key": "value"}}
    assert sent(request)["input"] == {"list": [1, {"deep": [2]}], "dict": {"key": "value"}}


@pytest.mark.parametrize("value", [(1, (2,)), Size(1, (2,)), [1, [2]]])  # type: ignore[arg-type]
def test_tuples_become_lists(value: object) -> None:
    """Tuples are kept as the lists that JSON makes of them, so that equal is what is sent."""
    assert GenerationRequest("any", {"v": value}).input == {"v": [1, [2]]}


def test_any_mapping_is_a_dict() -> None:
    """Mappings of other kinds become plain dicts, inside too."""
    request = GenerationRequest("any", UserDict({"inner": UserDict({"a": 1})}))

    assert request.input == {"inner": {"a": 1}}
    assert type(request.input) is dict


@pytest.mark.parametrize(
    ("error", "path", "inner"),
    [
        (ValueError, "input.a", {"a": math.nan}),
        (ValueError, "input.a", {"a": math.inf}),
        (ValueError, "input.a[1]", {"a": [0, -math.inf]}),
        (TypeError, "input.a", {"a": {1}}),
        (TypeError, "input.a", {"a": b"x"}),
        (TypeError, "input.a[0].b", {"a": [{"b": object()}]}),
        (TypeError, "input.a", {"a": 1j}),
        (TypeError, "input has the key 1", {1: "x"}),
        (TypeError, "input.a[1] has the key None", {"a": [0, {None: 1}]}),
        (TypeError, "input.a has the key b'k'", {"a": {b"k": 1}}),
    ],
)
def test_what_json_cannot_carry(error: type[Exception], path: str, inner: Any) -> None:
    """A value or a key that JSON does not have is refused, and its path named."""
    with pytest.raises(error) as caught:
        GenerationRequest("any", inner)

    assert type(caught.value) is error
    assert str(caught.value).startswith((path + " ", path + ";"))


@pytest.mark.parametrize("kind", [list, dict])
def test_input_that_holds_itself(kind: type) -> None:
    """A list or dict that holds itself is refused instead of recursing for ever."""
    inner: Any = kind()
    if kind is list:
        inner.append(inner)
    else:
        inner["self"] = inner

    with pytest.raises(ValueError, match="holds itself"):
        GenerationRequest("any", {"a": inner})


@pytest.mark.parametrize("inner", [None, [("a", 1)], "prompt", 5, b"{}"])
def test_input_must_be_a_dict(inner: Any) -> None:
    """An input of another type is refused by name."""
    with pytest.raises(TypeError, match=f"input must be a dict.*{type(inner).__name__}"):
        GenerationRequest("any", inner)


@pytest.mark.parametrize(
    ("error", "model"),
    [(ValueError, ""), (ValueError, " \n"), (TypeError, None), (TypeError, GrokImagine)],
)
def test_bad_models(error: type[Exception], model: Any) -> None:
    """An empty model, and one that is no string, are refused with an example."""
    with pytest.raises(error, match=r"model .*'grok-imagine'"):
        GenerationRequest(model, {})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_any_json_goes_out_as_it_is(inner: dict[str, Any]) -> None:
    """Any JSON object is accepted, sent unchanged, and survives a pickle."""
    request = GenerationRequest("any", inner)

    assert sent(request)["input"] == inner
    assert pickle.loads(pickle.dumps(request)) == request
