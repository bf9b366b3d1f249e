"""What a client may ask for: the body of a submit, checked, and the video that it describes."""

from typing import Any

import attrs

from vidgo_async.sandbox.state.checks import as_object, check_url, require

MAX_PROMPT_LENGTHS = {"grok-imagine": 5000}
"""The models that cannot do without a prompt, and how many characters it may have."""


@attrs.frozen
class Order:
    """The body of a submit, as received."""

    model: str
    input: dict[str, Any]
    callback_url: str | None = None


def read_order(body: Any) -> Order:
    """Check the decoded body of a submit.

    Raises:
        RefusedError: It is not a valid order (400).
    """
    fields = as_object(body, "the body")
    model = fields.get("model", "")
    require(isinstance(model, str) and model != "", "model must be a non-empty string")
    given = as_object(fields.get("input", {}), "input")
    if model in MAX_PROMPT_LENGTHS:
        _check_prompt(given.get("prompt"), MAX_PROMPT_LENGTHS[model])
    if "callback_url" in fields:
        check_url(fields["callback_url"], "callback_url")
    return Order(model, given, fields.get("callback_url"))


def _check_prompt(prompt: Any, max_length: int) -> None:
    require(isinstance(prompt, str) and prompt.strip() != "", "input.prompt is required")
    require(len(prompt) <= max_length, f"input.prompt exceeds {max_length} characters")
