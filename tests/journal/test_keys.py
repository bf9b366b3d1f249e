"""What is the same request. The hashes are a format: a change of one would buy everything again."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.uploads import PNG, picture
from vidgo_async import GenerationRequest, GrokImagine, Request, UploadedFile
from vidgo_async.journal.keys import request_key

CORPUS: list[tuple[Request, str]] = [
    (
        GrokImagine(prompt="a fox in snow"),
        "9ca54b085fab9de12701f9a64522a26b8d637d6e0d8588d79f5817dfcc58700d",
    ),
    (
        GrokImagine(prompt="a fox in snow", aspect_ratio="3:2", mode="normal", duration=6),
        "fea6c833253dc03a3f6d0ac84520d42ad1e769ad7c70cc248de2a05bbe2e34a0",
    ),
    (
        GrokImagine(prompt="it comes alive", image_urls=["https://a.example/fox.png"]),
        "ba7cf8db127ce696d1b7ef3250d1b27713b5379b15fcb061243d9d30ce6bdc8c",
    ),
    (
        GenerationRequest("kling-3.0/pro", {"prompt": "ein Fuchs im Schnee ❄", "duration": 5}),
        "c68b139bd0d4fb469aaf6f82e809745e48eb3ec8cd1576c4e37cd738e119dfe9",
    ),
    (
        GenerationRequest("kling-3.0/pro", {"duration": 5.0, "sound": True, "seed": None}),
        "15a38ea576ac6132fcdd8bcac3ce5ae919605e481cb7bc9285dea8cca9ac264e",
    ),
    (
        GenerationRequest("m", {}),
        "0d89239864716dad6d636af62d7ba79024fb87022c540a72b9e0741111441ff1",
    ),
]
"""Requests, and the hashes that they have had since the first release."""


@pytest.mark.parametrize(("request_", "key"), CORPUS)
def test_the_corpus(request_: Request, key: str) -> None:
    """The hash of each is as it was."""
    assert request_key(request_) == key


def test_the_order_of_keys_does_not_count() -> None:
    """Nor does the class: a free-form request of the same model and input is the same."""
    one = GenerationRequest("grok-imagine", {"prompt": "a", "mode": "fun"})
    two = GenerationRequest("grok-imagine", {"mode": "fun", "prompt": "a"})
    assert request_key(one) == request_key(two) == request_key(GrokImagine("a", mode="fun"))


def test_a_picture_counts_by_its_bytes(tmp_path: Path) -> None:
    """A renamed picture is the same, as is a `data:` URL of it; another one is not."""
    fox, renamed = picture(tmp_path, "fox.png"), picture(tmp_path, "renamed.png")
    other = picture(tmp_path, "other.png", PNG + b"x")
    url = "data:image/png;base64," + base64.b64encode(fox.read_bytes()).decode()
    spaced = url[:40] + "\n " + url[40:]
    keys = [
        request_key(GrokImagine("a", image_urls=[each]))
        for each in (fox, renamed, url, spaced, other)
    ]
    assert keys[0] == keys[1] == keys[2] == keys[3] != keys[4]


def test_an_uploaded_file_counts_by_its_url() -> None:
    """When it was uploaded does not matter."""
    url = "https://storage.vidgo.ai/fox.png"
    one, two = (UploadedFile(url, datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2))
    assert (
        request_key(GrokImagine("a", image_urls=[one]))
        == request_key(GrokImagine("a", image_urls=[two]))
        == request_key(GrokImagine("a", image_urls=[url]))
    )


def test_a_data_url_that_is_no_base64() -> None:
    """It has a key all the same: the upload refuses it by name."""
    assert request_key(GrokImagine("a", image_urls=["data:image/png;base64,%%%"]))


def test_a_picture_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(FileNotFoundError, match="missing"):
        request_key(GrokImagine("a", image_urls=[tmp_path / "missing.png"]))


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans()), st.text(min_size=1))
def test_other_requests_have_other_keys(parameters: dict[str, Any], extra: str) -> None:
    """Whatever is added or changed makes another request."""
    key = request_key(GenerationRequest("m", parameters))
    assert key != request_key(GenerationRequest("n", parameters))
    assert key != request_key(GenerationRequest("m", {**parameters, extra: [parameters]}))
    assert key == request_key(GenerationRequest("m", dict(reversed(parameters.items()))))
