"""The body of a callback."""

from vidgo_async._api import wire
from vidgo_async._core.errors import ResponseError, WebhookError
from vidgo_async._core.models import Task
from vidgo_async.webhooks.answers import MAX_BODY, body_too_large

MAX_TASK_ID = 512
"""Characters; ids that were seen have up to 40."""


def parse_webhook(body: bytes) -> Task:
    """Read the body of a callback, in either of its documented shapes.

    It is not signed, so anyone may have sent it. Ask the API before you believe it, and take files
    from its answer: `await vidgo.get_task(task.task_id)`. A `WebhookReceiver` does that.

    Raises:
        WebhookError: It is no callback, or has more than 1 MiB.
        TypeError: It is not bytes.
    """
    try:
        view = memoryview(body)
    except TypeError:
        msg = f"body must be bytes, not {type(body).__name__}"
        raise TypeError(msg) from None
    if view.nbytes > MAX_BODY:
        raise body_too_large()
    try:
        task = wire.read_callback(view.tobytes())
    except ResponseError as error:
        msg = f"the body is no callback: {'; '.join(error.problems)}"
        raise WebhookError(msg) from None
    if len(task.task_id) > MAX_TASK_ID:
        msg = f"the body is no callback: a task_id of {len(task.task_id)} characters"
        raise WebhookError(msg)
    return task
