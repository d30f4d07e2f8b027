"""`kilter init`."""

import click

from kilter.cli.app import App
from kilter.cli.options import chosen


@click.command("init")
@chosen("--name", help="The project's name; default is the directory's.")
@click.option("--dry-run", is_flag=True, help="Print the file instead of writing it.")
@click.pass_obj
def command(app: App, name: str, dry_run: bool) -> None:
    """Write a kilter.yaml for this directory.

    An existing file is never touched.
    """
    from kilter.dev.init import init

    app.console.result(init(app.directory, name, dry_run=dry_run))
