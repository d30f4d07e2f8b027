"""Where a deploy goes, as the platform tells it, and what is refused there before anything is built."""

from contextlib import suppress
from dataclasses import dataclass

from kilter.api.access import WhoAmI
from kilter.api.environments import Environment
from kilter.api.kilterapp_parts import AppSection, Service
from kilter.api.platform import Info
from kilter.api.words import ROLES, Role
from kilter.deploy.client import Client
from kilter.deploy.image import Source
from kilter.deploy.names import ProjectName
from kilter.deploy.queries import environment
from kilter.deploy.refusals import RIGHTS
from kilter.errors import BadInput, NotAllowed, NotFound
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


def check_rights(target: Target, token: WhoAmI) -> None:
    """Raise NotAllowed where the platform will not let this token deploy, before anything asks for a credential."""
    wanted = f"{target.name.org}/{target.name.app}"
    if not any(matches(each.project, wanted) and matches(each.env, target.env) for each in token.scopes):
        good = ", ".join(f"{each.project} ({each.env})" for each in token.scopes)
        what, why = f"your token is not good for {wanted} in {target.env}", f"it is good for {good}"
        raise NotAllowed(what, why=why, hint=RIGHTS)
    check_role(token, "maintainer" if target.is_protected else "deployer")


def check_role(token: WhoAmI, needed: Role) -> None:
    """Raise NotAllowed where a token's role does not include another, in the platform's own words."""
    if ROLES.index(token.role) < ROLES.index(needed):
        raise NotAllowed(f"this needs the role {needed}; your token has {token.role}", hint=RIGHTS)


def check_services(target: Target, app: AppSection) -> None:
    """Raise BadInput with everything that the platform does not offer; it refuses that itself later (DP-Q20)."""
    scoped = [each for each in app.services if each.mode == "scoped"]
    offered, versions = target.info.services, target.info.service_versions or {}
    missing = [each for each in scoped if offered is not None and each.kind not in offered]
    others = [each for each in scoped if each.version and each.version not in versions.get(each.kind, (each.version,))]
    if not missing and not others:
        return
    kinds = dict.fromkeys(each.kind for each in others)
    known = [f"{kind} {' or '.join(versions[kind])}" for kind in kinds]
    ways = ["take it out of `services:` and give the app the address of your own under `env:`"] if missing else []
    ways += ["choose a version that it has"] if others else []
    raise BadInput(
        f"the platform at {target.server} does not offer {', '.join(map(_asked, [*missing, *others]))}",
        why=f"it offers {', '.join([*known, *(each for each in offered or () if each not in kinds)]) or 'no service'}",
        hint=f"{'; '.join(ways)}, or ask its administrator for it",
    )


def _asked(service: Service) -> str:
    version = f" {service.version}" if service.version else ""
    return f"{service.name}{version}" if service.name == service.kind else f"{service.name} ({service.kind}{version})"


def build_platform(target: Target, wanted: str, *, given: bool) -> str:
    """Return what the image is for, `linux/amd64` (DP-Q5): what is `wanted`, else what all nodes are; empty: not known.

    An image that is `given` may be for several, so it is for what is wanted alone. Raises BadInput where there are no
    such nodes, and where one platform must be chosen.
    """
    nodes = target.info.platforms
    if wanted and nodes and wanted not in nodes:
        raise BadInput(f"the platform has no nodes for {wanted}", hint=f"it has {', '.join(nodes)}")
    if wanted or given or len(nodes) < 2:
        return wanted or ("" if given else "".join(nodes))
    raise BadInput(
        f"the platform has nodes for {', '.join(nodes)}",
        why="one image runs on one of them",
        hint=f"say which one, for example `--platform {nodes[0]}`",
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
