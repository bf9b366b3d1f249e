"""The body of a submit."""

from typing import Any

import attrs

from vidgo_async.sandbox.state.checks import as_object, check_url, require

MAX_PROMPT_LENGTHS = {"grok-imagine": 5000}
"""The models that require a prompt, and the most characters that it may have."""


@attrs.frozen
class Submission:
    """The body of a submit, as received."""

    model: str
    input: dict[str, Any]
    callback_url: str | None = None


def read_submission(body: Any) -> Submission:
    """Check the decoded body of a submit.

    Raises:
        RefusedError: It is invalid (400).
    """
    fields = as_object(body, "the body")
    model = fields.get("model", "")
    require(isinstance(model, str) and model != "", "model must be a non-empty string")
    parameters = as_object(fields.get("input", {}), "input")
    if model in MAX_PROMPT_LENGTHS:
        _check_prompt(parameters.get("prompt"), MAX_PROMPT_LENGTHS[model])
    if "callback_url" in fields:
        check_url(fields["callback_url"], "callback_url")
    return Submission(model, parameters, fields.get("callback_url"))


def _check_prompt(prompt: Any, max_length: int) -> None:
    require(isinstance(prompt, str) and prompt.strip() != "", "input.prompt is required")
    require(len(prompt) <= max_length, f"input.prompt exceeds {max_length} characters")
