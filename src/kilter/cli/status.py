"""`kilter status`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("status")
@json_output
@click.pass_obj
def command(app: App, as_json: bool) -> None:
    """Show the project's services, apps and pods."""
    from kilter.cli.views import status_view
    from kilter.dev.status import status

    document = status(app.machine, app.project())
    app.console.document(document) if as_json else app.console.result(status_view(document))
