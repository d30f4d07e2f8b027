"""`kilter login`."""

import os
import sys

import click

from kilter.cli.app import App
from kilter.cli.options import chosen
from kilter.errors import BadInput

STDIN = "-"


@click.command("login")
@click.option("--server", required=True, envvar="KILTER_SERVER", metavar="URL", help="Address of the platform.")
@chosen("--token", metavar="TOKEN", help="`-` reads it from standard input; KILTER_TOKEN gives it.")
@click.option("--device", is_flag=True, help="Approve this machine in the portal instead of typing a token.")
@click.pass_obj
def command(app: App, server: str, token: str, device: bool) -> None:
    """Log in to a platform, once per machine."""
    from kilter.deploy import session
    from kilter.deploy.logins import token_of

    if device:
        who = session.log_in_by_device(
            os.environ, server, lambda code: app.console.tell(f"open {code.verification_url} and type {code.user_code}")
        )
    else:
        if token not in ("", STDIN):
            app.console.progress.warn(
                "a token on the command line is seen by others and kept by shells; `--token -` reads stdin"
            )
        if token == STDIN and sys.stdin.isatty():
            app.console.tell("paste the token, then press Enter")
        text = token_of(sys.stdin.readline() if token == STDIN else token or os.environ.get("KILTER_TOKEN", ""))
        if not text:
            raise BadInput("no token was given", hint="`--token -` reads it from standard input, or use `--device`")
        who = session.log_in(os.environ, server, text)
    app.console.result(f"logged in to {server} as {who.actor} ({who.role}), until {who.expires_at:%Y-%m-%d}")
