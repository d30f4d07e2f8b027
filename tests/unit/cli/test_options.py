"""The options that several verbs share."""

from pathlib import Path

import click
import pytest

from kilter.cli import main
from kilter.cli.main import Verb, run
from kilter.cli.options import Duration, PathThere, json_output

SEEN: dict[str, object] = {}


@click.command("version")
@click.option("--timeout", type=Duration(), default="5m")
@click.option("--values", type=PathThere(exists=True, path_type=Path))
@json_output
def command(timeout: float, values: Path | None, as_json: bool) -> None:
    """Say what was understood."""
    SEEN.update(timeout=timeout, values=values, as_json=as_json)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the verb above in the place of `kilter version`."""
    SEEN.clear()
    monkeypatch.setitem(main.VERBS, "version", Verb(__name__, "Say."))


@pytest.mark.parametrize(
    ("flags", "as_json"),
    [
        ([], False),
        (["--json"], True),
        (["-o", "json"], True),
        (["--output", "json"], True),
        (["-o", "text"], False),
        (["--json", "-o", "json"], True),
    ],
)
def test_json_has_two_spellings(flags: list[str], as_json: bool) -> None:
    assert run(["version", *flags]) == 0
    assert SEEN["as_json"] is as_json


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("0.5s", 0.5)])
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert run(["version", "--timeout", text]) == 0
    assert SEEN["timeout"] == seconds


def test_a_default_duration_is_read_like_any_other() -> None:
    assert run(["version"]) == 0
    assert SEEN["timeout"] == 300.0


@pytest.mark.parametrize("text", ["5", "5x", "", "-1s", "0s", "1e9s", "５m５", "５m", "9" * 400 + "h", "1m 30s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version", "--timeout", text]) == 2
    assert "write it as 90s, 5m or 1h30m" in capsys.readouterr().err
    assert SEEN == {}


def test_the_help_of_the_verb_is_its_own() -> None:
    assert command.help == "Say what was understood."


def test_a_path_is_meant_from_the_directory_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    for file in (tmp_path / "values.yaml", tmp_path / "there" / "more.yaml"):
        file.touch()
    monkeypatch.chdir(tmp_path)
    for line, found in (
        (["version", "--values", "values.yaml"], Path("values.yaml")),
        (["-C", "there", "version", "--values", "more.yaml"], Path("there/more.yaml")),
        (["-C", "there", "version", "--values", str(tmp_path / "values.yaml")], tmp_path / "values.yaml"),
    ):
        assert run(line) == 0
        assert SEEN["values"] == found
    assert run(["-C", "there", "version", "--values", "values.yaml"]) == 2
