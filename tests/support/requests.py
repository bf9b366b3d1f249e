"""The JSON body of a request, as it is sent."""

import json
from typing import Any

from vidgo_async import GenerationRequest, TypedRequest
from vidgo_async._generation.submit_body import submit_body
from vidgo_async.requests import PreparedRequest


def sent(request: GenerationRequest | TypedRequest, callback_url: str | None = None) -> Any:
    return json.loads(submit_body(PreparedRequest(request), (), callback_url).body)
