"""What a shell is answered when the user presses the tab key: the script of `kilter completion` asks for it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kilter.cli.main import VERBS, run

Ask = Callable[[str, str], str]
OF_UP = {"--attach", "--timeout", "--timings", "--recreate", "--reassign-ports", "--help"}
GLOBAL = {"--directory", "--progress", "--quiet", "--verbose", "--no-color", "--version", "--help"}


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask as a shell does: the line so far, whose last word is being typed, is in the environment."""

    def asked(shell: str, line: str) -> str:
        *others, last = line.split(" ")
        monkeypatch.setenv("_KILTER_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", last if shell == "fish" else str(len(others)))
        assert run([]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out

    return asked


def words(answer: str) -> set[str]:
    """Return the words that bash is offered."""
    return {row.removeprefix("plain,") for row in answer.split()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kilter ", set(VERBS)),
        ("kilter do", {"down", "doctor"}),
        ("kilter --progress json re", {"restart", "render", "releases"}),
        ("kilter zz", set()),
        ("kilter --", GLOBAL),
        ("kilter up --", OF_UP),
        ("kilter -C /no/where up --re", {"--recreate", "--reassign-ports"}),
        ("kilter upp --", GLOBAL),
        ("kilter --progress ", {"auto", "plain", "json", "quiet"}),
        ("kilter --progress=pl", {"plain"}),
        ("kilter status -o j", {"json"}),
        ("kilter completion ", {"bash", "zsh", "fish"}),
        ("kilter platform t", {"token"}),
        ("kilter platform token c", {"create"}),
        ("kilter env d", {"delete"}),
        ("kilter deploy --boot", set()),  # not in this release
    ],
)
def test_a_word_is_completed_to_what_may_stand_in_its_place(line: str, offered: set[str], ask: Ask) -> None:
    assert words(ask("bash", line)) == offered


@pytest.mark.parametrize(
    ("shell", "answer"),
    [
        ("bash", "plain,doctor\nplain,down\n"),
        ("fish", "plain,doctor\t{doctor}\nplain,down\t{down}\n"),
        ("zsh", "plain\ndoctor\n{doctor}\nplain\ndown\n{down}\n"),
    ],
)
def test_each_shell_is_answered_in_its_own_form(shell: str, answer: str, ask: Ask) -> None:
    table = {name: verb.help for name, verb in VERBS.items()}
    assert sorted(ask(shell, "kilter do")) == sorted(answer.format(**table))


def test_fish_cuts_an_answer_at_its_first_comma_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """What a verb does is said in sentences that have commas of their own."""
    assert run(["completion", "fish"]) == 0
    assert 'string split --max 1 "," $completion' in capsys.readouterr().out


def test_the_verbs_are_completed_without_importing_them(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for verb in VERBS.values():
        monkeypatch.delitem(sys.modules, verb.module, raising=False)
    assert words(ask("bash", "kilter ")) == set(VERBS)
    assert {verb.module for verb in VERBS.values()} & sys.modules.keys() == set()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project of each kind of part; nothing was ever started or recorded of it."""
    parts = "services:\n  postgres:\n  redis:\nimage: docker.io/library/nginx:1\nport: 80\n"
    (tmp_path / "kilter.yaml").write_text(f"name: shop\n{parts}processes:\n  reports:\n    command: [nginx]\n")
    (tmp_path / "src").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("logs ", {"postgres", "redis", "shop", "reports"}),
        ("logs -f re", {"redis", "reports"}),
        ("logs redis ", {"postgres", "shop", "reports"}),
        ("logs --env prod ", {"reports"}),
        ("restart p", {"postgres"}),
        ("restart zz", set()),
    ],
)
def test_services_and_apps_of_the_project_are_completed(line: str, offered: set[str], shop: Path, ask: Ask) -> None:
    assert words(ask("bash", f"kilter -C {shop / 'src'} {line}")) == offered


@pytest.mark.parametrize("text", [None, "services: [redis\n", "services:\n  no_such_one!: 1\n"])
def test_without_a_project_that_can_be_read_no_service_is_offered(text: str | None, tmp_path: Path, ask: Ask) -> None:
    if text is not None:
        (tmp_path / "kilter.yaml").write_text(text)
    for where in (tmp_path, tmp_path / "gone"):
        assert words(ask("bash", f"kilter -C {where} logs ")) == set()


@pytest.mark.parametrize("asked", ["tcsh_complete", "bash_nonsense"])
def test_what_no_script_of_kilters_asks_is_refused(
    asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_KILTER_COMPLETE", asked)
    assert run([]) == 1
    assert capsys.readouterr().out == ""


def test_an_empty_variable_asks_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_KILTER_COMPLETE", "")
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kilter ")
