"""`kilter completion`."""

import click
from click.shell_completion import FishComplete, add_completion_class, get_completion_class

from kilter.cli.app import App


class Fish(FishComplete):
    """Fish's script, which takes no comma of a description for the end of it, as click 8.4 does."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


add_completion_class(Fish)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def command(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    For bash: `kilter completion bash > ~/.local/share/bash-completion/completions/kilter`.
    """
    from kilter.cli.main import COMPLETE, kilter

    completion = get_completion_class(shell)
    assert completion is not None, shell
    app.console.result(completion(kilter, {}, "kilter", COMPLETE).source())
