"""The platform itself: is it alive, what must a client know."""

import re

from kilter import __version__
from kilter.api.platform import Info, Limits
from kilter.server import acceptance
from kilter.server.call import Answer, Call
from kilter.server.refusals import Refused
from kilter.server.store.engine import Tx

AGENT = re.compile(r"kilter/(\d{1,9}(?:\.\d{1,9})*)(?!\d)")


async def healthz(_: Call) -> Answer:
    """The process answers."""
    return Answer(200, "ok")


async def readyz(call: Call) -> Answer:
    """The store answers too, and has its tables: one that came back empty would answer."""

    def ask(tx: Tx) -> None:
        tx.row("SELECT 1 AS one FROM tokens LIMIT 1")

    await call.store.run(ask)
    return Answer(200, "ok")


async def info(call: Call) -> Answer:
    """What a client must know before it builds. Raises Refused: cli_too_old."""
    settings = call.settings
    agent = AGENT.match(call.headers.get("user-agent", ""))
    if agent and version(agent[1]) < version(settings.min_cli):
        message = f"this kilter is {agent[1]}; the platform needs {settings.min_cli} or newer"
        raise Refused("cli_too_old", message, details={"min_cli": settings.min_cli})
    document = Info(
        version=__version__,
        min_cli=settings.min_cli,
        cluster_domain=settings.cluster_domain,
        scheme=settings.scheme,
        default_registry=settings.registry,
        sops_recipients=settings.sops_recipients,
        platforms=settings.platforms,
        protected_envs=settings.protected_envs,
        services=settings.services,
        service_versions=acceptance.versions(settings),
        binds_platform=True,
        network_policy_enforced=call.services.policies.enforced,
        limits=Limits(body_bytes=settings.body_limit, ready_timeout_seconds=int(settings.ready_timeout_max)),
    )
    return Answer(200, document)


def version(text: str) -> tuple[int, ...]:
    """Read a version as three numbers; `1.2` is `1.2.0`."""
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    return tuple([*numbers, 0, 0, 0][:3])
