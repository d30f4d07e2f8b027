"""The group `kilter`: its table of verbs, and what it says to a command line that it does not understand."""

import sys
from collections.abc import Iterator

import click
import pytest

from kilter import __version__
from kilter.cli.main import VERBS, kilter, run


@pytest.fixture
def no_verbs_imported() -> Iterator[None]:
    """Let Python forget every verb that another test imported."""
    modules = {verb.module for verb in VERBS.values()}
    kept = {name: sys.modules.pop(name) for name in modules if name in sys.modules}
    yield
    sys.modules.update(kept)


def load(verb: str) -> click.Command:
    command = kilter.get_command(click.Context(kilter), verb)
    assert command is not None
    return command


@pytest.mark.usefixtures("no_verbs_imported")
def test_help_lists_every_verb_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert f"  {name} " in out
        assert verb.help in " ".join(out.split())
        assert verb.module not in sys.modules


@pytest.mark.usefixtures("no_verbs_imported")
def test_a_verb_imports_no_other_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert {verb.module for verb in VERBS.values()} & sys.modules.keys() == {"kilter.cli.version"}
    assert capsys.readouterr().out.startswith(f"kilter {__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"Usage: kilter {verb}")
    assert said.err == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_says_what_it_does(verb: str) -> None:
    for parameter in load(verb).params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_says_what_the_verb_says_of_itself(verb: str) -> None:
    said = (load(verb).help or "").split("\n\n")[0].replace("\n", " ")
    assert VERBS[verb].help == said
    assert said.endswith(".")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_called_as_the_table_calls_it(verb: str) -> None:
    assert load(verb).name == verb


@pytest.mark.requirement("DP-Q34")
@pytest.mark.parametrize("verb", ["up", "down", "stop", "destroy", "restart", "ps", "render", "kubectl", "init"])
def test_a_verb_of_the_local_cluster_takes_no_environment(verb: str) -> None:
    assert "--env" not in {word for parameter in load(verb).params for word in parameter.opts}


@pytest.mark.parametrize(("typed", "meant"), [("upp", "up"), ("lgos", "logs"), ("distroy", "destroy"), ("st", None)])
def test_an_unknown_verb_ends_with_2_and_the_nearest_known(
    typed: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([typed]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"no command {typed!r}" in said.err
    assert (f"did you mean {meant!r}?" in said.err) == (meant is not None)
    assert "see `kilter --help`" in said.err


@pytest.mark.parametrize(
    "line",
    [
        ["up", "--nope"],
        ["version", "extra"],
        ["up", "--timeout", "5x"],
        ["logs", "--env"],
        ["--progress", "loud", "ps"],
        ["-C", "/nowhere/at/all", "ps"],
        ["logs", "--tail", "-1"],
        ["status", "-o", "yaml"],
        ["completion", "tcsh"],
    ],
)
def test_a_wrong_command_line_ends_with_2_and_names_the_help_page(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "--help`" in said.err


def test_no_verb_at_all_shows_the_help_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    said = capsys.readouterr()
    assert "Usage: kilter" in said.out + said.err
    assert "error:" not in said.err


@pytest.mark.parametrize("line", [["--version"], ["-C", "/", "--version"]])
def test_the_version_is_one_line(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) == 0
    assert capsys.readouterr().out == f"kilter {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion_script(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.shell_completion.BashComplete._check_version", lambda *_: None)  # starts bash
    assert run(["completion", shell]) == 0
    assert "_KILTER_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "next_step"),
    [
        (["up", "-q"], "next: it stands before the command: `kilter -q up`\n"),
        (["up", "--progress", "json"], "next: it stands before the command: `kilter --progress … up`\n"),
        (["platform", "status", "--no-color"], "before the command: `kilter --no-color platform status`\n"),
        (["up", "--force"], "next: see `kilter up --help`\n"),
    ],
)
def test_an_option_of_kilter_itself_behind_the_command_is_said_to_stand_before_it(
    line: list[str], next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of the command, which was named, does not have it."""
    assert run(line) == 2
    assert capsys.readouterr().err.endswith(next_step)
