"""`kilter status`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("status")
@click.option(
    "--watch",
    is_flag=True,
    help="Look again every 2 seconds until Ctrl-C: redrawn on a terminal, elsewhere printed when it changed.",
)
@json_output
@click.pass_obj
def command(app: App, as_json: bool, watch: bool) -> int:
    """Show the project's services, apps and pods."""
    from kilter.cli.views import status_view, watched
    from kilter.dev.status import status, watching

    if watch:
        # The project is read each time, so that a saved kilter.yaml is seen.
        seen = watching(lambda: status(app.machine, app.project()))
        return app.console.watch((watched(each, as_json=as_json) for each in seen), redraw=not as_json)
    document = status(app.machine, app.project())
    app.console.document(document) if as_json else app.console.result(status_view(document))
    return 0
