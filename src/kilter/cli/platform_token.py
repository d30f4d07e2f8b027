"""`kilter platform token`."""

from typing import Any

import click

from kilter.cli.app import App
from kilter.cli.options import of_cluster


@click.group("token")
def command() -> None:
    """Let somebody in: make a token."""


@command.command("create")
@of_cluster
@click.option("--actor", required=True, metavar="NAME", help="Whose token it is, as logs and pages will name them.")
@click.option(
    "--role",
    type=click.Choice(["viewer", "deployer", "maintainer", "admin"]),
    default="deployer",
    show_default=True,
    help="What it may do.",
)
@click.option("--project", default="*/*", show_default=True, metavar="ORG/APP", help="Where; `*` stands for any.")
@click.option(
    "--env", default="*", show_default=True, metavar="ENV", help="In which environments; `preview-*` is a pattern."
)
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long it is good.")
@click.pass_obj
def create(app: App, /, context: str, local: bool, **wanted: Any) -> None:
    """Make a token, and print it once.

    Needs the right to run programs in the pods of the platform's namespace.
    """
    from kilter.platform import tokens
    from kilter.platform.status import existing
    from kilter.words import counted

    with existing(app.machine, context, is_local=local) as target:
        asked = tokens.Wanted(**wanted)
        made = tokens.create(app.machine.runner, target, asked)
    where = asked.project if asked.env == "*" else f"{asked.project} in {asked.env}"
    app.console.progress.note(
        f"a token of {asked.actor} ({asked.role}, {where}) for {counted(asked.days, 'day')}; it is shown once"
    )
    app.console.result(made)
