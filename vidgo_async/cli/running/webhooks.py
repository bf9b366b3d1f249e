"""`--webhook-url` and `--webhook-port`: the receiver of a run, for those with a tunnel."""

import contextlib

import attrs

from vidgo_async._core.callback_url import check_callback_url
from vidgo_async.cli.options import Callbacks
from vidgo_async.webhooks import WebhookReceiver

MAX_PORT = 65535


class PortError(Exception):
    """The port of `--webhook-port` is taken."""


@attrs.frozen
class Webhook:
    """Where callbacks are sent, and where they are taken."""

    receiver: WebhookReceiver
    url: str
    """The public address, which leads to the port."""
    port: int

    async def take_callbacks(self, stack: contextlib.AsyncExitStack) -> None:
        """Take callbacks for as long as the stack lasts.

        Raises:
            PortError: The port is taken.
        """
        # Imported late: only these options need a web server.
        from vidgo_async.webhooks.aiohttp import serving  # noqa: PLC0415

        try:
            await stack.enter_async_context(serving(self.receiver, self.port))
        except OSError as error:
            msg = f"cannot take callbacks on --webhook-port {self.port}: {error.strerror}"
            raise PortError(msg) from error


def as_webhook(options: Callbacks) -> Webhook | None:
    """Return what both options say; None without them.

    Raises:
        ValueError: One is missing, or wrong.
    """
    url, port = options.webhook_url, options.webhook_port
    if url is None and port is None:
        return None
    if url is None or port is None:
        msg = "--webhook-url and --webhook-port go together: the URL must lead to the port"
        raise ValueError(msg)
    if not 1 <= port <= MAX_PORT:
        msg = f"--webhook-port must be between 1 and {MAX_PORT}, not {port}"
        raise ValueError(msg)
    try:
        check_callback_url(url)
    except ValueError as error:
        msg = f"--webhook-url: {error}"
        raise ValueError(msg) from None
    receiver = WebhookReceiver()
    return Webhook(receiver, receiver.callback_url(url), port)
