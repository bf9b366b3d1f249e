"""The server that a command talks to: the API, or a sandbox inside this program."""

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import attrs

from vidgo_async._polling.policies import FixedPolling
from vidgo_async.cli.options import Common
from vidgo_async.cli.running.money import balance_of
from vidgo_async.cli.running.webhooks import Webhook

if TYPE_CHECKING:
    from vidgo_async._session.session import VidgoSession


@attrs.frozen
class Server:
    """The server of one command."""

    proxy: str | None = None
    in_sandbox: bool = False
    webhook: Webhook | None = None

    @classmethod
    def of(
        cls, common: Common, *, sandbox: bool = False, webhook: Webhook | None = None
    ) -> "Server":
        """Return the server that options name, and check the settings of its sessions.

        Raises:
            ValueError: There is no key, or a setting is wrong.
        """
        server = cls(common.proxy, sandbox, webhook)
        if not sandbox:
            server.session()
        return server

    def session(self) -> "VidgoSession":
        """Make a session for the API; the proxy variables of the environment apply."""
        from vidgo_async._session.session import VidgoSession  # noqa: PLC0415 - late: aiohttp

        proxy: dict[str, Any] = {"proxy": self.proxy} if self.proxy else {"trust_env": True}
        return VidgoSession(**self._callbacks(), **proxy)

    async def balance(self) -> float | None:
        """Return the balance; None where it is not told."""
        async with self.session() as vidgo:
            return await balance_of(vidgo)

    async def open(self, stack: contextlib.AsyncExitStack) -> "VidgoSession":
        """Start what it needs, for as long as the stack lasts; return a session to enter.

        Raises:
            PortError: The port for callbacks is taken.
        """
        if self.webhook is not None:
            await self.webhook.take_callbacks(stack)
        return await self._sandbox_session(stack) if self.in_sandbox else self.session()

    async def _sandbox_session(self, stack: contextlib.AsyncExitStack) -> "VidgoSession":
        """Start a sandbox; no proxy of the environment applies to it."""
        # Imported late: only `--sandbox` needs a web server.
        from vidgo_async._session.session import VidgoSession  # noqa: PLC0415
        from vidgo_async.sandbox import Callbacks, Sandbox  # noqa: PLC0415

        # Task ids depend on the second and the seed; those of two runs have to differ.
        settings = Callbacks(public=True)  # a tunnel leads through another machine
        server = Sandbox(seed=secrets.randbits(32), callbacks=settings)
        sandbox = await stack.enter_async_context(server)
        # Its videos take a second, which the adaptive policy would have to learn first.
        polling = FixedPolling(0.5)
        return VidgoSession(
            sandbox.api_key, base_url=sandbox.url, polling=polling, **self._callbacks()
        )

    def _callbacks(self) -> dict[str, Any]:
        if self.webhook is None:
            return {}
        return {"callback_url": self.webhook.url, "webhooks": self.webhook.receiver}
