"""`kilter logs`."""

import click

from kilter.cli.app import App
from kilter.cli.options import Duration


@click.command("logs")
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes.")
@click.option("--since", type=Duration(), help="Only lines younger than this, such as 10m.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last so many lines of each pod.")
@click.option("--previous", is_flag=True, help="The logs of the containers before their last restart.")
@click.pass_obj
def command(
    app: App, names: tuple[str, ...], follow: bool, since: float | None, tail: int | None, previous: bool
) -> None:
    """Show the logs of services and apps.

    All of them, with their names in front, when none is named.
    """
    from kilter.dev.logs import LogOptions, logs

    options = LogOptions(follow=follow, since=since, tail=tail, previous=previous)
    for line in logs(app.machine, app.project(), names, options):
        app.console.result(line)
