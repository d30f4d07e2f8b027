"""`kilter up`."""

from typing import TYPE_CHECKING

import click

from kilter.cli.app import App
from kilter.cli.options import Duration

if TYPE_CHECKING:  # `kilter up --help` must not pay for this import
    from kilter.project.load import Project


@click.command("up")
@click.option("--attach", is_flag=True, help="Stay in front and follow the dev loop; Ctrl-C detaches or ends it.")
@click.option("--timeout", type=Duration(), default="5m", show_default=True, help="How long to wait for readiness.")
@click.option("--timings", is_flag=True, help="Print how long each part took and what the rest waited for.")
@click.option(
    "--recreate",
    is_flag=True,
    help="Make a new cluster where the old one is gone or beyond repair; it takes over the services' data.",
)
@click.option(
    "--reassign-ports",
    is_flag=True,
    help="Move the project to other ports where another program holds one of its own; only without a cluster.",
)
@click.pass_obj
def command(app: App, attach: bool, timeout: float, timings: bool, recreate: bool, reassign_ports: bool) -> None:
    """Start the project's cluster, its services and the dev loop.

    Creates the cluster, or starts the existing one; returns when every declared service and the app answer at their
    printed addresses. Run it again at any time: it changes only what differs.
    """
    from kilter.cli.views import up_view
    from kilter.dev.attach import follow
    from kilter.dev.timings import Timings, table
    from kilter.dev.up import UpOptions, up

    clock = Timings(app.machine.progress)
    project = app.project()
    options = UpOptions(timeout=timeout, recreate=recreate, reassign_ports=reassign_ports)
    result = up(app.machine.reporting_to(clock), project, options)
    app.console.result(up_view(result))
    if timings:
        app.console.result(table(clock.spans))
    if attach and follow(app.machine, project, app.console.result):
        leave(app, project)


def leave(app: App, project: "Project") -> None:
    """End the dev loop if the user says so; without a word from anybody it runs on (LC-Q6)."""
    from kilter.dev.down import down

    if app.console.interactive and app.console.ask("[d]etach (default) or dow[n]?").lower() in ("n", "down"):
        app.console.result(down(app.machine, project))
    else:
        app.console.progress.note("detached: the dev loop runs on, `kilter down` ends it")
