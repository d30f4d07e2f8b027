"""What the verbs of the platform share: their options, the client, and how documents look as text."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from kilter.cli.app import App
from kilter.cli.options import chosen
from kilter.errors import NotFound

if TYPE_CHECKING:
    from kilter.deploy.client import Client
    from kilter.deploy.deploy import Deployed
    from kilter.deploy.documents import AppsDocument, DeployPlanDocument, EnvironmentDocument, ReleasesDocument
    from kilter.deploy.names import ProjectName
    from kilter.project.load import Project


def of_project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--project` and `--env` to a verb of the platform."""
    named = chosen("--env", envvar="KILTER_ENV", metavar="NAME", help="Environment; by default prod.")
    return of_name(named(command))


def or_of_project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a verb that is about the local cluster unless `--env` is typed; KILTER_ENV does not change that."""
    return of_name(chosen("--env", metavar="NAME", help="An environment of the platform.")(command))


def of_name(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--project` to a verb of the platform."""
    return chosen("--project", metavar="ORG/APP", help="Project on the platform.")(command)


def client() -> "Client":
    """Return the client of the server that this machine is logged in to; it is closed when the verb ends."""
    from kilter.deploy import logins
    from kilter.deploy.client import Client

    return click.get_current_context().with_resource(Client(logins.current(os.environ)))


def name_of(app: App, flag: str) -> "ProjectName":
    """Return the project of the platform that is meant; kilter.yaml is asked only when nobody else says it.

    Raises BadInput when nobody does, and what is wrong with that file.
    """
    from kilter.deploy.names import project_name

    written = None
    if not (flag or os.environ.get("KILTER_PROJECT")):
        with suppress(NotFound):
            written = app.project().config.app
    return project_name(flag, os.environ, written)


def confirm_target(app: App, here: "Client", name: "ProjectName", env: str, *, yes: bool) -> None:
    """Ask once before the first deploy of a project to production when nobody named the environment (DP-Q2)."""
    from kilter.deploy.queries import environment
    from kilter.errors import BadInput

    if env or yes:
        return
    try:
        environment(here, name, "prod")
    except NotFound:
        if not app.console.interactive:
            raise BadInput(
                f"{name} was never deployed to prod, and this deploy would go there",
                hint="say so with `--env prod` or `--yes`",
            ) from None
        told = f"{name} was never deployed to prod; this deploy goes there, at {here.login.server}"
        app.ask_for_name(str(name), [told])


def offer_to_write(app: App, loaded: "Project", name: "ProjectName", registry: str) -> None:
    """Offer to write into kilter.yaml what the command line said of the platform, so that it need not again (DP-Q3)."""
    from kilter.dev.changing import change
    from kilter.project.edit import set_platform

    if loaded.config.app or not app.console.interactive:
        return
    lines = f"`app: {name}`" + (f" and `deploy.registry: {registry}`" if registry else "")
    if app.console.ask(f"Write {lines} into kilter.yaml, for the next time? [y/N]").lower() not in ("y", "yes"):
        return
    change(loaded.file, app.console.progress, lambda text: set_platform(text, str(name), registry))


def show_deployed(app: App, result: "Deployed", *, as_json: bool) -> None:
    """Print what came of a deploy that was followed to its end."""
    from dataclasses import asdict

    from kilter.deploy.documents import DeployedDocument

    if result.url.startswith("http://"):
        app.console.progress.note("the platform has no certificate, so its addresses are plain http")
    if as_json:
        app.console.document(DeployedDocument(**asdict(result)))
    elif result.answered:
        app.console.result(result.url)
        app.console.progress.note(f"release {result.release} answers there ({result.answered})")
    else:
        app.console.result(result.url or result.deploy_id)


def show_plan(app: App, planned: "DeployPlanDocument", *, as_json: bool) -> None:
    """Print what a deploy would change."""
    if as_json:
        app.console.document(planned)
    else:
        app.console.result(plan_view(planned))
        app.console.progress.note("this is a plan; nothing was built or changed")


def plan_view(planned: "DeployPlanDocument") -> str:
    """Print where a deploy would go and with what, then one line per route, process and service."""
    from kilter.cli.views import columns

    known = f"release {planned.release} is the newest" if planned.release else "nothing was released there yet"
    known = known if planned.exists else "an environment to be made"
    tree = planned.commit[:12] + (" and uncommitted changes" if planned.dirty else "")
    outside = "a directory that Git cannot read" if planned.dirty else "a directory outside of Git"
    built = f"built from {tree if planned.commit else outside}"
    lines = [
        f"{planned.project} to {planned.env} at {planned.server}: {known}" + (", protected" * planned.protected),
        f"  host   {planned.host}" + ("" if planned.app.public else " (internal: nothing leads there)"),
        f"  image  {planned.image or built}",
    ]
    marks = {"added": "+", "removed": "-", "kept": "=", None: "?"}
    rows = [(marks[one.change], one.kind, one.name, ", ".join(one.variables)) for one in planned.changes]
    return "\n".join([*lines, *(f"  {row}" for row in columns(rows))])


def apps_view(found: "AppsDocument") -> str:
    """Print which platform it is, then one line per environment (NS-Q5)."""
    from kilter.cli.views import columns

    rows = [("PROJECT", "ENV", "PHASE", "RELEASE", "URL")]
    rows += [
        (f"{tile.org}/{tile.app}", env.env, env.phase, str(env.release or "-"), env.url or "-")
        for tile in found.projects
        for env in tile.envs
    ]
    head = f"platform {found.server}"
    return "\n".join([head, *columns(rows)]) if len(rows) > 1 else f"{head}: no project is deployed there yet"


def environment_view(document: "EnvironmentDocument") -> str:
    """Print how an environment stands: where it answers, what serves, what failed."""
    from kilter.words import counted, escaped_lines

    found = document.environment
    lines = [f"{found.org}/{found.app} {found.env} is {found.phase} (platform {document.server})"]
    if found.as_of:
        said = "the platform has heard nothing from its cluster since"
        lines.append(f"  warning: as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC: {said}")
    lines += [f"  url       {found.url}"] if found.url else []
    lines += [f"  internal  {found.internal_url}"] if found.internal_url else []
    for word, one in (("serves", found.serving), ("newest", None if found.release == found.serving else found.release)):
        lines += [f"  {word}    release {one.number} ({one.deploy_id}, {one.image[-12:]})"] if one else []
    lines += [
        f"  {one.name}: {one.ready} of {one.desired} ready, {counted(one.restarts, 'restart')}"
        for one in found.workloads
    ]
    lines += [f"  warning: {warning}" for warning in found.warnings]
    if found.failure:
        where = "" if found.failure.phase == "Ready" else f" in {found.failure.phase}"
        lines += [f"failed{where}: {found.failure.message}", *found.failure.log_tail]
    return "\n".join(map(escaped_lines, lines))


def releases_view(found: "ReleasesDocument") -> str:
    """Print whose they are, then one line per deploy, newest first."""
    from kilter.cli.views import columns
    from kilter.words import escaped

    rows = [("RELEASE", "STATE", "WHEN", "BY", "COMMIT", "DEPLOY", "MESSAGE")]
    for one in found.deploys:
        commit = f"{one.source.commit[:12]}{' (dirty)' if one.source.dirty else ''}".lstrip() if one.source else "-"
        when = one.created_at.astimezone().isoformat(sep=" ", timespec="minutes")
        said = escaped(" ".join(one.source.message.split())) if one.source else ""
        rows.append((str(one.release or "-"), one.state, when, one.actor, commit or "-", one.deploy_id, said))
    return "\n".join([f"{found.project} {found.env} (platform {found.server})", *columns(rows)])
