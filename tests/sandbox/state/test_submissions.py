"""Prove which submits are valid."""

from typing import Any

import pytest

from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.submissions import read_submission


@pytest.mark.parametrize(
    "body",
    [
        {"model": "kling-3.0/pro"},
        {"model": "m", "input": {"anything": [1, None]}},
        {"model": "m", "input": {}, "callback_url": "https://app.example/hook?token=1"},
        {"model": "m", "callback_url": "http://[::1]:8000"},
        {"model": "grok-imagine", "input": {"prompt": "x" * 5000}},
    ],
)
def test_valid_submit_is_kept_as_received(body: dict[str, Any]) -> None:
    """A valid submit is kept unchanged."""
    submission = read_submission(body)
    assert submission.model == body["model"]
    assert submission.input == body.get("input", {})
    assert submission.callback_url == body.get("callback_url")


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (None, "the body"),
        ([], "the body"),
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"model": ["m"]}, "model"),
        ({"model": "m", "input": "text"}, "input"),
        ({"model": "m", "input": None}, "input"),
        ({"model": "grok-imagine"}, "prompt"),
        ({"model": "grok-imagine", "input": {"prompt": " "}}, "prompt"),
        ({"model": "grok-imagine", "input": {"prompt": 5}}, "prompt"),
        ({"model": "grok-imagine", "input": {"prompt": "x" * 5001}}, "5000"),
        ({"model": "m", "callback_url": None}, "callback_url"),
        ({"model": "m", "callback_url": "ftp://app.example"}, "callback_url"),
        ({"model": "m", "callback_url": "https://"}, "callback_url"),
        ({"model": "m", "callback_url": "https://a b"}, "callback_url"),
        ({"model": "m", "callback_url": "https://a/" + "x" * 2039}, "2048"),
    ],
)
def test_invalid_submit_is_refused(body: Any, about: str) -> None:
    """An invalid submit is refused, and the message says why."""
    with pytest.raises(RefusedError) as caught:
        read_submission(body)
    assert (caught.value.code, caught.value.kind) == (400, "validation_error")
    assert about in caught.value.message
