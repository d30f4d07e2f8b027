"""`kilter destroy`."""

import click

from kilter.cli.app import App
from kilter.errors import BadInput


@click.command("destroy")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@click.option("--no-snapshot", is_flag=True, help="Accept that the databases go without a snapshot.")
@click.option("--purge", is_flag=True, help="Take all but the repository: ports, password, data folder, images.")
@click.pass_obj
def command(app: App, yes: bool, no_snapshot: bool, purge: bool) -> None:
    """Delete the cluster and all its data.

    To free memory and keep the data, use `kilter stop`. Ports and credentials stay as they are, so that a new
    `kilter up` comes back at the same addresses; `--purge` gives them back.
    """
    from kilter.dev.destroy import destroy, losses, purged

    project = app.project_to_end()
    listed = losses(app.machine, project)
    if listed and not no_snapshot:
        raise BadInput(
            f"{project.name} has data that `destroy` would delete for good",
            why="this release takes no snapshots yet",
            hint="`kilter stop` keeps the data; `kilter destroy --no-snapshot` deletes it",
            details=listed,
        )
    if not yes:
        going = [*listed, *(purged(app.machine, project) if purge else [])]
        app.ask_for_name(project.name, ["destroy deletes:", *going] if going else [])
    app.console.result(destroy(app.machine, project, purge=purge))
