"""`kilter whoami`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("whoami")
@json_output
@click.pass_obj
def command(app: App, as_json: bool) -> None:
    """Show who this machine is logged in as, and with which rights."""
    from kilter.cli.remote import client
    from kilter.deploy.documents import WhoamiDocument
    from kilter.deploy.session import whoami

    here = client()
    who = whoami(here)
    if as_json:
        app.console.document(
            WhoamiDocument(
                server=here.login.server,
                actor=who.actor,
                role=who.role,
                scopes=who.scopes,
                expires_at=who.expires_at.isoformat(),
            )
        )
        return
    scopes = ", ".join(f"{scope.project} ({scope.env})" for scope in who.scopes)
    app.console.result(
        f"{who.actor} ({who.role}) at {here.login.server}, for {scopes}, until {who.expires_at:%Y-%m-%d}"
    )
