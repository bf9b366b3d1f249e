"""The key, the callback's token and a proxy's password show nowhere."""

import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.servers import serving
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import (
    InvalidRequestError,
    RetryPolicy,
    SubmissionUnknownError,
    SubmitErrorGroup,
    TransportError,
    VidgoError,
    VidgoSession,
)
from vidgo_async._generation.submit_body import submit_body
from vidgo_async.requests import PreparedRequest
from vidgo_async.sandbox import Fault, Sandbox, answer, cut_body, hang, reset_before

pytestmark = pytest.mark.virtual_time

KEY = "sk-a-very-secret-key"
TOKEN = "an-unguessable-token"
PASSWORD = "the-proxy-password"
SECRETS = (KEY, TOKEN, PASSWORD)


async def echo(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond as careless servers do, with the request's headers in the error."""
    text = f"bad key {request.headers['Authorization']}"
    body = {"code": 401, "error": {"message": text, "type": "authentication_error"}}
    return web.json_response(body, status=401)


async def echo_html(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond with a page that shows the request's headers."""
    return web.Response(text=f"<html>{request.headers['Authorization']}</html>", status=200)


FAULTS = [
    echo,
    echo_html,
    reset_before,
    hang,
    cut_body,
    answer(500, "<html>"),
    answer(200, "{"),
    answer(302, headers={"Location": "http://127.0.0.1:1/"}),
    answer(200, b"x", {"Content-Encoding": "gzip"}),
]

CALLS: list[Callable[[VidgoSession], Awaitable[object]]] = [
    lambda vidgo: vidgo.submit(FOX),
    lambda vidgo: vidgo.submit_many(foxes(2)),
    lambda vidgo: vidgo.generate(FOX),
    lambda vidgo: vidgo.get_task("x"),
    lambda vidgo: vidgo.wait("x", timeout=9),
    lambda vidgo: vidgo.balance(),
]


def shown(error: BaseException) -> Iterator[str]:
    """Show an exception in every way in which it could come to light."""
    yield repr(error)
    yield str(error)
    yield repr(vars(error))
    yield repr(pickle.dumps(error))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from shown(other)


def find(texts: list[str]) -> list[str]:
    """Return the lines that show a secret."""
    lines = [line for text in texts for line in text.splitlines()]
    return [line for line in lines if any(secret in line for secret in SECRETS)]


def test_what_is_sent_does_not_show_itself() -> None:
    """Tools that report a crash print local variables, of which the body of a submit is one."""
    submit = submit_body(PreparedRequest(FOX), (), f"https://a.example/{TOKEN}")
    assert TOKEN in submit.body.decode()
    assert not find([repr(submit), repr(submit.body)])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_error_shows_a_secret(
    call: Callable[[VidgoSession], Awaitable[object]],
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Errors, with all their causes and local variables, pickles and logs hold no secret."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    async with (
        Sandbox(api_key=KEY) as sandbox,
        open_session(
            sandbox,
            callback_url=f"https://app.example/hook?token={TOKEN}",
            retry=RetryPolicy(timeout=5.0),
        ) as vidgo,
    ):
        sandbox.inject(fault, call=None, times=None)
        with pytest.raises(VidgoError) as caught:
            await call(vidgo)
        assert repr(vidgo)
        texts = [repr(vidgo), repr(vars(vidgo)), caplog.text, *shown(caught.value)]
        assert find(texts) == []


async def test_a_short_key_does_not_spoil_responses() -> None:
    """A key that is part of the API's own words does not spoil its responses."""
    async with Sandbox(api_key="task") as sandbox, open_session(sandbox) as vidgo:
        assert (await vidgo.submit(FOX)).task_id in sandbox.tasks


async def test_a_proxy_is_used_and_its_password_kept() -> None:
    """A proxy gets its own credentials; they show in no error."""
    seen: list[tuple[str, str | None]] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        seen.append((str(request.url), request.headers.get("Proxy-Authorization")))
        return web.json_response({"code": 402, "error": {"message": "m", "type": "t"}}, status=402)

    async with (
        serving(web.ServerRunner(web.Server(proxy))) as address,
        VidgoSession(
            KEY,
            base_url="http://api.example",
            proxy=f"http://user:{PASSWORD}@{address}",  # no variable of ours holds it
        ) as vidgo,
    ):
        with pytest.raises(VidgoError) as caught:
            await vidgo.submit(FOX)
        assert find([*shown(caught.value), repr(vars(vidgo))]) == []
    assert seen[0][0].startswith("http://api.example/")
    assert seen[0][1] is not None
    assert seen[0][1].startswith("Basic ")


async def test_a_proxy_that_refuses_shows_no_password() -> None:
    """aiohttp's error of a refused tunnel has the proxy's whole address; ours has not."""

    async def refuse(request: web.BaseRequest) -> web.Response:
        return web.Response(status=407)

    async with (
        serving(web.ServerRunner(web.Server(refuse))) as address,
        VidgoSession(
            KEY, base_url="https://api.example", proxy=f"http://user:{PASSWORD}@{address}"
        ) as vidgo,
    ):
        start = anyio.current_time()
        with pytest.raises(TransportError, match=r"407.*nothing was bought") as caught:
            await vidgo.submit(FOX)
        assert anyio.current_time() - start < 1  # no other try would help
        assert find(list(shown(caught.value))) == []


async def test_a_repeated_callback_url_is_masked() -> None:
    """A server that repeats the callback URL in an error does not spread its token."""

    async def echo_body(request: web.Request, handler: Handler) -> web.StreamResponse:
        detail = [{"loc": ["body"], "msg": "bad", "input": await request.json()}]
        return web.json_response({"detail": detail}, status=422)

    async with Sandbox(api_key=KEY) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(echo_body)
        with pytest.raises(InvalidRequestError) as caught:
            await vidgo.submit(FOX, callback_url=f"https://app.example/hook?token={TOKEN}")
        assert "a fox in snow" in caught.value.body
        assert find([caught.value.body, repr(pickle.dumps(caught.value))]) == []


async def test_the_environment_counts_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Proxies of the environment apply with `trust_env`, except where they are bypassed."""
    seen: list[str] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        seen.append(str(request.url))
        return web.json_response({"code": 200, "data": {"credits_amount": 1}})

    async with serving(web.ServerRunner(web.Server(proxy))) as address:
        monkeypatch.setenv("http_proxy", f"http://{address}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with VidgoSession(KEY, base_url="http://api.example", trust_env=True) as vidgo:
            assert (await vidgo.balance()).credits == 1
        assert seen == ["http://api.example/api/user/balance"]
        async with Sandbox(api_key=KEY) as sandbox, open_session(sandbox, trust_env=True) as vidgo:
            assert (await vidgo.balance()).credits == 1000
        monkeypatch.delenv("no_proxy")
        async with Sandbox(api_key=KEY) as sandbox, open_session(sandbox) as vidgo:
            assert (await vidgo.balance()).credits == 1000
    assert len(seen) == 1


async def test_cookies_are_not_kept() -> None:
    """No response can change what later requests send."""
    seen: list[str | None] = []

    async def cookie(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.headers.get("Cookie"))
        response = await handler(request)
        response.set_cookie("a", "b")
        return response

    async with Sandbox(api_key=KEY) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(cookie, call=None, times=None)
        await vidgo.balance()
        await vidgo.balance()
    assert seen == [None, None]


async def test_no_error_holds_an_exception_of_aiohttp() -> None:
    """aiohttp's exceptions hold request headers, so none is a cause or a context of ours."""
    async with Sandbox(api_key=KEY) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_before, times=None)
        with pytest.raises(SubmissionUnknownError) as caught:
            await vidgo.submit(FOX)
        error: BaseException | None = caught.value
        while error is not None:
            assert not type(error).__module__.startswith("aiohttp")
            error = error.__cause__ or error.__context__


async def test_a_real_error_group_pickles() -> None:
    """An error as it is raised, with causes and tracebacks, goes to another process."""
    async with Sandbox(api_key=KEY) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_before)
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many(foxes(3))
        again = pickle.loads(pickle.dumps(caught.value))
        assert again.accepted == caught.value.accepted
        assert list(again.failed) == list(caught.value.failed)
        assert [str(error) for error in again.exceptions] == [
            str(error) for error in caught.value.exceptions
        ]
