"""The house keeps its shape: few rooms, short chains of imports, few positional parameters."""

import ast
import functools
from pathlib import Path

import vidgo_async

PACKAGE = Path(vidgo_async.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
PLANNED = {"telemetry.py"}
MAX_ENTRIES = 15
MAX_CHAIN = 13
MAX_POSITIONAL = 5


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text())


@functools.cache
def imports(name: str) -> frozenset[str]:
    found = set[str]()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vidgo_async"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in FILES else node.module or "")
    return frozenset(found - {name})


@functools.cache
def chain(name: str) -> tuple[str, ...]:
    """Return the longest chain of imports that begins with a file."""
    return (name, *max((chain(each) for each in imports(name)), key=len, default=()))


def test_the_package_has_few_rooms() -> None:
    """A newcomer sees at most 15 wings and files, when all that is planned is there."""
    here = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__")}
    assert len((here | PLANNED) - {"py.typed"}) <= MAX_ENTRIES


def test_chains_of_imports_are_short() -> None:
    """From the program down, no chain of imports is longer than 13 files."""
    longest = max((chain(name) for name in FILES), key=len)
    assert len(longest) <= MAX_CHAIN, longest


def test_few_parameters_are_positional() -> None:
    """No function takes more than five positional parameters; the others have names."""
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name in FILES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len([each for each in _positional(node) if each not in {"self", "cls"}])
        > MAX_POSITIONAL
    ]
    assert found == []


def test_no_value_has_many_positional_fields() -> None:
    """No attrs class takes more than five of its fields by position."""
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name in FILES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ClassDef)
        and any("attrs" in ast.unparse(each) for each in node.decorator_list)
        and not any("kw_only=True" in ast.unparse(each) for each in node.decorator_list)
        and len(_positional_fields(node)) > MAX_POSITIONAL
    ]
    assert found == []


def _positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]


def _positional_fields(kind: ast.ClassDef) -> list[ast.AnnAssign]:
    return [
        field
        for field in kind.body
        if isinstance(field, ast.AnnAssign)
        and "ClassVar" not in ast.unparse(field.annotation)
        and not any(
            option in ast.unparse(field.value or field) for option in ("kw_only=True", "init=False")
        )
    ]
