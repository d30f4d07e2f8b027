"""What a deploy would change: kilter.yaml held against the newest release that the platform published. Pure."""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec.structs import replace

from kilter.api.kilterapp_parts import AppSection
from kilter.catalog import load as catalog
from kilter.deploy.documents import Change, DeployPlanDocument
from kilter.deploy.image import Source
from kilter.deploy.target import Target
from kilter.render.names import Slot, host, hosts
from kilter.render.services import variable_names

Kind = Literal["route", "process", "service"]


def plan(target: Target, app: AppSection, source: Source, image: str) -> DeployPlanDocument:
    """Return the plan; an empty `image` is one that would be built. Raises BadInput for a host that cannot exist."""
    release = target.present.release if target.present else None
    return DeployPlanDocument(
        server=target.server,
        project=str(target.name),
        env=target.env,
        exists=target.present is not None,
        protected=target.is_protected,
        host=host(_slot(target), target.info.cluster_domain),
        release=release.number if release else None,
        image=image,
        commit=source.commit,
        dirty=source.dirty,
        changes=tuple(changes(target, app)),
        app=app,
    )


def changes(target: Target, app: AppSection) -> Iterator[Change]:
    """Yield what is there now and what is to be, routes first."""
    release = target.present.release if target.present else None
    now = release.app if release else None
    is_known = release is None or now is not None
    wanted_hosts = hosts(_slot(target), target.info.cluster_domain, app)
    yield from _compared("route", wanted_hosts, now.hosts if now else (), is_known=is_known)
    yield from _compared("process", app.processes, now.processes if now else (), is_known=is_known)
    wiring = {each.name: _wiring(each.name, each.kind) for each in app.services}
    for each in _compared("service", wiring, now.services if now else (), is_known=is_known):
        yield replace(each, variables=wiring.get(each.name, ()))


def removals(planned: DeployPlanDocument) -> list[str]:
    """Say what would be gone afterwards (DP-Q61)."""
    return [f"this deploy removes the {each.kind} {each.name}" for each in planned.changes if each.change == "removed"]


def _compared(kind: Kind, wanted: Iterable[str], now: Iterable[str], *, is_known: bool) -> Iterator[Change]:
    wanted, now = tuple(wanted), tuple(now)
    for name in wanted:
        yield Change(kind=kind, name=name, change=("kept" if name in now else "added") if is_known else None)
    yield from (Change(kind=kind, name=name, change="removed") for name in now if name not in wanted)


def _wiring(name: str, kind: str) -> tuple[str, ...]:
    entry = catalog.entries().get(kind)
    return variable_names(name, entry) if entry else ()


def _slot(target: Target) -> Slot:
    return Slot(target.name.org, target.name.app, target.env)
