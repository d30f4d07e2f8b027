"""`kilter apps`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("apps")
@json_output
@click.pass_obj
def command(app: App, as_json: bool) -> None:
    """List the projects on the platform and how their environments stand."""
    from kilter.cli.remote import apps_view, client
    from kilter.deploy.documents import AppsDocument
    from kilter.deploy.queries import projects

    here = client()
    found = AppsDocument(server=here.login.server, projects=projects(here))
    app.console.document(found) if as_json else app.console.result(apps_view(found))
