"""Links and the targets of redirects are sent as they were given."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from yarl import URL

from tests.support.servers import answering
from tests.support.sessions import new_session
from vidgo_async import DownloadError, MediaFile
from vidgo_async._files.links import is_web, parse_link, redirect_target, shown

SIGNED = (
    "/v/a%20b%27c.mp4?disposition=attachment%3B%20filename%2A%3DUTF-8%27%27fox.mp4"
    "&Policy=eyJ%2F%2B&Signature=ab%2Fcd%3D%3D&at=x%40y%3Az&%7e=~!$'()*,;|[]{}"
)
"""Each part would be changed by quoting it anew."""
BASE = URL("https://cdn.example:8443/a/b/c.mp4?old=1")


@pytest.mark.parametrize(
    ("link", "sent"),
    [
        (SIGNED, SIGNED),
        (SIGNED + "&n=\u00fc", SIGNED + "&n=%C3%BC"),
        ("/\u72d0 \u72f8\t.mp4?s=%2f", "/%E7%8B%90%20%E7%8B%B8%09.mp4?s=%2f"),
        ("/a\x00b\x7f", "/a%00b%7F"),
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/100%.mp4?50%", "/100%.mp4?50%"),
        ("/x.mp4#t=5", "/x.mp4"),
        ("", "/"),
        ("?s=%2F", "/?s=%2F"),
    ],
)
@pytest.mark.parametrize(("before", "after"), [("http://", ""), (" \t\nHTTP://", " \r\n")])
def test_a_link_is_sent_as_it_is(before: str, after: str, link: str, sent: str) -> None:
    """Only what no request line can carry is quoted; blanks around it and capitals do no harm."""
    url = parse_link(f"{before}host.example{link}{after}")
    assert url.scheme == "http"
    assert url.raw_host == "host.example"
    assert url.raw_path_qs == sent


@pytest.mark.parametrize(
    ("authority", "sent"),
    [
        ("B\u00fccher.example:81", "xn--bcher-kva.example:81"),
        ("[::1]:81", "[::1]:81"),
        ("user:p%40ss@host.example", "user:p%40ss@host.example"),
    ],
)
def test_hosts_of_any_kind(authority: str, sent: str) -> None:
    """The name of a host that is not ASCII is sent in its ASCII form."""
    assert parse_link(f"https://{authority}/x%2fy").raw_authority == sent
    assert parse_link(f"https://{authority}/x%2fy").raw_path == "/x%2fy"


@pytest.mark.parametrize(
    "link",
    [
        "",
        "x.mp4",
        "ftp://h/x",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "http://",
        "http:///x.mp4",
        "http:x.mp4",
        "https://:80/x",
        "http://[bad/x.mp4",
        "http://h:0x/x.mp4",
        "http://h:99999/x.mp4",
        "http://h/\ud800",
    ],
)
def test_what_can_never_work_is_a_value_error(link: str) -> None:
    """No http(s), no host, a bad port: none of these is worth another try."""
    with pytest.raises(ValueError, match=r".+"):
        parse_link(link)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://b.example" + SIGNED, "https://b.example" + SIGNED),
        ("HTTP://b.example/x%2f", "http://b.example/x%2f"),
        ("//b.example" + SIGNED, "https://b.example" + SIGNED),
        (SIGNED, "https://cdn.example:8443" + SIGNED),
        ("/x//y%2f", "https://cdn.example:8443/x//y%2f"),
        ("d%27.mp4?s=%2F", "https://cdn.example:8443/a/b/d%27.mp4?s=%2F"),
        ("../d%27.mp4", "https://cdn.example:8443/a/d%27.mp4"),
        ("?new=%2F", "https://cdn.example:8443/a/b/c.mp4?new=%2F"),
        ("d \u00fc.mp4", "https://cdn.example:8443/a/b/d%20%C3%BC.mp4"),
        ("/\udcfc\udc80", "https://cdn.example:8443/%FC%80"),
        (" /x ", "https://cdn.example:8443/x"),
    ],
)
def test_the_target_of_a_redirect_is_as_given(location: str, target: str) -> None:
    """Absolute or relative, no part of a `Location` is quoted anew; raw bytes are quoted."""
    assert redirect_target(BASE, location) == URL(target, encoded=True)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:1", "http:///x", "//"])
def test_a_target_that_can_never_work(location: str) -> None:
    """A redirect leads to http(s) only."""
    with pytest.raises(ValueError, match=r".+"):
        redirect_target(BASE, location)


def test_a_signature_is_not_shown() -> None:
    """A message shows a link without its query, which may be a signature, and not too long."""
    assert shown(" https://h/x.mp4?Signature=ab ") == "https://h/x.mp4?…"
    assert shown("https://h/x.mp4") == "https://h/x.mp4"
    assert len(shown("https://h/" + "x" * 1000)) == 200


def test_addresses_of_the_web() -> None:
    """Capitals and blanks are http(s) too."""
    assert is_web(" \nHTTPS://h/x")
    assert not is_web("x http://h/x")


# --- Over the wire --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def host(targets: list[str]) -> AsyncGenerator[str]:
    """Serve a host that redirects to a signed link, and refuses any other spelling of it."""

    def answer(target: str) -> bytes:
        targets.append(target)
        if target.startswith("/redirect/"):
            location = SIGNED if target == "/redirect/1" else "/redirect/1"
            return (
                f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
            )
        status = "200 OK" if target == SIGNED else "400 Bad Request"
        return f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nvideo".encode()

    async with answering(answer) as address:
        yield address


@pytest.mark.parametrize("start", [SIGNED, "/redirect/1", "/redirect/2"])
@pytest.mark.parametrize("before", ["http://", " HTTP://"])
async def test_a_signed_link_arrives_as_it_was_signed(
    before: str, start: str, tmp_path: Path
) -> None:
    """Given by the API or by a redirect, byte by byte."""
    targets: list[str] = []
    async with host(targets) as address, new_session() as vidgo:
        path = await vidgo.download(MediaFile(f"{before}{address}{start} "), tmp_path / "fox.mp4")
    assert path.read_bytes() == b"video"
    assert targets[-1] == SIGNED


async def test_one_letter_does_not_change_the_rest_of_a_link(tmp_path: Path) -> None:
    """A letter that is not ASCII is quoted, and nothing else."""
    targets: list[str] = []
    async with host(targets) as address, new_session() as vidgo:
        with pytest.raises(DownloadError, match="answered 400"):
            await vidgo.download(MediaFile(f"http://{address}{SIGNED}\u00fc"), tmp_path / "x")
    assert targets == [SIGNED + "%C3%BC"]


async def test_a_redirect_to_no_host_is_final(tmp_path: Path) -> None:
    """A redirect that leads out of http(s) is an error at once."""
    answer = b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"
    async with answering(lambda _: answer) as address, new_session() as vidgo:
        with pytest.raises(DownloadError, match="cannot work: not an http"):
            await vidgo.download(MediaFile(f"http://{address}/x"), tmp_path / "x")
