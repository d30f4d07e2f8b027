"""The budgets and rules of the house (docs: style, section 5), read from the source."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kilter

ROOT = Path(kilter.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TREES = {file: ast.parse(file.read_text()) for file in FILES}
NODES = {file: list(ast.walk(tree)) for file, tree in TREES.items()}  # walked once for all tests
CHECKOUT = ROOT.parent.parent
TOOLS = sorted(
    [*(file for name in ("testbed", "scripts", "bench") for file in (CHECKOUT / name).rglob("*.py")),
     CHECKOUT / "docs/generate.py"]
)  # fmt: skip
TOOL_NODES = {file: list(ast.walk(ast.parse(file.read_text()))) for file in TOOLS}
EXCUSE = "# long:"  # on the line of a `def` or in a module's first ten lines: the reason in one line
Function = ast.FunctionDef | ast.AsyncFunctionDef


def where(file: Path, node: ast.AST | None = None) -> str:
    place = f"{file.relative_to(ROOT if file.is_relative_to(ROOT) else CHECKOUT)}"
    return f"{place}:{node.lineno}" if isinstance(node, ast.stmt | ast.expr) else place


def functions() -> Iterator[tuple[Path, Function]]:
    for file, nodes in (NODES | TOOL_NODES).items():
        for node in nodes:
            if isinstance(node, Function):
                yield file, node


def files_with(found: Callable[[ast.AST], bool]) -> set[str]:
    return {where(file) for file, nodes in NODES.items() if any(map(found, nodes))}


def excused(file: Path, first: int, last: int) -> bool:
    return any(EXCUSE in line for line in file.read_text().splitlines()[first - 1 : last])


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 50
    assert len(TOOLS) > 40


def test_no_function_is_longer_than_forty_lines() -> None:
    long = [
        f"{where(file, node)} {node.name}: {node.end_lineno - node.lineno + 1}"
        for file, node in functions()
        if node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 40
        and not excused(file, node.lineno, node.body[0].lineno)
    ]
    assert long == []


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in [*FILES, *TOOLS]}
    assert [where(file) for file, length in lengths.items() if length > 300 and not excused(file, 1, 10)] == []


def test_no_command_file_is_longer_than_eighty_lines() -> None:
    verbs = [file for file in (ROOT / "cli").glob("*.py") if '@click.command("' in file.read_text()]
    assert len(verbs) > 10
    assert [where(file) for file in verbs if len(file.read_text().splitlines()) > 80] == []


def test_no_function_takes_more_than_six_parameters() -> None:
    """A verb's function is called by click alone, with one parameter per option."""
    many = []
    for file, node in functions():
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        own = [argument for argument in given if argument.arg not in ("self", "cls", "app")]
        if len(own) > 6 and not excused(file, node.lineno, node.body[0].lineno):
            many.append(f"{where(file, node)} {node.name}: {len(own)}")
    assert many == []


@pytest.mark.requirement("C1")
def test_no_shell_ever_reads_a_command() -> None:
    shells = []
    for file, nodes in (NODES | TOOL_NODES).items():
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg == "shell":
                shells.append(where(file, node.value))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.system", "os.popen", "os.execvp"):
                shells.append(where(file, node))
    assert shells == []


@pytest.mark.requirement("C1")
def test_processes_have_one_door() -> None:
    def imports(node: ast.AST) -> bool:
        if isinstance(node, ast.Import):
            return any(alias.name == "subprocess" for alias in node.names)
        return isinstance(node, ast.ImportFrom) and node.module == "subprocess"

    assert files_with(imports) == {"proc.py"}


@pytest.mark.requirement("C16")
def test_secrets_are_revealed_at_that_door_alone() -> None:
    def reveals(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reveal"

    assert files_with(reveals) == {"proc.py"}


def test_only_the_console_and_the_reporters_print() -> None:
    def prints(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return ast.unparse(node.func) in ("print", "click.secho")
        return isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr")

    assert files_with(prints) == {"cli/console.py"}


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """Yield what a module or a class offers by a name of its own."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def test_every_module_and_every_public_name_says_what_it_is_for() -> None:
    silent = [where(file) for file, tree in TREES.items() if not ast.get_docstring(tree)]
    for file, tree in TREES.items():
        silent += [f"{where(file, node)} {node.name}" for node in public(tree.body) if not ast.get_docstring(node)]
    assert silent == []


def test_nothing_is_marked_to_be_done_later() -> None:
    marks = ("TODO", "FIXME", "XXX")
    assert [where(file) for file in FILES if any(mark in file.read_text() for mark in marks)] == []
