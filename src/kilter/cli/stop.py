"""`kilter stop`."""

import click

from kilter.cli.app import App
from kilter.errors import Failed


@click.command("stop")
@click.option("--all", "everything", is_flag=True, help="Stop every kilter project of this machine.")
@click.pass_obj
def command(app: App, everything: bool) -> None:
    """Stop the cluster and free its memory; all data is kept.

    Ends the dev loop, lets the databases close their files, and stops the cluster's container. `kilter up` resumes.
    """
    from kilter.dev.stop import stop, stop_all
    from kilter.words import counted

    if not everything:
        app.console.result(stop(app.machine, app.project_to_end()))
        return
    found = stop_all(app.machine)
    app.console.result(found.said)
    if found.left:
        raise Failed(f"{counted(len(found.left), 'project')} could not be stopped", details=found.left)
