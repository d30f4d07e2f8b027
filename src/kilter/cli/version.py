"""`kilter version`."""

import click

from kilter import __version__
from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("version")
@json_output
@click.pass_obj
def command(app: App, as_json: bool) -> None:
    """Print the versions of kilter and of the tools it pins."""
    from kilter.dev.documents import VersionDocument
    from kilter.tools.versions import KUBERNETES_VERSION, TOOLS

    tools = {name: tool.version for name, tool in sorted(TOOLS.items())}
    if as_json:
        app.console.document(VersionDocument(kilter=__version__, kubernetes=KUBERNETES_VERSION, tools=tools))
        return
    lines = [f"kilter {__version__}", f"Kubernetes {KUBERNETES_VERSION}"]
    app.console.result("\n".join(lines + [f"{name} {version}" for name, version in tools.items()]))
