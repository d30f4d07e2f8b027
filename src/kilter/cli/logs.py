"""`kilter logs`."""

from contextlib import closing
from typing import Any

import click

from kilter.cli.app import App
from kilter.cli.options import Duration, parts
from kilter.cli.remote import or_of_project
from kilter.errors import BadInput

MOST_LINES = 10_000  # of each pod, that the platform gives at once


@click.command("logs")
@click.argument("names", nargs=-1, metavar="[SERVICE]...", shell_complete=parts)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes, from new pods too.")
@click.option("--since", type=Duration(), help="Only lines younger than this, such as 10m.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last so many lines of each pod.")
@click.option("--previous", is_flag=True, help="The logs of the containers before their last restart.")
@or_of_project
@click.pass_obj
def command(app: App, /, names: tuple[str, ...], project: str, env: str, **given: Any) -> None:
    """Show the logs of services and apps.

    All of them, with their names in front, when none is named. With `--env` those of the app and its processes on the
    platform; without it those of the local cluster.
    """
    if env:
        from kilter.cli.remote import client, name_of
        from kilter.deploy.queries import logs as remote

        here, name, query = client(), name_of(app, project), log_query(names, given)
        app.console.progress.note(f"{name} {env} (platform {here.login.server})")
        app.console.lines(remote(here, name, env, **query))
        return
    from kilter.dev.logs import LogOptions, logs

    with closing(logs(app.machine, app.project(), names, LogOptions(**given))) as lines:
        app.console.lines(lines)


def log_query(names: tuple[str, ...], given: dict[str, Any]) -> dict[str, str]:
    """Return the options as the platform's query takes them. Raises BadInput for what it cannot do."""
    if len(names) > 1 or given["previous"]:
        raise BadInput(
            "several names, and --previous, are for the local cluster",
            hint="with --env, name one process at most, and leave --previous out",
        )
    if given["tail"] is not None and not 1 <= given["tail"] <= MOST_LINES:
        raise BadInput(f"with --env, --tail is 1 to {MOST_LINES}")
    query = {"follow": "true"} if given["follow"] else {}
    query |= {"process": names[0]} if names else {}
    query |= {"since": f"{given['since']:.0f}s"} if given["since"] else {}
    return query | ({"lines": str(given["tail"])} if given["tail"] is not None else {})
