"""Grok Imagine: six or ten seconds of video from text, or from one picture."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import attrs
from attrs.validators import optional

from vidgo_async.requests.base import TypedRequest
from vidgo_async.requests.fields import one_of, text
from vidgo_async.requests.media import Media, as_media, media

# The page's table names the first three ratios, its own example and other callers send the
# last two: all five are accepted.
AspectRatio = Literal["1:1", "2:3", "3:2", "16:9", "9:16"]
Mode = Literal["fun", "normal", "spicy"]
Duration = Literal[6, 10]


@attrs.frozen
class GrokImagine(TypedRequest):
    """A video by `grok-imagine`, from text or, with `image_urls`, from a picture.

    No defaults are documented, so only what is set is sent.

    Example:
        `GrokImagine(prompt="a fox in snow", aspect_ratio="3:2")`

    Raises:
        TypeError: A value is of the wrong type; the message names the field.
        ValueError: A value is not allowed; the message says which are.
    """

    model: ClassVar[str] = "grok-imagine"

    prompt: str = attrs.field(validator=text(max_length=5000))
    """What to show; 1 to 5,000 characters."""
    image_urls: Sequence[Media] | None = attrs.field(
        default=None, kw_only=True, converter=as_media, validator=optional(media(max_items=1))
    )
    """The picture to set in motion, at most one: an http(s) URL; or a path, an `UploadedFile` or a
    base64 `data:` URL, which the session uploads on submit."""
    aspect_ratio: AspectRatio | None = attrs.field(
        default=None, kw_only=True, validator=optional(one_of(AspectRatio))
    )
    """Width to height of the video."""
    mode: Mode | None = attrs.field(default=None, kw_only=True, validator=optional(one_of(Mode)))
    """The style of motion."""
    duration: Duration | None = attrs.field(
        default=None, kw_only=True, validator=optional(one_of(Duration))
    )
    """Length of the video, in seconds."""
