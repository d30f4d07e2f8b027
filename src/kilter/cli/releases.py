"""`kilter releases`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output
from kilter.cli.remote import of_project


@click.command("releases")
@of_project
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many.")
@json_output
@click.pass_obj
def command(app: App, project: str, env: str, limit: int, as_json: bool) -> None:
    """List the deploys of an environment, newest first."""
    from kilter.cli.remote import client, name_of, releases_view
    from kilter.deploy.documents import ReleasesDocument
    from kilter.deploy.queries import releases

    here, name, env = client(), name_of(app, project), env or "prod"
    deploys = releases(here, name, env, limit)
    found = ReleasesDocument(server=here.login.server, project=str(name), env=env, deploys=deploys)
    app.console.document(found) if as_json else app.console.result(releases_view(found))
