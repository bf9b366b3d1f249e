"""A submit as it is sent."""

import attrs


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SubmitBody:
    """A submit as it is sent, and what the task keeps of it."""

    body: bytes
    """The JSON."""
    secret: str | None
    """The callback URL, which may hold a token."""
    model: str
    duration: float | None
    """Seconds of video that were asked for, if any."""
