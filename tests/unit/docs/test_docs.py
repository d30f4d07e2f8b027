"""The documentation holds what it promises: pages exist, links lead somewhere, and what it names is in the code."""

import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import jsonschema_rs
import pytest
from harness.script import loaded

from kilter import errors
from kilter.cli.main import VERBS, kilter
from kilter.operator.metrics import HELP as METRICS
from kilter.tools.versions import TOOLS

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
COMMANDS_TO_COME = {"add", "remove", "eject", "db", "catalog"}
TITLES = {
    "Namespaces & isolation": "concepts/namespaces-and-isolation.md",
    "Ports": "concepts/ports.md",
    "How kilter uses KIND": "concepts/how-kilter-uses-kind.md",
    "How kilter uses Tilt": "concepts/how-kilter-uses-tilt.md",
    "How kilter uses Helm": "concepts/how-kilter-uses-helm.md",
    "Production routing": "concepts/production-routing.md",
    "Deploy": "how-to/deploy.md",
}


@cache
def generator() -> ModuleType:
    found = loaded(DOCS / "generate.py")
    vars(found).update(pages=cache(found.pages))  # they follow from the code, which stays as it is
    return found


@cache
def command(*names: str) -> click.Command:
    """The command that those words lead to; what follows it are its arguments."""
    found: click.Command = kilter
    for name in names:
        if not isinstance(found, click.Group):
            break
        inner = found.get_command(click.Context(found), name)
        assert inner is not None, f"kilter has no command {' '.join(names)}"
        found = inner
    return found


def labels(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))


def headings(text: str) -> set[str]:
    """Return the anchors of a page, as sites that show Markdown make them."""
    found = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def test_the_generated_pages_are_fresh() -> None:
    assert generator().stale() == [], "run `make docs`"


@pytest.mark.parametrize("file", sorted((DOCS / "reference/json").glob("*.schema.json")), ids=lambda file: file.name)
def test_the_schema_of_every_document_is_one_that_validators_take(file: Path) -> None:
    jsonschema_rs.validator_for(json.loads(file.read_text()))


@pytest.mark.parametrize(
    "file", sorted((DOCS / "reference").rglob("*.json")), ids=lambda file: str(file.relative_to(DOCS / "reference"))
)
def test_what_is_published_for_machines_names_none_of_our_requirements(file: Path) -> None:
    assert re.findall(r"\b(?:DP|LC|CT|PP|NS)-Q?\d+", file.read_text()) == []


def test_every_variable_that_the_chart_sets_stands_beside_its_value_and_no_other() -> None:
    page = (DOCS / "reference/environment-variables.md").read_text()
    told = re.findall(r"`((?:KILTER|PG)[A-Z_]+)`", page.partition("## Set by the chart")[2].partition("\n## ")[0])
    templates = ROOT / "src/kilter/charts/kilter-platform/templates"
    texts = [
        (templates / file).read_text() for file in ("operator/operator.yaml", "server/server.yaml", "_helpers.tpl")
    ]
    given = {name for text in texts for name in re.findall(r"- name: ((?:KILTER|PG)[A-Z_]+)", text)}
    assert sorted(told) == sorted(given)


def test_every_metric_is_explained() -> None:
    page = (DOCS / "concepts/operator.md").read_text()
    assert {name for name in METRICS if f"`{name.removeprefix('kilter_operator_')}`" not in page} == set()


def test_every_variable_that_the_operator_reads_is_explained() -> None:
    page = (DOCS / "reference/environment-variables.md").read_text()
    code = (ROOT / "src/kilter/operator/settings.py").read_text()
    assert {name for name in re.findall(r'"(KILTER_[A-Z_]+)"', code) if f"`{name}`" not in page} == set()


def test_stale_missing_and_left_over_pages_are_named_and_mended(tmp_path: Path) -> None:
    written = generator().write(tmp_path)
    assert written == sorted(generator().pages())
    assert generator().stale(tmp_path) == []
    (tmp_path / "cli.md").write_text("old")
    (tmp_path / "catalog.md").unlink()
    (tmp_path / "json/gone.schema.json").write_text("{}")
    assert generator().stale(tmp_path) == ["catalog.md", "cli.md", "json/gone.schema.json"]
    assert generator().write(tmp_path) == ["catalog.md", "cli.md", "json/gone.schema.json"]
    assert generator().stale(tmp_path) == []


def test_the_check_names_stale_pages_and_the_fixing_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator().write(tmp_path)
    (tmp_path / "cli.md").write_text("old")
    monkeypatch.setattr(generator(), "stale", lambda: ["cli.md"])
    assert generator().main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/reference/cli.md is stale: run `make docs`\n"


@pytest.mark.parametrize("name", VERBS)
def test_every_command_has_a_section_and_one_sentence_of_help(name: str) -> None:
    assert f"\n## kilter {name}\n" in (DOCS / "reference/cli.md").read_text()
    assert VERBS[name].help == (command(name).help or "").splitlines()[0]


@pytest.mark.parametrize("page", TEXTS, ids=labels(TEXTS))
def test_every_relative_link_leads_to_a_file_and_a_heading_in_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        if anchor:
            assert anchor in headings(file.read_text()), target


@pytest.mark.parametrize("page", TEXTS, ids=labels(TEXTS))
def test_commands_and_options_that_a_page_shows_exist(page: Path) -> None:
    text = page.read_text()
    shown = [
        *re.findall(r"`kilter ([a-z][^`\n]*)`", text),
        *re.findall(r"^ *\$ kilter (.*)$", text, flags=re.MULTILINE),
    ]
    for line in shown:
        name, *rest = re.split(r"[ )]+", line.partition("#")[0].strip())
        if name in COMMANDS_TO_COME:
            continue
        assert name in VERBS, line
        words = [name, *(word for word in rest if re.fullmatch("[a-z]+", word))]
        known = {option for parameter in command(*words).params for option in parameter.opts} | {"--help"}
        own = rest[: rest.index("--")] if "--" in rest else rest
        assert {word.partition("=")[0] for word in own if word.startswith("--")} <= known, line


@pytest.mark.requirement("NS-Q29")
@pytest.mark.parametrize(("title", "path"), TITLES.items())
def test_pages_that_others_refer_to_by_title_exist(title: str, path: str) -> None:
    assert (DOCS / path).read_text().startswith(f"# {title}\n")


@pytest.mark.requirement("LC-Q2")
@pytest.mark.parametrize("what", ["create", "resume"])
def test_what_a_start_takes_is_published_with_what_it_is_compared_with(what: str) -> None:
    page = (DOCS / "reference" / "measurements.md").read_text()
    (row,) = re.findall(rf"^\| {what}: .*$", page, flags=re.MULTILINE)
    assert re.search(r"\d s \(.*\|.*\dx \(.*\| .*(met|\*\*missed\*\*) \|$", row)


@pytest.mark.requirement("NS-Q29")
@pytest.mark.parametrize("page", PAGES, ids=labels(PAGES))
def test_every_page_says_for_whom_it_is(page: Path) -> None:
    assert re.search(r"^\*Audience: (user|dev|admin)(, (dev|admin))*\*$", page.read_text(), flags=re.MULTILINE)


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    assert [
        page for page in labels(PAGES) if page != "docs/README.md" and page.removeprefix("docs/") not in index
    ] == []


def test_every_variable_that_kilter_reads_is_documented() -> None:
    page = (DOCS / "reference/environment-variables.md").read_text()
    code = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    assert {name for name in re.findall(r"\bKILTER_[A-Z_]+", code) if f"`{name}`" not in page} == set()


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "reference/exit-codes.md").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.KilterError)]
    assert {kind.exit_code for kind in kinds} | {0} == set(
        map(int, re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE))
    )


@pytest.mark.parametrize("name", TOOLS)
def test_the_layout_of_a_tools_mirror_is_that_of_the_release(name: str) -> None:
    tool, platform = TOOLS[name], ("linux", "amd64")
    file = tool.files[platform].rpartition("/")[2]
    row = f"| `{name}/v{tool.version}/` | `{file}` | `{tool.checksums.format(file=file)}` |"
    assert row in (DOCS / "how-to/work-offline-or-behind-a-mirror.md").read_text()


@pytest.mark.requirement("NS-5", "NS-33", "NS-35", "NS-40", "NS-Q25", "LC-14", "LC-21", "LC-34", "LC-35", "LC-Q17")
@pytest.mark.requirement("LC-Q29", "CT-16", "CT-17", "CT-35", "CT-Q12", "DP-Q13")
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("concepts/namespaces-and-isolation.md", "](ports.md)"),
        ("how-to/when-a-connection-fails.md", "## 1. Compare your `.env` with `kilter env`"),
        ("how-to/when-a-connection-fails.md", "`kilter env` is the authority"),
        ("how-to/when-a-connection-fails.md", "the whole name, `postgres.shop-dev.svc.cluster.local`"),
        ("how-to/when-a-connection-fails.md", "## 3. Choose the address by where the code runs"),
        ("how-to/when-a-connection-fails.md", "These three cover daily checks. kubectl is for `describe`, for events"),
        ("concepts/namespaces-and-isolation.md", "The layers above are those of local clusters."),
        ("how-to/stop-and-resume.md", "**The common mistake is `destroy` where `stop` was meant.**"),
        ("how-to/stop-and-resume.md", "Run `kilter stop` rather than just closing the lid"),
        (
            "how-to/stop-and-resume.md",
            "What processes held in memory, and what pods\nwrote to their own file systems, is not",
        ),
        ("how-to/stop-and-resume.md", "](../concepts/how-kilter-uses-tilt.md)"),
        ("concepts/how-kilter-uses-tilt.md", "| `kilter up`, **not** `kilter restart` |"),
        (
            "concepts/how-kilter-uses-tilt.md",
            "| nothing, but a pod is stuck | pod replaced, volume kept, no value changed |",
        ),
        ("concepts/how-kilter-uses-tilt.md", "| dependencies (`requirements.txt`, `package.json` …) | image rebuilt"),
        (
            "concepts/how-kilter-uses-helm.md",
            "no `helm rollback`: a *release upgrade* is a changed value and `kilter up`",
        ),
        ("how-to/override-a-service.md", "eject only the one artefact that must change"),
    ],
)
def test_what_users_must_be_able_to_learn_is_said(page: str, words: str) -> None:
    assert words in (DOCS / page).read_text()
