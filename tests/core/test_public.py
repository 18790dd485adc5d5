"""The public surface: exact, documented, cheap to import; and who may import whom."""

from __future__ import annotations

import ast
import inspect
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CORE = Path(cf.__file__).parent
CONNECTORS = [
    Path(import_module(f"caseferry_{name}").__file__ or "").parent
    for name in ("local", "grand_challenge", "datamint", "darwin")
]
HEAVY = ("requests", "urllib3", "numpy", "pydicom", "nibabel", "PIL", "gcapi", "httpx", "datamint", "rich", "aiohttp")


def test_the_public_names_are_sorted_exact_and_documented() -> None:
    assert cf.__all__ == sorted(cf.__all__)
    assert set(cf.__all__) == set(cf._HOME_OF)
    assert set(cf.__all__) <= set(dir(cf))
    for name in cf.__all__:
        found = getattr(cf, name)
        assert found.__name__ == name
        assert inspect.getdoc(found), name
    with pytest.raises(AttributeError, match="module 'caseferry' has no attribute 'nothing'"):
        cf.nothing  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((CORE / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == cf._HOME_OF


@pytest.mark.parametrize("name", cf.__all__)
def test_public_methods_are_documented(name: str) -> None:
    found = getattr(cf, name)
    if not inspect.isclass(found):
        return
    for attribute, value in vars(found).items():
        if not attribute.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod)):
            assert inspect.getdoc(getattr(found, attribute)), f"{name}.{attribute}"


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, caseferry, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


def test_importing_costs_little() -> None:
    def seconds(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    pairs = [(seconds("pass"), seconds("import caseferry")) for _ in range(7)]
    assert statistics.median(with_it - bare for bare, with_it in pairs) < 0.12


# -- who may import whom -------------------------------------------------------------------------------------------


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_core_knows_no_connector() -> None:
    for path in CORE.rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith("caseferry_")], path


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda folder: folder.name)
def test_a_connector_knows_no_other(folder: Path) -> None:
    for path in folder.rglob("*.py"):
        others = [n for n in imports(path) if n.startswith("caseferry_") and n.partition(".")[0] != folder.name]
        assert not others, path


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda folder: folder.name)
def test_a_stand_in_shares_no_translation_with_its_connector(folder: Path) -> None:
    for path in [*folder.glob("sandbox.py"), *folder.glob("sandbox/**/*.py")]:
        shared = [n for n in imports(path) if n.startswith((f"{folder.name}.wire", f"{folder.name}.client"))]
        assert not shared, path


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda folder: folder.name)
def test_translation_is_pure(folder: Path) -> None:
    for path in [*folder.glob("wire.py"), *folder.glob("wire/**/*.py")]:
        network = ("requests", "httpx", "gcapi", "caseferry.http", f"{folder.name}.client", f"{folder.name}.dataset")
        assert not [name for name in imports(path) if name.startswith(network)], path


def knot(graph: Mapping[str, set[str]]) -> set[str]:
    """What lies on a circle, or leads to one."""
    left = {name: set(found) for name, found in graph.items()}
    while free := {name for name, found in left.items() if not found & set(left)}:
        left = {name: found for name, found in left.items() if name not in free}
    return set(left)


def test_nothing_imports_in_a_circle() -> None:
    """Not for types alone either: each module can be read with nothing in mind but those that it imports.

    Nor do the rooms of core: each, a module or a folder, stands above all that it uses.
    """
    modules = {}
    for folder in (CORE, *CONNECTORS):
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph: dict[str, set[str]] = {}
    rooms: defaultdict[str, set[str]] = defaultdict(set)
    for name, path in modules.items():
        found = {each for each in imports(path) if each in modules} - {name, "caseferry"}
        graph[name] = {each for each in found if not any(other.startswith(f"{each}.") for other in found)}
        if name.startswith("caseferry."):
            room = name.split(".")[1]
            rooms[room] |= {each.split(".")[1] for each in found if each.startswith("caseferry.")} - {room}
    assert not knot(graph)
    assert not knot(rooms)


# -- errors --------------------------------------------------------------------------------------------------------


def test_the_error_tree_in_the_documentation_is_the_real_one() -> None:
    text = (errors.__doc__ or "").split("::\n", 1)[1].split("\n\nNo message", 1)[0]
    drawn: dict[str, tuple[str, str]] = {}
    above: list[tuple[int, str, str]] = []
    for line in filter(str.strip, text.splitlines()):
        depth = len(line) - len(line.lstrip())
        name, *words = line.split()
        while above and above[-1][0] >= depth:
            above.pop()
        action = next((w.strip(";") for w in words if w.strip(";") in {"stop", "retry", "skip"}), "")
        action = action or (above[-1][2] if above else "skip")
        drawn[name] = (above[-1][1] if above else "Exception", action)
        above.append((depth, name, action))
    real = {
        name: (found.__bases__[0].__name__, found.action)
        for name, found in ((name, getattr(cf, name)) for name in cf.__all__)
        if inspect.isclass(found) and issubclass(found, errors.CaseferryError)
    }
    assert drawn == real
    assert {"Problem"} | set(real) - {"TransferIncomplete"} == set(errors.__all__)


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "Problem"])
def test_every_error_is_public(name: str) -> None:
    assert getattr(cf, name) is getattr(errors, name)
