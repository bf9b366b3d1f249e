"""Which neighbours there are."""

from collections.abc import Callable

import attrs

from benchmarks.fake import Api, VidgoApi
from benchmarks.peers import apis

DEFAULT = "default"
TUNED = "tuned"


@attrs.frozen
class Peer:
    """A client of another service."""

    module: str
    """Its file in this package, and its environment's name."""
    package: str
    """Its name on the package index."""
    requirements: tuple[str, ...]
    api: Callable[[int], Api]
    """Makes the fake of its service, given the looks until a task is finished."""
    over: dict[str, str]
    """For each form that is measured, what carries its requests."""
    beside_looks: int = 1
    """Requests for a task beside the looks at it."""
    running: str = ""
    """Its word for a task that is not finished, if it has one."""


NEIGHBOURS = (
    Peer(
        "replicate",
        "replicate",
        ("replicate==1.0.7",),
        apis.ReplicateApi,
        {DEFAULT: "httpx", TUNED: "httpx"},
        running="processing",
    ),
    Peer(
        "fal",
        "fal-client",
        ("fal-client==1.0.3",),
        apis.FalApi,
        {DEFAULT: "httpx", TUNED: "httpx"},
        beside_looks=2,  # it fetches the result apart
        running="IN_PROGRESS",
    ),
    Peer(
        "runwayml",
        "runwayml",
        ("runwayml[aiohttp]==5.24.0",),
        apis.RunwayApi,
        {DEFAULT: "httpx", TUNED: "aiohttp"},
        running="RUNNING",
    ),
    Peer(
        "google_genai",
        "google-genai",
        ("google-genai[aiohttp]==3.4.0",),
        apis.GoogleApi,
        {DEFAULT: "aiohttp", TUNED: "aiohttp"},
    ),
    Peer(
        "elevenlabs",
        "elevenlabs",
        ("elevenlabs==2.78.0",),
        apis.ElevenLabsApi,
        {DEFAULT: "httpx", TUNED: "httpx"},
        running="generating",
    ),
)

BARE_HTTPX = Peer(
    "bare_httpx",
    "httpx",
    ("httpx==0.28.1",),
    VidgoApi,
    {DEFAULT: "httpx", TUNED: "httpx"},
)
"""No neighbour, but what most of them stand on."""
