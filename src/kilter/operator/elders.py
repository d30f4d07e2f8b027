"""Which of two KilterApps an environment is: it may have two names, and Git's folder and the database but one."""

from kilter.api import kilterapp
from kilter.api.kilterapp import KilterApp
from kilter.operator.steps import admission, base
from kilter.operator.steps.base import Target
from kilter.operator.views import Unreadable
from kilter.operator.world import World
from kilter.render import names


def elder(world: World, target: Target) -> str:
    """Return the name of the older KilterApp of the same environment; empty without one."""
    if not admission.is_own_name(target):
        return ""
    own = _seniority(target.app)
    others = (world.stores.apps.get(kilterapp.NAMESPACE, name) for name in names.object_names(target.slot))
    found = (each for each in others if each is not None and _seniority(each) < own and _is_of(each, target))
    return next((each.metadata.name for each in found), "")


def _seniority(app: KilterApp | Unreadable) -> tuple[str, str]:
    return app.metadata.creation_timestamp or "", app.metadata.name


def _is_of(app: KilterApp | Unreadable, target: Target) -> bool:
    """Tell whether a KilterApp stands for the same environment; one that cannot be read has its labels alone."""
    spec = target.app.spec
    if isinstance(app, Unreadable):
        return base.identity(app.metadata.labels) == base.identity(target.labels)
    return (app.spec.org, app.spec.app, app.spec.env) == (spec.org, spec.app, spec.env)
