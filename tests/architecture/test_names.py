"""What tests use of kilter is there. Those outside of `make check` would tell where clusters are, and much later."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent.parent
LATER = ("browser", "conformance", "e2e", "fuzz", "git", "harness")


def test_every_name_of_kilter_that_a_test_uses_is_there() -> None:
    files = [file for folder in LATER for file in sorted((TESTS / folder).rglob("*.py"))]
    assert files
    assert [f"{file.relative_to(TESTS)}: {name}" for file in files for name in absent(file)] == []


def absent(file: Path) -> Iterator[str]:
    """Yield the names that are imported from kilter, or read of an imported module of it, and are not there."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    modules: dict[str, ModuleType] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kilter":
            for each in node.names:
                found = named(f"{node.module}.{each.name}")
                if isinstance(found, ModuleType):
                    modules[each.asname or each.name] = found
                elif found is None:
                    yield f"{node.module}.{each.name}"
    own = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in own:
            module = modules.get(node.value.id)
            if module and named(f"{module.__name__}.{node.attr}") is None:
                yield f"{module.__name__}.{node.attr}"


def named(path: str) -> object:
    """Return a module, or what one has under a name; None for neither."""
    parent, _, name = path.rpartition(".")
    module = importlib.import_module(parent)
    if hasattr(module, name):
        return getattr(module, name) or name
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return None
