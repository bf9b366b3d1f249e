"""What is asked for: any model through `GenerationRequest`, known ones by a typed class.

A typed class checks its values when it is made, so that a mistake costs nothing. Each model
family has a file of its own here; `base.py`, `fields.py` and `media.py` hold what they share.
"""

from vidgo_async.requests.base import (
    GenerationRequest,
    TypedRequest,
    check_request,
)
from vidgo_async.requests.grok import GrokImagine
from vidgo_async.requests.media import Media, Source
from vidgo_async.requests.prepared import PreparedRequest

__all__ = [
    "GenerationRequest",
    "GrokImagine",
    "Media",
    "PreparedRequest",
    "Source",
    "TypedRequest",
    "check_request",
]
