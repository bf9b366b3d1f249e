"""What `import vidgo_async` gives: all of it, nothing else, and every name explained."""

import inspect
import pickle
from collections.abc import Iterator
from importlib.metadata import version
from types import ModuleType

import pytest

import vidgo_async
from vidgo_async import APIError, Task
from vidgo_async._core import errors
from vidgo_async._core import models as tasks

CLASSES = [
    value for name in vidgo_async.__all__ if inspect.isclass(value := getattr(vidgo_async, name))
]


def members() -> Iterator[tuple[str, object]]:
    """Name each public method and property that a public class defines itself."""
    for kind in CLASSES:
        for name, member in vars(kind).items():
            routine = inspect.isroutine(member) or isinstance(member, property)
            if routine and not name.startswith("_"):
                yield f"{kind.__name__}.{name}", member


MEMBERS = dict(members())


def test_names_are_loaded_with_the_first() -> None:
    """`dir` names all that there is, and what there is not is an `AttributeError`."""
    assert set(vidgo_async.__all__) <= set(dir(vidgo_async))
    with pytest.raises(AttributeError, match="module 'vidgo_async' has no attribute 'Sesion'"):
        _ = vidgo_async.Sesion  # type: ignore[attr-defined]  # that is the point


def test_all_is_sorted_and_true() -> None:
    """`__all__` is sorted, names nothing twice, and everything in it exists."""
    names = vidgo_async.__all__

    assert list(names) == sorted(set(names))
    assert all(hasattr(vidgo_async, name) for name in names)


@pytest.mark.parametrize("module", [errors, tasks], ids=["errors", "tasks"])
def test_all_is_complete(module: ModuleType) -> None:
    """Every public class of errors and values is exported."""
    defined = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__ in {module.__name__, "vidgo_async"}
        and name[0] != "_"
    }

    assert len(defined) > 3
    assert defined <= set(vidgo_async.__all__)


def test_signatures_lead_nowhere_private() -> None:
    """The classes that public methods are annotated with are public too."""
    found = set()
    for member in MEMBERS.values():
        function = member.fget if isinstance(member, property) else inspect.unwrap(member)  # type: ignore[arg-type]
        for annotation in getattr(function, "__annotations__", {}).values():
            if inspect.isclass(annotation) and annotation.__module__.startswith("vidgo_async"):
                found.add(annotation.__name__)

    assert {"Task", "Balance", "Batch", "Completions"} <= found
    assert found <= set(vidgo_async.__all__)


def test_nothing_leaks() -> None:
    """Each public name is exported, one of our modules, or the version."""
    others = {
        name
        for name, value in vars(vidgo_async).items()
        if not name.startswith("_")
        and name not in vidgo_async.__all__
        and value is not vidgo_async.__version__
        and not (inspect.ismodule(value) and value.__name__ == f"vidgo_async.{name}")
    }

    assert others == set()


def test_classes_say_where_users_import_them() -> None:
    """Tracebacks and reprs of types show the public name, not the file that holds it."""
    assert {kind.__module__ for kind in CLASSES} == {"vidgo_async"}


@pytest.mark.parametrize(
    "value", [Task("task-1", "running"), APIError("no", 400)], ids=["value", "error"]
)
def test_pickles_hold_the_public_name(value: object) -> None:
    """A value and an error pickle by their public name, so that a pickle survives a move."""
    pickled = pickle.dumps(value)
    assert b"vidgo_async._" not in pickled
    assert repr(pickle.loads(pickled)) == repr(value)


@pytest.mark.parametrize("name", ["vidgo_async", *(kind.__name__ for kind in CLASSES)])
def test_classes_are_explained(name: str) -> None:
    """The package and each public class say in one line what they are."""
    explained(vidgo_async if name == "vidgo_async" else getattr(vidgo_async, name))


@pytest.mark.parametrize("name", MEMBERS)
def test_methods_are_explained(name: str) -> None:
    """Each public method and property says in one line what it does."""
    explained(MEMBERS[name])


def explained(what: object) -> None:
    own = what.__doc__  # not inspect.getdoc, which takes the base's
    assert own
    first, *rest = own.strip().splitlines()
    assert first.endswith(".")
    assert len(first) < 100
    assert not rest or not rest[0].strip()


def test_version() -> None:
    """The version is that of the installed distribution."""
    assert vidgo_async.__version__ == version("vidgo_async")
