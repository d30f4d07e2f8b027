"""`kilter kubectl`."""

import click

from kilter.cli.app import App


@click.command("kubectl", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--] ARGUMENTS...")
@click.pass_obj
def command(app: App, arguments: tuple[str, ...]) -> int:
    """Run kubectl against the project's own cluster.

    Uses the project's kubeconfig and namespace, and refuses any other context: `kilter kubectl -- get pods`.
    """
    from kilter.dev.kubectl import passthrough

    return passthrough(app.machine, app.project(), arguments, app.directory)
