"""Whether a platform could take and render what kilter.yaml asks for, asked before anything is built.

By the platform's own rules, since they are the same code; it looks again, after the push.
"""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from kilter.api.kilterapp import Spec
from kilter.api.kilterapp_parts import AppSection
from kilter.api.words import EnvClass
from kilter.catalog import load as catalog
from kilter.deploy.target import Target
from kilter.errors import BadInput
from kilter.render import names
from kilter.render.names import Slot
from kilter.render.production.release import AppRelease, DatabaseServer, Gateway, Platform
from kilter.render.production.services import bindings
from kilter.render.production.spec import release_of
from kilter.render.production.values import values
from kilter.words import slug_fault

NAME_LIMIT = 63
UNKNOWN = "unknown"  # stands for what a deploy learns later, and for what it never learns of a platform
UNBUILT = f"{UNKNOWN}@sha256:{'0' * 64}"


def check_renderable(target: Target, app: AppSection) -> None:
    """Raise BadInput for what the platform would refuse, of whichever class the environment turns out to be."""
    refused: BadInput | None = None
    for env_class in _classes(target):
        try:
            _check(target, _spec(target, app, env_class))
        except BadInput as error:
            refused = refused or error
        else:
            return
    if refused is not None:
        raise refused


def _classes(target: Target) -> Iterator[EnvClass]:
    """Yield the classes that the environment may have: the server alone knows that of one that is not there yet."""
    if target.present is not None:
        yield target.present.env_class
    elif target.is_protected:
        yield "protected"
    else:
        yield from ("standard", "ephemeral")


def _spec(target: Target, app: AppSection, env_class: EnvClass) -> Spec:
    named = [("processes", name) for name in app.processes] + [("services", each.name) for each in app.services]
    for kind, name in named:
        if wrong := slug_fault(name, NAME_LIMIT):
            raise BadInput(f"{kind}.{name} cannot have this name on a platform", why=wrong, hint="rename it")
    section = {field: getattr(app, field) for field in AppSection.__struct_fields__}
    spec = Spec(
        **section,
        org=target.name.org,
        app=target.name.app,
        env=target.env,
        class_=env_class,
        deploy_id=UNKNOWN,
        sequence=1,
        actor=UNKNOWN,
        image=UNBUILT,
    )
    try:
        return msgspec.convert(msgspec.to_builtins(spec), Spec)
    except msgspec.ValidationError as error:
        raise BadInput(
            "a platform does not take what kilter.yaml asks for", why=str(error), hint="mend it in kilter.yaml"
        ) from None


def _check(target: Target, spec: Spec) -> None:
    slot, entries = Slot(spec.org, spec.app, spec.env), catalog.entries()
    asked = release_of(spec, names.object_names(slot)[0])
    # Which services and versions there are is for the platform to say, whose catalog may be a newer one.
    known = [each for each in asked.services if each.kind in entries and entries[each.kind].deploy]
    services = tuple(replace(each, settings=replace(each.settings, version=None)) for each in known)
    release: AppRelease = replace(asked, services=services)
    platform = Platform(
        domain=target.info.cluster_domain,
        gateway=Gateway(name=UNKNOWN, namespace=UNKNOWN),
        database=DatabaseServer(host=UNKNOWN, namespace=UNKNOWN),
    )
    values(release, platform, bindings(release, entries))
