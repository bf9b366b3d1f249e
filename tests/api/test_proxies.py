"""Proxies: which one is taken, which are refused by name, and what their answers are."""

from pathlib import Path

import anyio
import pytest
from aiohttp import web
from yarl import URL

from tests.support.servers import serving
from vidgo_async import (
    APIError,
    AuthenticationError,
    DownloadError,
    GenerationRequest,
    MediaFile,
    PermissionDeniedError,
    RetryPolicy,
    TransportError,
    VidgoError,
    VidgoSession,
)
from vidgo_async._api.proxies import Proxies

KEY = "a-key-for-tests"
REQUEST = GenerationRequest("m", {"prompt": "x"})
NAMES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def session(url: str = "http://api.example", **settings: object) -> VidgoSession:
    policy = RetryPolicy(timeout=5.0)
    return VidgoSession(KEY, base_url=url, retry=policy, **settings)  # type: ignore[arg-type]


# --- Settings -----------------------------------------------------------------------------------

BAD = {
    "proxy.example:3128": "write http:// before the host",
    "user:the-password@proxy.example:3128": "write http:// before the host",
    "localhost": "write http:// before the host",
    "socks5://user:the-password@proxy.example": "names a socks5:// proxy.*connector",
    "SOCKS5H://proxy.example": "names a socks5h:// proxy",
    "socks4://proxy.example": "names a socks4:// proxy",
    "ftp://proxy.example": "must be an http",
    "http://": "must be an http",
    "http://proxy.example:99999": "must be an http",
}


@pytest.mark.parametrize(("proxy", "words"), BAD.items())
def test_a_bad_proxy_is_refused_by_name(proxy: str, words: str) -> None:
    """The argument is checked when the session is made; the message says what to write."""
    with pytest.raises(ValueError, match=f"^proxy .*{words}") as caught:
        session(proxy=proxy)
    assert "http://proxy.example:3128" in str(caught.value)
    assert "the-password" not in str(caught.value)


@pytest.mark.parametrize(("proxy", "words"), BAD.items())
@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
async def test_a_bad_variable_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str, words: str
) -> None:
    """A variable that applies to the API is checked when the session is entered."""
    monkeypatch.setenv(name, proxy)
    with pytest.raises(ValueError, match=f"^{name} .*{words}") as caught:
        await session(trust_env=True).__aenter__()
    assert "the-password" not in str(caught.value)
    async with session(trust_env=False):
        pass


async def test_a_variable_that_does_not_apply_is_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A SOCKS proxy for the rest does no harm beside one for http, nor where it is bypassed."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:7890")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:7890")
    async with session(trust_env=True):
        pass
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("NO_PROXY", "api.example")
    async with session(trust_env=True):
        pass


@pytest.mark.virtual_time
async def test_a_bad_variable_for_file_hosts_ends_a_download_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A download whose proxy cannot be used fails within a second, and names the variable."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    async with session(trust_env=True) as vidgo:
        start = anyio.current_time()
        with pytest.raises(DownloadError, match=r"HTTPS_PROXY must be an http"):
            await vidgo.download(MediaFile("https://cdn.example/fox.mp4"), tmp_path / "fox.mp4")
        assert anyio.current_time() - start < 1


# --- Choice -------------------------------------------------------------------------------------

PROXY = "http://127.0.0.1:7890"


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"http_proxy": PROXY}, "http://api.example", PROXY),
        ({"HTTP_PROXY": PROXY}, "http://api.example", PROXY),
        ({"http_proxy": PROXY}, "https://api.example", None),
        ({"https_proxy": PROXY}, "https://api.example", PROXY),
        ({"ALL_PROXY": PROXY}, "https://api.example", PROXY),
        ({"all_proxy": "http://other:1", "https_proxy": PROXY}, "https://api.example", PROXY),
        ({"https_proxy": PROXY, "NO_PROXY": "api.example"}, "https://api.example", None),
        ({"https_proxy": PROXY, "no_proxy": ".example"}, "https://api.example", None),
        ({"https_proxy": PROXY, "no_proxy": "other, API.Example"}, "https://api.example/x", None),
        ({"https_proxy": PROXY, "no_proxy": "*"}, "https://api.example", None),
        ({"http_proxy": PROXY, "no_proxy": "127.0.0.1"}, "http://127.0.0.1:8000", None),
        ({"http_proxy": PROXY, "no_proxy": "127.0.0.1:8000"}, "http://127.0.0.1:8000", None),
        ({"http_proxy": PROXY, "no_proxy": "127.0.0.1:9000"}, "http://127.0.0.1:8000", PROXY),
        ({"https_proxy": PROXY, "no_proxy": "api.example:443"}, "https://api.example", None),
        ({"https_proxy": PROXY, "no_proxy": "example.org"}, "https://api.example", PROXY),
        ({}, "https://api.example", None),
    ],
)
def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    """The variables of the environment apply by scheme, and `NO_PROXY` by host and port."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Proxies(None, trust_env=True).to(URL(url)) == proxy
    assert Proxies(None, trust_env=False).to(URL(url)) is None


def test_a_proxy_given_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument counts for all hosts, whatever `NO_PROXY` says."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("https_proxy", "socks5://other")
    given = "http://given.example:1"
    assert Proxies(given, trust_env=True).to(URL("https://api.example")) == given


def test_a_password_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment holds does not show itself."""
    monkeypatch.setenv("https_proxy", "http://user:the-password@proxy.example")
    proxies = Proxies(None, trust_env=True)
    assert "the-password" not in repr(vars(proxies))
    assert "the-password" not in repr(proxies.to(URL("https://api.example")))


def test_a_proxy_of_the_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no variable names the proxy, as on macOS and Windows, the system is named."""
    found = {"https": "socks5://proxy.example"}
    monkeypatch.setattr("vidgo_async._api.proxies.getproxies", lambda: found)
    with pytest.raises(ValueError, match=r"^the system's https proxy names a socks5://"):
        Proxies(None, trust_env=True).to(URL("https://api.example"))


# --- Answers of proxies -------------------------------------------------------------------------

PAGE = "<html><head><title>Access&#32;Denied by policy</title></head><body>x</body></html>"


@pytest.mark.virtual_time
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407])
async def test_a_refused_tunnel_is_the_proxys(status: int, tmp_path: Path) -> None:
    """What a proxy refuses to connect is its own answer: final, and nothing was bought."""

    async def refuse(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=PAGE, content_type="text/html")

    async with (
        serving(web.ServerRunner(web.Server(refuse))) as address,
        session("https://api.example", proxy=f"http://user:the-password@{address}") as vidgo,
    ):
        start = anyio.current_time()
        with pytest.raises(TransportError, match=f"the proxy refused.*{status}") as caught:
            await vidgo.submit(REQUEST)
        assert "nothing was bought" in str(caught.value)
        assert not caught.value.sent
        with pytest.raises(TransportError, match=f"the proxy refused.*{status}"):
            await vidgo.balance()
        file = MediaFile("https://cdn.example/fox.mp4?signature=abc")
        with pytest.raises(DownloadError, match=f"the proxy refused.*{status}"):
            await vidgo.download(file, tmp_path / "fox.mp4")
        assert anyio.current_time() - start < 1
        assert "the-password" not in str(caught.value)


@pytest.mark.virtual_time
@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
async def test_a_proxy_that_may_recover_is_asked_again(status: int) -> None:
    """A tunnel that is refused for a while is tried again: nothing was sent."""
    asked: list[str] = []

    async def refuse(request: web.BaseRequest) -> web.Response:
        asked.append(request.method)
        return web.Response(status=status)

    async with (
        serving(web.ServerRunner(web.Server(refuse))) as address,
        session("https://api.example", proxy=f"http://{address}") as vidgo,
    ):
        with pytest.raises(TransportError, match=f"{status}.*nothing was bought"):
            await vidgo.submit(REQUEST)
    assert set(asked) == {"CONNECT"}
    assert len(asked) > 1


@pytest.mark.parametrize("body", [PAGE, "", "Forbidden by the firewall"])
@pytest.mark.parametrize("status", [400, 401, 403, 407])
async def test_a_proxys_answer_in_place_of_the_apis(status: int, body: str) -> None:
    """A proxy that answers a plain http request itself says nothing about the key."""

    async def refuse(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=body, content_type="text/html")

    async with (
        serving(web.ServerRunner(web.Server(refuse))) as address,
        session(proxy=f"http://{address}") as vidgo,
    ):
        with pytest.raises(APIError) as caught:
            await vidgo.submit(REQUEST)
    assert type(caught.value) is APIError
    assert not caught.value.documented
    assert ("Access Denied by policy" in str(caught.value)) is (body == PAGE)
    assert ("user and password" in str(caught.value)) is (status == 407)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)]
)
async def test_the_apis_own_words_pass_a_proxy(status: int, kind: type[VidgoError]) -> None:
    """What the API says in its own format is its own, whatever is in between."""

    async def refuse(request: web.BaseRequest) -> web.Response:
        return web.json_response({"detail": "bad key"}, status=status)

    async with (
        serving(web.ServerRunner(web.Server(refuse))) as address,
        session(proxy=f"http://{address}") as vidgo,
    ):
        with pytest.raises(kind, match="bad key"):
            await vidgo.balance()
