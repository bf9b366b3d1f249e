"""What the answer to a paid POST means, as pure functions."""

import pytest

from tests.support.sessions import FOX
from vidgo_async import RetryPolicy, SubmissionUnknownError, TransportError
from vidgo_async._generation.resend import classify


def test_a_bug_after_sending_is_an_unknown_outcome() -> None:
    """An unforeseen exception may have come after a purchase."""
    verdict = classify(ZeroDivisionError("x"), FOX, RetryPolicy())
    assert isinstance(verdict, SubmissionUnknownError)
    assert "ZeroDivisionError" in str(verdict)
    assert verdict.request is FOX


@pytest.mark.parametrize("temporary", [True, False])
def test_what_was_not_sent_bought_nothing(temporary: bool) -> None:
    """A failure to connect is sent again; where that is no use, it says what it cost."""
    verdict = classify(TransportError("no route", False, temporary), FOX, RetryPolicy())
    assert isinstance(verdict, TransportError)
    assert ("nothing was bought" in str(verdict)) is not temporary
