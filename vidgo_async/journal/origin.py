"""For whom a journal or a queue is: one server, and one account of it."""

import hashlib
import hmac
import secrets
from typing import NamedTuple

from vidgo_async._core.errors import JournalError


class Origin(NamedTuple):
    """A server and an account, as they are written down: without the key itself."""

    base_url: str
    salt: str
    account: str


def check_origin(
    known: Origin | None, base_url: str, api_key: str, *, new_key: bool, what: str
) -> Origin:
    """Return what is to be written down: `known`, if it is for this server and account.

    Args:
        known: What is written down; None in a new one.
        base_url: The server of a session.
        api_key: Its key.
        new_key: Whether the key may be another, of the same account.
        what: What it is about, for messages.

    Raises:
        JournalError: It is for another.
    """
    if known is None:
        salt = secrets.token_hex(16)
        return Origin(base_url, salt, _account(salt, api_key))
    if base_url != known.base_url:
        msg = (
            f"{what} was made for the server {known.base_url}, and this session talks to {base_url}"
        )
        raise JournalError(msg)
    account = _account(known.salt, api_key)
    if hmac.compare_digest(account, known.account):
        return known
    if not new_key:
        msg = (
            f"{what} was made with another API key: if only the key was changed, and not the "
            "account, use it with new_key=True"
        )
        raise JournalError(msg)
    return known._replace(account=account)


def _account(salt: str, api_key: str) -> str:
    return hmac.new(salt.encode(), api_key.encode(), hashlib.sha256).hexdigest()
