"""`kilter env`."""

from pathlib import Path
from typing import Literal

import click

from kilter.cli.app import App
from kilter.cli.options import PathThere, json_output

Section = Literal["localhost", "in-cluster"]


class WithDelete(click.Group):
    """The addresses, and beneath them the one verb that is about an environment of the platform."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the name of that verb."""
        return ["delete"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import it only when it is called."""
        if name != "delete":
            return None
        from kilter.cli.env_delete import command as delete

        return delete


@click.group("env", invoke_without_command=True, cls=WithDelete)
@click.option("--localhost", "section", flag_value="localhost", help="Only the addresses for this machine.")
@click.option("--in-cluster", "section", flag_value="in-cluster", help="Only the addresses for pods.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["dotenv", "export", "json"]),
    default="dotenv",
    show_default=True,
    help="NAME=value lines, lines for a shell, or JSON.",
)
@click.option("--check", type=PathThere(path_type=Path), help="Compare a .env file; exit 1 when it differs.")
@click.option("--check-live", is_flag=True, help="Ask every localhost address whether it is this project's.")
@json_output
@click.pass_context
def command(
    ctx: click.Context, section: Section | None, form: str, check: Path | None, check_live: bool, as_json: bool
) -> int:
    """Print the addresses of every service as environment variables.

    Each service has two addresses: one for code that runs in the cluster, one for everything on this machine. This is
    about addresses; `env:` in kilter.yaml sets variables, and `deploy --env` names a place on the platform.
    """
    if ctx.invoked_subcommand:
        return 0
    app: App = ctx.obj
    from kilter.dev import environment

    if check and (check_live or as_json or form != "dotenv" or section == "in-cluster"):
        raise click.UsageError("--check goes with none of --check-live, --json, --format and --in-cluster")
    view = environment.read(app.machine, app.project())
    if check:
        return app.console.differences(environment.differences(view, check, app.machine), str(check))
    if silence := environment.silence(view):
        app.console.progress.note(silence)
    if as_json or form == "json":
        app.console.document(view.document())
    else:
        app.console.result(view.text(section, "export" if form == "export" else "dotenv"))
    if not check_live:
        return 0
    fine, wrong = environment.live(view)
    for line in fine:
        app.console.progress.note(line)
    for line in wrong:  # standard output holds the addresses, which programs read
        app.console.progress.warn(line)
    return 1 if wrong else app.console.differences((), "this machine")
