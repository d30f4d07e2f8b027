"""What kilter tells people to type must exist: every `kilter …` in a text of the code is checked against the CLI."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import click

import kilter as package
from kilter.cli.main import VERBS, kilter

CODE = Path(package.__file__).parent
ADVICE = re.compile(r"`kilter ([a-z][^`]*)`")
GLOBAL = {name for parameter in kilter.params for name in parameter.opts}


@cache
def advice() -> frozenset[tuple[str, str]]:
    """Every `kilter …` of the code's texts with the file that holds it; docstrings count too."""
    return frozenset(
        (" ".join(words.split()), str(file.relative_to(CODE)))
        for file in CODE.rglob("*.py")
        if "`kilter" in (text := file.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for words in ADVICE.findall(node.value)
    )


def wrong(words: str) -> str:
    """Say what is wrong with a command line that kilter advises, or nothing."""
    verb, *rest = shlex.split(words)
    if verb not in VERBS:
        return f"no verb {verb}"
    command = kilter.get_command(click.Context(kilter), verb)
    assert command is not None
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        verb = rest.pop(0)
        below = command.get_command(click.Context(command), verb)
        if below is None:
            return f"no verb {verb}"
        command = below
    flags = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    rest = rest[: rest.index("--")] if "--" in rest else rest
    unknown = [word for word in rest if word.startswith("-") and word not in flags | GLOBAL | {"--help", "-"}]
    return f"{verb} has no {', '.join(unknown)}" if unknown else ""


def test_there_is_advice_to_check() -> None:
    assert len(advice()) > 20


def test_every_command_that_kilter_advises_exists() -> None:
    found = {(words, where): wrong(words) for words, where in advice()}
    assert {words: fault for words, fault in found.items() if fault} == {}


def test_what_a_deploy_refuses_before_the_build_says_what_to_do() -> None:
    text = (CODE / "deploy/section.py").read_text()
    raised = [node.exc for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Raise) and node.exc]
    assert len(raised) > 5
    silent = [
        ast.unparse(each)
        for each in raised
        if not (isinstance(each, ast.Call) and any(keyword.arg == "hint" for keyword in each.keywords))
    ]
    assert silent == []
