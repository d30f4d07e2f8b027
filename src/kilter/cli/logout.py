"""`kilter logout`."""

import os

import click

from kilter.cli.app import App


@click.command("logout")
@click.option("--all", "everything", is_flag=True, help="From every platform.")
@click.pass_obj
def command(app: App, everything: bool) -> None:
    """Forget the login to the current platform.

    That is the one of the last `kilter login`, or the one that KILTER_SERVER names. A token that came by `--device` is
    revoked; one that you pasted stays good, and Account in the portal revokes it.
    """
    from kilter.deploy import session

    out = session.log_out(os.environ, everything=everything)
    for fault in out.faults:
        app.console.progress.warn(fault)
    if out.left:
        app.console.progress.note(f"still logged in to {', '.join(out.left)}; KILTER_SERVER names one of them")
    if os.environ.get("KILTER_TOKEN", "").strip():
        app.console.progress.note("KILTER_TOKEN is set: whoever uses this shell goes on with its token")
    names = ", ".join(login.server for login in out.gone)
    app.console.result(f"logged out of {names}" if names else "already logged out")
