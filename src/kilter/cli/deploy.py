"""`kilter deploy`."""

from typing import TYPE_CHECKING, Any

import click

from kilter.cli.app import App
from kilter.cli.later import not_yet
from kilter.cli.options import Duration, chosen, json_output, on_command_line
from kilter.cli.remote import of_project
from kilter.errors import BadInput

if TYPE_CHECKING:
    from kilter.deploy.deploy import Deployed

WITH_FOLLOW = {"follow", "timeout", "json", "output"}
TIMEOUT = "How long to wait; when given, also how long the release may take to become ready."


@click.command("deploy")
@of_project
@chosen("--registry", envvar="KILTER_REGISTRY", metavar="HOST/SCOPE", help="Where the image goes.")
@chosen("--image", metavar="DIGEST", help="Deploy this image, `<repository>@sha256:…`; no build.")
@chosen("--platform", help="What the image is for, such as linux/amd64.")
@click.option("--timeout", type=Duration(), default="15m", show_default=True, help=TIMEOUT)
@click.option("--no-wait", is_flag=True, help="Return as soon as the platform has accepted the deploy.")
@chosen("--follow", metavar="ID", help="Deploy nothing; follow a deploy that was accepted before.")
@click.option("--dry-run", is_flag=True, help="Check, and print what would change; nothing is built.")
@click.option("--allow-dirty", is_flag=True, help="Let a protected environment have uncommitted changes.")
@click.option("-m", "--message", default="", help="A sentence for the list of releases.")
@click.option("--yes", is_flag=True, help="Do not ask before a first deploy that goes to prod by default.")
@not_yet("--bootstrap", "--migration", "--plan-id=", "--skip-migration-check", "--allow-destructive")
@not_yet("--seed", "--reseed=", "--keep-secrets", "--prune-secrets", "--allow-tracked-secrets")
@json_output
@click.pass_obj
def command(app: App, /, project: str, env: str, as_json: bool, **given: Any) -> None:
    """Build this project, and run it on the platform, until it answers at its public address."""
    from kilter.cli.remote import client, confirm_target, name_of, offer_to_write, show_deployed, show_plan
    from kilter.deploy.deploy import Deployment, DeployOptions

    typed = on_command_line()
    if given["follow"]:
        show_deployed(app, followed(app, given["follow"], given["timeout"], typed), as_json=as_json)
        return
    here, name, loaded = client(), name_of(app, project), app.project()
    written = loaded.config.deploy.registry if loaded.config.deploy else None
    options = DeployOptions(
        env=env or "prod",
        registry=given["registry"] or written or "",
        image=given["image"],
        message=given["message"],
        platform=given["platform"],
        timeout=given["timeout"],
        ready_timeout=given["timeout"] if "timeout" in typed else 0.0,
        wait=not given["no_wait"],
        allow_dirty=given["allow_dirty"],
    )
    work = Deployment(here, app.machine.runner, app.console.progress, loaded, name, options)
    if given["dry_run"]:
        show_plan(app, work.plan(), as_json=as_json)
        return
    confirm_target(app, here, name, env, yes=given["yes"])
    deployed = work.run()
    show_deployed(app, deployed, as_json=as_json)
    if deployed.release == 1:
        offer_to_write(app, loaded, name, given["registry"])


def followed(app: App, deploy_id: str, timeout: float, typed: set[str]) -> "Deployed":
    """Follow what was accepted before. Raises BadInput for options that would be about another deploy."""
    from kilter.cli.remote import client
    from kilter.deploy.attach import attach

    if others := sorted(typed - WITH_FOLLOW):
        names = ", ".join(f"--{each.replace('_', '-')}" for each in others)
        raise BadInput("--follow deploys nothing", hint=f"leave out --follow or {names}")
    return attach(client(), app.console.progress, deploy_id, timeout)
