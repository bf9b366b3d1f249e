"""Prove that a video has the aspect ratio and the length that were asked for."""

from typing import Any

import pytest

from vidgo_async.sandbox.media.film import Film


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({}, (256, 144)),
        ({"aspect_ratio": "16:9"}, (256, 144)),
        ({"aspect_ratio": "9:16"}, (144, 256)),
        ({"aspect_ratio": "1:1"}, (144, 144)),
        ({"aspect_ratio": "3:2"}, (216, 144)),
        ({"aspect_ratio": "2:3"}, (144, 216)),
        ({"aspect_ratio": "21:9"}, (336, 144)),
        ({"size": "4:3"}, (192, 144)),
        ({"size": "1280*720"}, (256, 144)),
        ({"size": "720X1280"}, (144, 256)),
        ({"aspect_ratio": "9:16", "size": "1:1"}, (144, 256)),
        ({"aspect_ratio": "9999:1"}, (576, 144)),
        ({"aspect_ratio": "0:9"}, (256, 144)),
        ({"aspect_ratio": "auto"}, (256, 144)),
        ({"size": {"width": 10}}, (256, 144)),
    ],
)
def test_size_follows_the_input(parameters: dict[str, Any], size: tuple[int, int]) -> None:
    """A video is small and has the aspect ratio asked for, or 16:9."""
    film = Film.from_input(parameters, 0)
    assert (film.width, film.height) == size


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [(None, 6), (10, 10), (5.5, 5.5), (0, 1), (-3, 1), (10**400, 30), ("8", 6), (True, 6)],
)
def test_length_follows_the_input(duration: Any, seconds: float) -> None:
    """A video lasts as long as asked for within 1 to 30 seconds, or 6."""
    assert Film.from_input({"duration": duration}, 0).seconds == seconds
