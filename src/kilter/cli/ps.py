"""`kilter ps`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("ps")
@click.option("--all", "everything", is_flag=True, help="Stopped projects too, and the containers that all share.")
@json_output
@click.pass_obj
def command(app: App, everything: bool, as_json: bool) -> None:
    """List the kilter projects that run on this machine."""
    from kilter.cli.views import ps_view
    from kilter.dev.ps import ps

    document = ps(app.machine, everything=everything)
    app.console.document(document) if as_json else app.console.result(ps_view(document))
