"""Carries effects out, each guarded by the leadership at the last moment before it leaves this process."""

from contextlib import suppress

from kilter.gitops.flux import REQUESTED_AT
from kilter.operator import kinds
from kilter.operator.effects import Annotate, Apply, Delete, Disown, Effect, PokeSource, Submit
from kilter.operator.kinds import Object, kind_of, place_of, shown
from kilter.operator.kube import Conflict, Missing
from kilter.operator.postgres import DatabaseUnavailable
from kilter.operator.world import LOG, World


def perform(world: World, effect: Effect) -> str:
    """Carry out one effect; returns a warning for people, or nothing.

    Raises Deposed when this operator may not write, KubeError, DatabaseUnavailable.
    """
    fence = world.leadership.fence()
    match effect:
        case Apply(thing):
            return _apply(world, thing)
        case Delete(kind, namespace, name, uid):
            world.kube.delete(kind, namespace, name, uid)
        case Annotate():
            _annotate(world, effect)
        case Disown(thing):
            return _disown(world, thing)
        case Submit():
            world.publications.submit(effect)
        case PokeSource(commit):
            _poke(world, commit)
        case _:
            if world.databases is None:
                raise DatabaseUnavailable("no database server is configured")
            world.databases.perform(effect, fence)
    return ""


def _apply(world: World, thing: Object) -> str:
    """Apply an object of kilter's own; fields that somebody else took are taken back, and that is said."""
    warning = ""
    try:
        applied = world.kube.apply(thing)
    except Conflict as error:
        if error.reason != "Conflict" or "conflict" not in error.why:
            raise
        warning = f"{shown(thing)}: what others had changed is as kilter wants it again ({error.why[:300]})"
        LOG.warning(warning)
        world.leadership.fence()
        applied = world.kube.apply(thing, force=True)
    world.stores.put(applied)
    return warning


def _disown(world: World, thing: Object) -> str:
    warning = f"{shown(thing)}: owners that others had given it are taken off: it would have been deleted with them"
    LOG.warning(warning)
    patch = {"metadata": {"ownerReferences": None, "resourceVersion": thing["metadata"]["resourceVersion"]}}
    world.stores.put(world.kube.merge(kind_of(thing), *place_of(thing), patch))
    return warning


def _annotate(world: World, asked: Annotate) -> None:
    patch = {"metadata": {"uid": asked.uid, "annotations": {asked.key: asked.value}}}
    with suppress(Missing, Conflict):
        world.kube.merge(asked.kind, asked.namespace, asked.name, patch)


def _poke(world: World, commit: str) -> None:
    """Ask Flux to fetch its source now; once per commit, because many environments share one."""
    if world.poked == commit:
        return
    flux = world.settings.flux
    patch = {"metadata": {"annotations": {REQUESTED_AT: commit}}}
    world.kube.merge(kinds.GIT_REPOSITORY, flux.namespace, flux.source, patch)
    world.poked = commit
