"""`kilter env delete`."""

import time

import click

from kilter.cli.app import App
from kilter.cli.options import Duration


@click.command("delete")
@click.argument("env", metavar="NAME")
@click.option("--project", default="", metavar="ORG/APP", help="Project on the platform.")
@click.option("--keep-database", is_flag=True, help="Leave the environment's database where it is.")
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="How long to wait.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(app: App, env: str, project: str, keep_database: bool, timeout: float, yes: bool) -> None:
    """Delete an environment from the platform: its app, its database, its secrets, its address."""
    from kilter.cli.remote import client, name_of
    from kilter.deploy.follow import Follower
    from kilter.deploy.queries import delete, environment

    here, name = client(), name_of(app, project)
    found = environment(here, name, env)
    if not yes:
        kept = "is kept" if keep_database else "goes too, unless the platform keeps it"
        app.ask_for_name(
            f"{name}/{env}",
            [f"{found.url or found.namespace} at {here.login.server} will be gone; its database {kept}"],
        )
    accepted = delete(here, name, env, keep_database=keep_database)
    with app.console.progress.step(f"delete {name}/{env}"):
        Follower(here, app.console.progress, accepted.deploy_id, time.monotonic() + timeout).run()
    app.console.result(f"{name}/{env} is gone; its database was {'kept' if accepted.database == 'keep' else 'dropped'}")
