"""Every public name, and nothing else; `vidgo_async` has them all."""

from vidgo_async._core.errors import (
    APIError,
    AuthenticationError,
    ContentModerationError,
    DownloadError,
    InsufficientCreditsError,
    InvalidRequestError,
    JournalError,
    NotFoundError,
    NotSentError,
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
    WebhookError,
)
from vidgo_async._core.models import Balance, MediaFile, Request, Task, TaskStatus, UploadedFile
from vidgo_async._core.retry import RetryPolicy
from vidgo_async._core.version import __version__
from vidgo_async._files.resumable import OnProgress
from vidgo_async._generation.batch import Batch
from vidgo_async._generation.outcome import Failure, Outcome, Pending, Success
from vidgo_async._generation.runner import NameOf
from vidgo_async._polling.adaptive import AdaptivePolling, LearningPolicy
from vidgo_async._polling.completions import Completions, OnUpdate
from vidgo_async._polling.policies import FixedPolling, PollingPolicy
from vidgo_async._session.session import VidgoSession
from vidgo_async.journal import Entry, EntryState, Journal
from vidgo_async.requests import GenerationRequest, GrokImagine, Media, TypedRequest
from vidgo_async.webhooks import OnUnknown, WebhookReceiver, parse_webhook

__all__ = [
    "APIError",
    "AdaptivePolling",
    "AuthenticationError",
    "Balance",
    "Batch",
    "Completions",
    "ContentModerationError",
    "DownloadError",
    "Entry",
    "EntryState",
    "Failure",
    "FixedPolling",
    "GenerationRequest",
    "GrokImagine",
    "InsufficientCreditsError",
    "InvalidRequestError",
    "Journal",
    "JournalError",
    "LearningPolicy",
    "Media",
    "MediaFile",
    "NameOf",
    "NotFoundError",
    "NotSentError",
    "OnProgress",
    "OnUnknown",
    "OnUpdate",
    "Outcome",
    "Pending",
    "PermissionDeniedError",
    "PollingPolicy",
    "RateLimitError",
    "Request",
    "ResponseError",
    "RetryPolicy",
    "ServerError",
    "SessionClosedError",
    "SubmissionUnknownError",
    "SubmitErrorGroup",
    "Success",
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
    "WebhookError",
    "WebhookReceiver",
    "__version__",
    "parse_webhook",
]

# Tracebacks, reprs and pickles show the name that users import, and survive a move of the file.
for _public in [globals()[name] for name in __all__]:
    if isinstance(_public, type):
        _public.__module__ = "vidgo_async"
