"""`kilter status`."""

import click

from kilter.cli.app import App
from kilter.cli.options import json_output
from kilter.cli.remote import or_of_project
from kilter.errors import BadInput


@click.command("status")
@click.option(
    "--watch",
    is_flag=True,
    help="Look again every 2 seconds until Ctrl-C: redrawn on a terminal, elsewhere printed when it changed.",
)
@or_of_project
@json_output
@click.pass_obj
def command(app: App, as_json: bool, watch: bool, project: str, env: str) -> int:
    """Show the project's services, apps and pods, or how an environment of the platform stands."""
    if project and not env:
        raise BadInput("--project is about the platform", hint="name the environment too: `--env prod`")
    if env:
        if watch:
            raise BadInput("--watch is about the local cluster", hint="leave out --watch or --env")
        return of_platform(app, project, env, as_json=as_json)
    from kilter.cli.views import status_view, watched
    from kilter.dev.status import status, watching

    if watch:
        # The project is read each time, so that a saved kilter.yaml is seen.
        seen = watching(lambda: status(app.machine, app.project()))
        return app.console.watch((watched(each, as_json=as_json) for each in seen), redraw=not as_json)
    document = status(app.machine, app.project())
    app.console.document(document) if as_json else app.console.result(status_view(document))
    return 0


def of_platform(app: App, project: str, env: str, *, as_json: bool) -> int:
    """Show an environment of the platform; exit code 10 when what its users meet is not what was deployed."""
    from kilter.cli.remote import client, environment_view, name_of
    from kilter.deploy.documents import EnvironmentDocument
    from kilter.deploy.queries import environment
    from kilter.errors import NotReady

    here = client()
    found = environment(here, name_of(app, project), env)
    document = EnvironmentDocument(server=here.login.server, environment=found)
    app.console.document(document) if as_json else app.console.result(environment_view(document))
    return NotReady.exit_code if found.phase == "Failed" else 0
