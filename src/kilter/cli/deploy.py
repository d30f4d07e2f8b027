"""`kilter deploy`."""

from typing import Any

import click

from kilter.cli.app import App
from kilter.cli.options import Duration, json_output
from kilter.cli.remote import of_project


@click.command("deploy")
@of_project
@click.option("--registry", default="", envvar="KILTER_REGISTRY", metavar="HOST/SCOPE", help="Where the image goes.")
@click.option("--image", default="", metavar="DIGEST", help="Deploy this image, `<repository>@sha256:…`; no build.")
@click.option("--platform", default="", help="Architecture to build for, such as linux/amd64.")
@click.option("--timeout", type=Duration(), default="15m", show_default=True, help="How long to wait, not to work.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the platform has accepted the deploy.")
@click.option("--dry-run", is_flag=True, help="Check, and print what would be submitted; nothing is built.")
@click.option("-m", "--message", default="", help="A sentence for the list of releases.")
@click.option("--yes", is_flag=True, help="Do not ask before the first deploy to a protected environment.")
@json_output
@click.pass_obj
def command(app: App, /, project: str, env: str, as_json: bool, **given: Any) -> None:
    """Build this project, and run it on the platform, until it answers at its public address."""
    from kilter.cli.remote import client, confirm_target, deployed_document, name_of
    from kilter.deploy.deploy import Deployment, DeployOptions

    here, name, loaded = client(), name_of(app, project), app.project()
    written = loaded.config.deploy.registry if loaded.config.deploy else None
    options = DeployOptions(
        env=env or "prod",
        registry=given["registry"] or written or "",
        image=given["image"],
        message=given["message"],
        platform=given["platform"],
        timeout=given["timeout"],
        wait=not given["no_wait"],
    )
    work = Deployment(here, app.machine.runner, app.console.progress, loaded, name, options)
    if given["dry_run"]:
        app.console.document(work.plan())
        return
    confirm_target(app, here, name, env, yes=given["yes"])
    result = work.run()
    if as_json:
        app.console.document(deployed_document(result))
    elif result.answered:
        app.console.result(f"{result.url}")
        app.console.progress.note(f"release {result.release} answers there ({result.answered})")
    else:
        app.console.result(result.url or result.deploy_id)
