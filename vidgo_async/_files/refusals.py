"""Responses that are neither a file nor a range of it: what they mean for the next try."""

from vidgo_async._api.http_headers import Headers, retry_after
from vidgo_async._api.pages import first_words
from vidgo_async._files.pages import page_kind, refuses_programs
from vidgo_async._files.patience import Failure

RETRYABLE = frozenset({408, 416, 425, 429})
"""Refusals that say nothing of the link."""
NOT_YET = frozenset({401, 403, 404, 409})
"""What hosts answer where a file is not there yet, or its link does not work yet."""
BUSY = frozenset({429, 503})
"""Responses whose `Retry-After` is heeded."""
FORBIDDEN = 403


def not_a_file(headers: Headers, body: bytes) -> Failure | None:
    """Tell why a successful response holds no file; None where it may be one.

    An empty body, HTML, JSON and XML are no file. An error page in HTTP 200 is taken like a link
    that is refused.

    Args:
        headers: The headers.
        body: All of the body if it is short, else its beginning.
    """
    if not body:
        return Failure(reason="the host sent an empty body", link_refused=True)
    kind = page_kind(headers.get("Content-Type", ""), body)
    if kind is None:
        return None
    reason = f"{kind} came instead of the file{_quoted(body)}"
    return Failure(reason=reason, link_refused=True)


def refusal(status: int, headers: Headers, body: bytes) -> Failure:
    """Say what any other response means."""
    reason = f"the host answered {status}{_quoted(body)}"
    if 400 <= status < 500 and status not in RETRYABLE:  # noqa: PLR2004 - the refusals
        content_type = headers.get("Content-Type", "")
        return Failure(
            reason=reason,
            is_final=status not in NOT_YET,
            link_refused=True,
            wants_browser=status == FORBIDDEN and refuses_programs(content_type, body),
        )
    return Failure(reason=reason, retry_after=retry_after(headers) if status in BUSY else None)


def _quoted(body: bytes) -> str:
    words = first_words(body)
    return f" ({words})" if words else ""
