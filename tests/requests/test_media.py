"""Media of requests: URLs, uploaded files, and files that are uploaded on submit."""

import pickle
from collections import UserDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from vidgo_async import GenerationRequest, GrokImagine, TypedRequest, UploadedFile
from vidgo_async.requests import Media, PreparedRequest
from vidgo_async.requests.media import as_medium, medium

URL = "https://example.com/fox.png"


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
    assert PreparedRequest(Start(Path("fox.png"))).sources == [Path("fox.png")]
    assert PreparedRequest(Start(URL)).sources == []
    with pytest.raises(TypeError, match=r"Start.start_image_url must be a URL or a path, not list"):
        Start([URL])
    with pytest.raises(ValueError, match=r"a file's name goes into Path"):
        Start("fox.png")


# --- In the free-form request ----------------------------------------------------------------

DATA_URL = "data:image/png;base64,AAAA"
UPLOADED = UploadedFile(URL, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("given_", [Path("fox.png"), UPLOADED])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda medium: {"image_urls": [medium]},
        lambda medium: {"image": medium},
        lambda medium: {"shots": ({"parts": [{"x": medium}]},)},
        lambda medium: {"media": UserDict({"first": medium})},
    ],
)
def test_files_anywhere_in_a_free_form_request(
    given_: Any, wrap: Callable[[object], dict[str, Any]]
) -> None:
    """A path and an uploaded file are media anywhere in an input, which compares and pickles."""
    request = GenerationRequest("any", wrap(given_))

    assert PreparedRequest(request).sources == [given_]
    assert request == GenerationRequest("any", wrap(given_))
    assert pickle.loads(pickle.dumps(request)) == request
    assert str(given_) not in str(PreparedRequest(request).input_with(["the link"]))


@pytest.mark.parametrize(
    "inner",
    [
        {"image_url": DATA_URL},
        {"image_urls": [DATA_URL]},
        {"elements": [{"element_input_urls": (DATA_URL, URL)}]},
        {"image_url": "DATA" + DATA_URL[4:]},
    ],
)
def test_data_urls_are_media_by_the_name_of_their_field(inner: dict[str, Any]) -> None:
    """Under a key that ends in `_url` or `_urls` a data: URL is uploaded, at any depth."""
    assert PreparedRequest(GenerationRequest("any", inner)).sources == [DATA_URL]


@pytest.mark.parametrize(
    "inner",
    [
        {"prompt": DATA_URL},
        {"negative_prompt": DATA_URL},
        {"image_urls": [{"prompt": DATA_URL}]},
        {"url_of": DATA_URL},
        {"image_url": "database"},
        {"image_url": URL},
        {"image_urls": [5, None, "asset://1"]},
    ],
)
def test_text_is_never_uploaded(inner: dict[str, Any]) -> None:
    """A prompt, and whatever else is text, is sent as it is."""
    request = GenerationRequest("any", inner)

    assert PreparedRequest(request).sources == []
    assert PreparedRequest(request).input_with(()) == inner


@pytest.mark.parametrize(
    ("error", "inner", "problem"),
    [
        (TypeError, {"prompt": Path("fox.txt")}, r"input.prompt is a PosixPath; a prompt is text"),
        (TypeError, {"a": {"negative_prompt": UPLOADED}}, r"input.a.negative_prompt is a Uploaded"),
        (ValueError, {"a_url": "data:text/plain,hi"}, r"input.a_url is a data: URL without base64"),
        (ValueError, {"a_urls": ["data:"]}, r"input.a_urls\[0\] is a data: URL without base64"),
        (TypeError, {"image_urls": [b"png"]}, r"input.image_urls\[0\] is a bytes.*upload"),
    ],
)
def test_what_is_no_medium(error: type[Exception], inner: dict[str, Any], problem: str) -> None:
    """What cannot be uploaded, or as a prompt must not be, is refused with where it is."""
    with pytest.raises(error, match=problem):
        GenerationRequest("any", inner)


def test_any_kind_of_path_is_one_in_a_free_form_request() -> None:
    """Another `os.PathLike` becomes a plain path, which pickles."""

    class Elsewhere:
        def __fspath__(self) -> bytes:
            return b"fox.png"

    assert GenerationRequest("any", {"x": Elsewhere()}).input == {"x": Path("fox.png")}


def test_a_list_of_images_is_copied() -> None:
    """Neither the caller's list nor the `input` that was read leads into the request."""
    images = [URL]
    request = GrokImagine("a fox", image_urls=images)
    images.append(URL)
    request.input["image_urls"].append(URL)

    assert request.input == {"prompt": "a fox", "image_urls": [URL]}
