"""Which proxy a request takes: the one given, or what the environment says; checked before use."""

import os
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from vidgo_async._core.secret import SecretText
from vidgo_async._core.validators import is_http_url

EXAMPLE = "http://proxy.example:3128"
_PORTS = {"http": 80, "https": 443}


def check_proxy(setting: str, value: object) -> str:
    """Return the address of a proxy.

    Args:
        setting: What the user can change: an argument or a variable of the environment.
        value: Its value, which may hold a password and is not repeated.

    Raises:
        ValueError: It is no http(s) URL; the message says what to write.
    """
    if isinstance(value, str) and is_http_url(value):
        return SecretText(value)
    scheme, found, _ = value.partition("://") if isinstance(value, str) else ("", "", "")
    if scheme.lower().startswith("socks"):
        msg = (
            f"{setting} names a {scheme.lower()}:// proxy, and only http(s) proxies are supported: "
            f"write an http(s) URL such as {EXAMPLE}, or lend a connector for SOCKS, such as that "
            "of aiohttp_socks, as `connector`"
        )
    elif value and not found:
        msg = f"{setting} must be an http(s) URL such as {EXAMPLE}: write http:// before the host"
    else:
        msg = f"{setting} must be an http(s) URL such as {EXAMPLE}"
    raise ValueError(msg)


class Proxies:
    """The proxy for each address."""

    def __init__(self, proxy: str | None, *, trust_env: bool) -> None:
        """Read the environment once: that costs as much as a request.

        Args:
            proxy: The one for all addresses, whatever the environment says, `NO_PROXY` included.
            trust_env: Whether the environment is asked where none is given.
        """
        self._proxy = proxy
        found = getproxies() if trust_env and proxy is None else {}
        self._found = {scheme: SecretText(value) for scheme, value in found.items()}

    def to(self, url: URL) -> str | None:
        """Return the proxy on the way to an address, or None.

        Raises:
            ValueError: The environment names one that cannot be used.
        """
        scheme = url.scheme.lower()
        kind = scheme if scheme in self._found else "all"
        if self._proxy is not None or kind not in self._found:
            return self._proxy
        # With the port, since an entry of NO_PROXY may have one.
        if proxy_bypass(f"{url.host}:{url.port or _PORTS.get(scheme, '')}"):
            return None
        return check_proxy(_setting(kind), self._found[kind])


def _setting(kind: str) -> str:
    """Return where the environment names a proxy of a kind: `http`, `https` or `all`."""
    name = f"{kind}_proxy"
    found = next((each for each in (name, name.upper()) if os.environ.get(each)), None)
    return found or f"the system's {kind} proxy"
