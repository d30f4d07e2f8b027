"""kilter.yaml and Dockerfiles against random and mutated input: a result or listed faults, never a traceback."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from unit.project.test_validate import faults

from kilter.errors import BadInput
from kilter.project.dockerfile import read
from kilter.project.dockerfile_sync import sync_rules
from kilter.project.edit import add_service, clear_stopped, set_stopped
from kilter.project.load import Fault, InvalidProject, validate
from kilter.project.source import decode
from kilter.project.source import read as read_yaml

FILES = sorted((Path(__file__).parents[1] / "unit" / "project" / "files").glob("*.yaml"))
KEYS = st.sampled_from(
    [
        "services", "components", "processes", "cluster", "stopped", "env", "image", "port", "command", "path", "seed",
        "profile", "name", "version", "x-", "<<", "a", "b",
    ]
)  # fmt: skip
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), KEYS)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)


def outcome(data: bytes) -> None:
    """Validate, and hold the faults against what each fault must be: placed in the file, and printable."""
    faults: tuple[Fault, ...] = ()
    try:
        validate(data, "kilter.yaml", "shop")
    except InvalidProject as error:
        faults = error.faults or (Fault("", 0, 0, "", "nothing was said"),)
    lines = data.decode("utf-8", "replace").count("\n") + data.count(b"\r") + 1
    assert all(1 <= fault.line <= lines + 1 and fault.column >= 1 for fault in faults)
    assert all(character >= " " for fault in faults for character in str(fault))


@given(st.binary(max_size=300))
def test_any_bytes_are_valid_or_listed_as_faults(data: bytes) -> None:
    outcome(data)


@given(st.text(alphabet="abc:- \n\t{}[],&*!|>'\"#?%@`0123456789<=~.x\r", max_size=120))
def test_any_text_of_yaml_characters_is_valid_or_listed_as_faults(text: str) -> None:
    outcome(text.encode())


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw of a recursive strategy takes a second
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_tree_of_known_keys_is_valid_or_listed_as_faults(tree: dict[str, object]) -> None:
    import yaml

    outcome(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


@given(st.sampled_from(FILES), st.data())
def test_a_file_with_a_piece_cut_out_or_put_in_is_valid_or_listed_as_faults(file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    outcome(content[:start] + data.draw(st.binary(max_size=6)) + content[end:])


LINES = st.sampled_from(
    [
        "name: a", "services:", "  redis:", "  pg: '17' # x", "- redis", "  - pg", "cluster:", "  stopped: true",
        "  stopped: false", "  image: x:1", "cluster: {}", "cluster: {image: x:1}", "# note", "  # note", "", "env:",
        "  A: |", "    text", "services: {a: , b: '1'}", "services: [a, b]", "...", "---", "cluster: # c", "  ",
    ]
)  # fmt: skip


def read_back(text: str) -> object:
    root = read_yaml(decode(text.encode(), "x"), "x").root
    return root.data() if root else None


@settings(max_examples=300)
@given(st.lists(LINES, max_size=10, unique=True), st.sampled_from(["\n", "\r\n"]), st.booleans())
@example(["cluster:", "  stopped: true"], "\n", False)
def test_edits_add_or_remove_whole_lines_and_change_the_intended_data_alone(
    lines: list[str], line_end: str, ends: bool
) -> None:
    text = line_end.join(lines) + (line_end if ends else "")
    try:
        before = read_back(text) or {}
        stopped, added = set_stopped(text), add_service(text, "mailpit")
        cleared = clear_stopped(stopped)
    except BadInput:
        return
    assert isinstance(before, dict)
    assert read_back(stopped) == before | {"cluster": (before.get("cluster") or {}) | {"stopped": True}}
    services = read_back(added)
    assert isinstance(services, dict)
    assert "mailpit" in services["services"]
    assert "stopped" not in ((read_back(cleared) or {}).get("cluster") or {})  # type: ignore[attr-defined]
    for changed in (stopped, added):
        kept = changed.split(line_end)
        # A plain scalar may run over two lines; where it is replaced, both go.
        lost = [line for line in lines if line.strip() not in ("", "text") and line not in kept]
        assert len(lost) <= 1


@given(st.text(alphabet='FROMCOPYRUNADDWKIEXS \n\\#<=-.[]",$/abc*:0123', max_size=200))
@example("FROM a AS b\nFROM b AS b\nCOPY --from=b . .\nRUN --mount=from=b x")
def test_any_text_is_read_as_a_dockerfile(text: str) -> None:
    dockerfile = read("FROM x AS y\n" + text)
    rules = sync_rules(dockerfile, None)
    assert all(container.startswith("/") and not local.startswith(("/", "..")) for local, container in rules.sync)


@pytest.mark.requirement("Y6")
@pytest.mark.parametrize(
    "text",
    [
        "services:\n" + "".join(f"  A{number}:\n" for number in range(9_000)),
        "env:\n" + "".join(f"  A{number}: 1\n" for number in range(9_000)),
        "services: [" + ", ".join(f"a{number}, a{number}" for number in range(9_000)) + "]",
    ],
    ids=["names", "values", "doubles"],
)
def test_thousands_of_faults_are_found_as_quickly(text: str) -> None:
    began = time.process_time()
    assert len(faults(text)) == 9_000
    assert time.process_time() - began < 5.0
