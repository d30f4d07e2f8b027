"""`kilter open`."""

import webbrowser

import click

from kilter.cli.app import App
from kilter.cli.remote import of_project
from kilter.errors import NotFound


@click.command("open")
@of_project
@click.pass_obj
def command(app: App, project: str, env: str) -> None:
    """Open an environment's address in the browser, and print it."""
    from kilter.cli.remote import client, name_of
    from kilter.deploy.queries import environment

    found = environment(client(), name_of(app, project), env or "prod")
    if not found.url:
        raise NotFound(
            f"{found.org}/{found.app} {found.env} has no public address",
            why="`public` is false, or it never ran",
            hint=f"`kilter status --project {found.org}/{found.app} --env {found.env}` tells which",
        )
    app.console.result(found.url)
    if app.console.interactive:
        webbrowser.open(found.url)
