"""Callbacks: the server reports the end of a task instead of being asked for it.

    receiver = WebhookReceiver()
    app.add_subapp("/vidgo", receiver.app)  # aiohttp.web; `receiver.asgi` for the others

    vidgo = VidgoSession(webhooks=receiver, callback_url="https://my.host/vidgo/done")

Nothing else changes: `wait`, `as_completed`, `generate` and `generate_many` end when a callback or
a poll says so, whichever comes first.

- `payload`: the body of a callback
- `receiver`: what to do with one
- `sessions`: which session it is for, even where it comes before the answer to the submit
- `aiohttp`, `asgi`: routes for web frameworks
"""

from vidgo_async.webhooks.payload import parse_webhook
from vidgo_async.webhooks.receiver import OnUnknown, WebhookReceiver

__all__ = ["OnUnknown", "WebhookReceiver", "parse_webhook"]
