"""The view in Jupyter: with a stub of IPython, and in a real kernel."""

import io
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

from tests.progress.fakes import FakeBatch, failure, many, pending
from tests.progress.terminal import Terminal
from vidgo_async.progress import Mode, View
from vidgo_async.progress.notebook import Shown
from vidgo_async.progress.snapshot import InFlight, Snapshot

CELL = """
from tests.support.sessions import foxes, open_session
from vidgo_async import GrokImagine
from vidgo_async.progress import progress
from vidgo_async.sandbox import Sandbox

async with Sandbox(seconds=(0.5, 0.5)) as sandbox, open_session(sandbox) as vidgo:
    requests = [*foxes(2), GrokImagine(prompt="<b>[red]fox</b>")]
    async for outcome in progress(vidgo.generate_many(requests), total=3):
        print("outcome", outcome.index)
import sys
assert "rich" not in sys.modules
"""


class Displays:
    """Takes what a notebook is shown."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def display(self, value: object, *, display_id: bool) -> "Displays":
        assert display_id
        self.shown.append(value)
        return self

    def update(self, value: object) -> None:
        self.shown.append(value)


@pytest.fixture
def displays(monkeypatch: pytest.MonkeyPatch) -> Displays:
    """A kernel of Jupyter."""
    displays = Displays()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.__dict__["get_ipython"] = lambda: SimpleNamespace(kernel=object())
    display.__dict__["display"] = displays.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return displays


@pytest.mark.virtual_time
async def test_display(displays: Displays, pipe: io.StringIO) -> None:
    """In a notebook one output is updated where something changed, and its counts remain."""
    batch = many(20)
    async with View(batch, 40) as view:
        await anyio.sleep(5)
        assert len(displays.shown) == 1
        batch.failed = 1
        view.add(failure())
        await anyio.sleep(0.5)
        assert len(displays.shown) == 2
    assert repr(displays.shown[0]).splitlines()[:2] == [
        "0 done, 0 failed, 20 in flight, 20 queued",
        "  running      19% fox 19",
    ]
    assert repr(displays.shown[-1]) == "0 done, 1 failed, 19 in flight, 20 queued"
    assert pipe.getvalue() == "1 of 40: rain on glass: failed: no fox here\n"


@pytest.mark.virtual_time
@pytest.mark.parametrize("mode", [Mode.TEXT, Mode.NONE])
async def test_no_display(mode: Mode, displays: Displays, pipe: io.StringIO) -> None:
    """In a notebook lines, or nothing, can be asked for."""
    async with View(many(20), 40, mode=mode):
        await anyio.sleep(31)
    assert displays.shown == []
    assert bool(pipe.getvalue()) is (mode is Mode.TEXT)


@pytest.mark.virtual_time
async def test_stream_in_a_notebook(displays: Displays) -> None:
    """A stream that is given is used in a notebook too."""
    terminal = Terminal()
    async with View(many(20), 40, stream=terminal):
        await anyio.sleep(0.5)
        assert terminal.lines
    assert displays.shown == []


@pytest.mark.virtual_time
async def test_batch_that_is_gone(displays: Displays, pipe: io.StringIO) -> None:
    """Of a batch that is gone the last counts remain."""
    batch = FakeBatch(2, 1, 0, [pending()])
    async with View(batch, 2):
        await anyio.sleep(0.5)
        del batch
    assert [len(repr(each).splitlines()) for each in displays.shown] == [2, 1]


@pytest.mark.virtual_time
async def test_batch_that_was_never_there(displays: Displays, pipe: io.StringIO) -> None:
    """A view of a batch that is gone before it begins shows nothing."""
    async with View(FakeBatch(2), 2):
        await anyio.sleep(0.5)
    assert displays.shown == []


async def test_nothing_shown(displays: Displays, pipe: io.StringIO) -> None:
    """A view that ends at once shows nothing."""
    view = View(many(20), 40)
    view.start()
    await view.aclose()
    assert displays.shown == []


def test_html() -> None:
    """Prompts are no HTML, and no end of the bar."""
    snapshot = Snapshot(4, 1, 0, 2, newest=(InFlight("running", None, "<b>&fox"),))
    found = Shown(snapshot)._repr_html_()
    assert '<progress value="1" max="4"' in found
    assert "&lt;b&gt;&amp;fox</pre>" in found
    assert "<progress" not in Shown(Snapshot(None, 1, 0, 2))._repr_html_()


def test_ipython_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPython in a terminal is no notebook."""
    ipython = ModuleType("IPython")
    ipython.__dict__["get_ipython"] = SimpleNamespace
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    from vidgo_async.progress.modes import find_place  # noqa: PLC0415

    assert not find_place(Terminal(), None).is_notebook


def test_real_kernel() -> None:
    """In a kernel of Jupyter one output is updated, and prints are beside it."""
    for name in "nbformat", "nbclient", "ipykernel":
        pytest.importorskip(name, reason="Jupyter is not installed")
    from nbclient import NotebookClient  # noqa: PLC0415
    from nbformat.v4 import new_code_cell, new_notebook  # noqa: PLC0415

    new_cell: Any = new_code_cell  # they are not typed
    new: Any = new_notebook
    notebook = new(cells=[new_cell(CELL)])
    NotebookClient(notebook, timeout=50, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    shown = [each for each in outputs if each.output_type == "display_data"]
    printed = "".join(each.text for each in outputs if each.output_type == "stream")
    assert [each.data["text/plain"].split(",")[:2] for each in shown] == [["3 done", " 0 failed"]]
    assert '<progress value="3" max="3"' in shown[0].data["text/html"]
    assert sorted(printed.split("\n")[:3]) == ["outcome 0", "outcome 1", "outcome 2"]
