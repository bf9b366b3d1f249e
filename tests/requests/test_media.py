"""Media of requests: URLs, uploaded files, and files that are uploaded on submit."""

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from vidgo_async import GenerationRequest, GrokImagine, TypedRequest, UploadedFile
from vidgo_async.requests import Media, sources_of
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
