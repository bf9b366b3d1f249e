"""vidgo_async: an asyncio-native client for the Vidgo video-generation API."""

from vidgo_async.adaptive import AdaptivePolling, LearningPolicy
from vidgo_async.batch import Batch, Outcome
from vidgo_async.errors import (
    APIError,
    AuthenticationError,
    ContentModerationError,
    DownloadError,
    InsufficientCreditsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseError,
    ServerError,
    SessionClosedError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    TaskFailedError,
    TaskTimeoutError,
    TransportError,
    TransportTimeoutError,
    VidgoError,
)
from vidgo_async.pacing import FixedPolling, PollingPolicy, RetryPolicy
from vidgo_async.requests import GenerationRequest, GrokImagine, TypedRequest
from vidgo_async.session import VidgoSession
from vidgo_async.tasks import Balance, MediaFile, Task, TaskStatus, UploadedFile
from vidgo_async.version import __version__
from vidgo_async.waiting import Completions

__all__ = [
    "APIError",
    "AdaptivePolling",
    "AuthenticationError",
    "Balance",
    "Batch",
    "Completions",
    "ContentModerationError",
    "DownloadError",
    "FixedPolling",
    "GenerationRequest",
    "GrokImagine",
    "InsufficientCreditsError",
    "InvalidRequestError",
    "LearningPolicy",
    "MediaFile",
    "NotFoundError",
    "Outcome",
    "PermissionDeniedError",
    "PollingPolicy",
    "RateLimitError",
    "ResponseError",
    "RetryPolicy",
    "ServerError",
    "SessionClosedError",
    "SubmissionUnknownError",
    "SubmitErrorGroup",
    "Task",
    "TaskFailedError",
    "TaskStatus",
    "TaskTimeoutError",
    "TransportError",
    "TransportTimeoutError",
    "TypedRequest",
    "UploadedFile",
    "VidgoError",
    "VidgoSession",
    "__version__",
]
