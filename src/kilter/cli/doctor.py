"""`kilter doctor`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output


@click.command("doctor")
@click.option(
    "--fix", is_flag=True, help="Mend what can be mended: fetch tools, rebuild records, start the shared registry."
)
@json_output
@click.pass_obj
def command(app: App, fix: bool, as_json: bool) -> int:
    """Check what this machine needs to run kilter.

    Where you are logged in, the platform is asked too. Ends with exit code 4 when something is missing.
    """
    from msgspec.structs import replace

    from kilter.cli.views import doctor_view
    from kilter.dev.doctor import doctor
    from kilter.platform.doctor import rows

    found = doctor(app.machine, fix=fix, directory=app.directory)
    document = replace(found, checks=[*found.checks, *rows(app.machine.environment)])
    app.console.document(document) if as_json else app.console.result(doctor_view(document))
    return 0 if document.ok else 4
