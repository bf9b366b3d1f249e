"""Another async library than asyncio is told so when a session is opened."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.sessions import new_session

REFUSED = r"vidgo_async needs asyncio, and .*: use asyncio\.run\(main\(\)\) or anyio\.run\(main\)"


def sniffio(name: str | None) -> SimpleNamespace:
    """Make what other libraries tell their name to."""

    def current_async_library() -> str:
        if name is None:
            raise RuntimeError("unknown async library, or not in async context")
        return name

    return SimpleNamespace(current_async_library=current_async_library)


def test_under_trio() -> None:
    """Opening a session under trio says that it needs asyncio."""
    trio = pytest.importorskip("trio", reason="trio is not installed: nothing needs it")

    async def main() -> None:
        with pytest.raises(RuntimeError, match=REFUSED) as caught:
            async with new_session():
                pass
        assert "this is trio" in str(caught.value)

    trio.run(main)


def test_without_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no event loop runs, as under a library that nothing knows, it says so too."""
    for known in (None, sniffio(None)):
        monkeypatch.setitem(sys.modules, "sniffio", known)
        opening = new_session().__aenter__()
        with pytest.raises(RuntimeError, match=REFUSED) as caught:
            opening.send(None)
        assert "no event loop runs here" in str(caught.value)


async def test_a_guest_in_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio as the guest of an asyncio loop is not asyncio."""
    monkeypatch.setitem(sys.modules, "sniffio", sniffio("trio"))
    with pytest.raises(RuntimeError, match="this is trio"):
        async with new_session():
            pass


@pytest.mark.parametrize("known", [None, sniffio("asyncio"), sniffio(None)])
async def test_under_asyncio(monkeypatch: pytest.MonkeyPatch, known: Any) -> None:
    """Under asyncio a session opens, whatever else is installed."""
    monkeypatch.setitem(sys.modules, "sniffio", known)
    async with new_session() as vidgo:
        assert "open" in repr(vidgo)
