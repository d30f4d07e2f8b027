"""`kilter restart`."""

import click

from kilter.cli.app import App
from kilter.cli.options import Duration, parts


@click.command("restart")
@click.argument("names", nargs=-1, metavar="[SERVICE]...", shell_complete=parts)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when the new pods are ready.")
@click.option("--timeout", type=Duration(), default="5m", show_default=True, help="How long to wait for readiness.")
@click.pass_obj
def command(app: App, names: tuple[str, ...], wait: bool, timeout: float) -> None:
    """Replace the pods of services or apps; volumes are kept.

    For a stuck pod. Changed values in kilter.yaml are applied by `kilter up`.
    """
    from kilter.dev.restart import restart

    app.console.result(restart(app.machine, app.project(), names, timeout if wait else None))
