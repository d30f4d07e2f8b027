"""`kilter down`."""

import click

from kilter.cli.app import App


@click.command("down")
@click.pass_obj
def command(app: App) -> None:
    """End the dev loop (Tilt); the cluster and its services run on.

    Pods keep running and the addresses still answer. `kilter stop` frees the memory, `kilter up` starts the loop again.
    """
    from kilter.dev.down import down

    app.console.result(down(app.machine, app.project_to_end()))
