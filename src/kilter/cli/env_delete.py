"""`kilter env delete`."""

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from kilter.cli.app import App
from kilter.cli.options import Duration
from kilter.cli.remote import of_name
from kilter.errors import BadInput
from kilter.words import counted

if TYPE_CHECKING:
    from kilter.api.words import DatabasePolicy


def keep_or_drop(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--keep-database` and `--drop-database`; the verb gets `database`, None when neither is given."""

    @wraps(command)
    def wrapper(*args: Any, keep_database: bool, drop_database: bool, **rest: Any) -> Any:
        if keep_database and drop_database:
            raise BadInput("--keep-database and --drop-database contradict each other", hint="leave one of them out")
        database = "keep" if keep_database else "drop" if drop_database else None
        return command(*args, database=database, **rest)

    drop = click.option("--drop-database", is_flag=True, help="Drop its database, with all data in it.")
    keep = click.option("--keep-database", is_flag=True, help="Keep its database for a later deploy to take up.")
    return keep(drop(wrapper))


@click.command("delete")
@click.argument("env", metavar="NAME")
@of_name
@keep_or_drop
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="How long to wait.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(app: App, env: str, project: str, database: "DatabasePolicy | None", timeout: float, yes: bool) -> None:
    """Delete an environment from the platform: its app, its address, its Secrets, its volumes.

    Its database goes too where the environment is ephemeral, and is kept elsewhere, unless an option says what becomes
    of it. For dropping that of a protected environment the name is asked for a second time.
    """
    from kilter.cli.remote import client, name_of
    from kilter.deploy.follow import detachable, follow
    from kilter.deploy.queries import delete, environment
    from kilter.deploy.session import whoami
    from kilter.deploy.target import check_role

    here, name = client(), name_of(app, project)
    found = environment(here, name, env)
    # Said to the server even where it is its default: what was shown here is what is done.
    chosen = database or ("drop" if found.env_class == "ephemeral" else "keep")
    twice = chosen == "drop" and found.env_class == "protected"
    if not yes:
        # Nobody types a name for a refusal; without a question the platform itself refuses, as it does for all.
        check_role(whoami(here), "admin" if found.env_class == "protected" else "maintainer")
        address = f"{found.url or found.namespace} at {here.login.server}"
        losses = [f"goes: {address}, with its pods, Secrets and volumes", fate(chosen, env, found.database_kept_days)]
        app.ask_for_name(f"{name}/{env}", losses)
        if twice:
            app.ask_for_name(f"{name}/{env}", [f"{env} is protected: once more, for its database"])
    accepted = delete(here, name, env, chosen, confirm_database=twice)
    with detachable(accepted.deploy_id, "deletion"):
        limit = time.monotonic() + timeout
        follow(here, app.console.progress, f"delete {name}/{env}", accepted.deploy_id, limit, name.options(env))
    app.console.result(f"{name}/{env} is gone\n{fate(accepted.database, env, accepted.database_kept_days)}")


def fate(database: "DatabasePolicy", env: str, days: int | None) -> str:
    """Say what becomes of an environment's database; kilter cannot tell from here whether it has one."""
    if database == "drop":
        return "goes: its database, if it has one, with all data in it"
    stays, by_then = (f"stays for {counted(days, 'day')}", " until then") if days else ("stays", "")
    return f"{stays}: its database, if it has one; a deploy to {env}{by_then} takes it up again"
