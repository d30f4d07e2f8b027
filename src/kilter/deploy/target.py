"""Where a deploy goes, as the platform tells it, and what is refused there before anything is built."""

from contextlib import suppress
from dataclasses import dataclass

from kilter.api.environments import Environment
from kilter.api.kilterapp_parts import AppSection
from kilter.api.platform import Info
from kilter.deploy.client import Client
from kilter.deploy.image import Source
from kilter.deploy.names import ProjectName
from kilter.deploy.queries import environment
from kilter.errors import BadInput, NotFound
from kilter.progress import Progress
from kilter.words import matches

UNCOMMITTED = "the working tree has uncommitted changes"
SHOWN = 10  # uncommitted files that are named


@dataclass(frozen=True)
class Target:
    """An environment; `present` is None for one that the deploy is to make."""

    server: str
    name: ProjectName
    env: str
    info: Info
    present: Environment | None

    @property
    def is_protected(self) -> bool:
        """Whether the server takes the environment for protected, or would when it makes it."""
        by_rule = any(matches(glob, self.env) for glob in self.info.protected_envs)
        return by_rule or (self.present is not None and self.present.env_class == "protected")


def look(client: Client, name: ProjectName, env: str) -> Target:
    """Ask the platform about itself and the environment. Raises what the client does."""
    info, present = client.get("/v1/info", Info), None
    with suppress(NotFound):
        present = environment(client, name, env)
    return Target(client.login.server, name, env, info, present)


def check_services(target: Target, app: AppSection) -> None:
    """Raise BadInput with every service that the platform does not offer; it refuses them itself later (DP-Q20)."""
    offered = target.info.services
    missing = [
        each for each in app.services if each.mode == "scoped" and offered is not None and each.kind not in offered
    ]
    if missing:
        names = [each.name if each.name == each.kind else f"{each.name} ({each.kind})" for each in missing]
        raise BadInput(
            f"the platform at {target.server} does not offer {', '.join(names)}",
            why=f"it offers {', '.join(offered or ()) or 'no service'}",
            hint="take it out of `services:` and give the app the address of your own under `env:`, or ask its "
            "administrator for it",
        )


def check_tree(target: Target, source: Source, progress: Progress, *, allowed: bool) -> None:
    """Warn of changes that no commit holds. Raises BadInput for a protected environment, unless allowed (DP-Q28)."""
    if not source.dirty:
        return
    if target.is_protected and not allowed:
        more = len(source.changes) - SHOWN
        found = f"Git cannot tell what is committed: {source.fault}" if source.fault else UNCOMMITTED
        raise BadInput(
            f"{target.env} is protected, and {found}",
            why="no commit would say what runs there",
            details=[*source.changes[:SHOWN], *([f"and {more} more"] if more > 0 else [])],
            hint="commit them, or add `--allow-dirty` if you mean it",
        )
    count = f"the release holds uncommitted changes ({len(source.changes)} on top of {source.commit[:12]})"
    progress.warn(f"no commit says what the release holds: {source.fault}" if source.fault else count)
