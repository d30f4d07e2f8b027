"""`kilter version`."""

import click

from kilter import __version__
from kilter.cli.app import App


@click.command("version")
@click.pass_obj
def command(app: App) -> None:
    """Print the versions of kilter and of the tools it pins."""
    from kilter.tools.versions import KUBERNETES_VERSION, TOOLS

    lines = [f"kilter {__version__}", f"Kubernetes {KUBERNETES_VERSION}"]
    app.console.result("\n".join(lines + [f"{name} {tool.version}" for name, tool in sorted(TOOLS.items())]))
