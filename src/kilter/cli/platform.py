"""`kilter platform`: the administrator's verbs, each imported only when it is called."""

from importlib import import_module

import click

VERBS = ("install", "status", "token", "uninstall")


class PlatformGroup(click.Group):
    """The verbs of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one verb; None when there is no such verb."""
        if name not in VERBS:
            return None
        found: click.Command = import_module(f"kilter.cli.platform_{name}").command
        return found


@click.group("platform", cls=PlatformGroup)
def command() -> None:
    """Install and look after a platform: the cluster that a team deploys to."""
