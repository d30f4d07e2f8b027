"""`kilter completion`."""

import click
from click.shell_completion import get_completion_class

from kilter.cli.app import App


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
