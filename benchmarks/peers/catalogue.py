"""The other vendors' clients, with their versions and variants."""

from collections.abc import Callable

import attrs

from benchmarks.fake_server import Api, VidgoApi
from benchmarks.peers import apis

DEFAULT = "default"
TUNED = "tuned"


@attrs.frozen
class Peer:
    """A client of another service, or a loop over another HTTP library."""

    module: str
    """Its module in this package, and the name of its environment."""
    package: str
    """Its name on the package index."""
    requirements: tuple[str, ...]
    api: Callable[[int], Api]
    """Creates the fake API, given the number of polls until a task is finished."""
    variants: dict[str, str]
    """The HTTP library of each measured variant."""
    requests_beside_polls: int = 1
    """Requests for each task that are not polls."""
    running: str = ""
    """Its status of an unfinished task, if it has one."""


VENDOR_CLIENTS = (
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
        requests_beside_polls=2,  # it fetches the result in a request of its own
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
"""Not a vendor's client, but the HTTP library that most of them use."""
