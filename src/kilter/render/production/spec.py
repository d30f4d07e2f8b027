"""What a KilterApp asks for, as the release that the charts render."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from kilter.api import kilterapp_parts as wire
from kilter.api.kilterapp import Spec
from kilter.errors import BadInput
from kilter.project.model import Probes, Process, Profile, Resources, Service
from kilter.render.production.release import AppRelease, ServiceRelease

T = TypeVar("T")


def release_of(spec: Spec, namespace: str) -> AppRelease:
    """Return what the charts render from; raises BadInput for a part that is not as in kilter.yaml."""
    external = [each.secret_name for each in spec.services if each.mode == "external" and each.secret_name]
    return AppRelease(
        org=spec.org,
        app=spec.app,
        env=spec.env,
        env_class=spec.class_,
        namespace=namespace,
        release=spec.deploy_id,
        number=spec.sequence,
        image=spec.image,
        platform=spec.platform,
        port=spec.port,
        command=spec.command or (),
        public=spec.public,
        vars=_variables(spec.vars, spec.withheld),
        resources=_resources(spec.resources),
        processes={name: _process(name, each) for name, each in spec.processes.items()},
        services=tuple(_service(each) for each in spec.services),
        app_secrets=tuple(dict.fromkeys((*spec.app_secrets, *external))),
        profile=_read("profile", spec.profile, Profile),
    )


def _process(name: str, given: wire.Process) -> Process:
    return Process(
        command=given.command,
        port=given.port,
        env=_variables(given.vars, given.withheld),
        replicas=given.replicas,
        resources=_resources(given.resources),
        public=given.public,
        schedule=given.schedule,
        probes=_read(f"processes.{name}.probes", given.probes, Probes) if given.probes else None,
    )


def _service(given: wire.Service) -> ServiceRelease:
    settings = Service(
        type=given.kind,
        version=given.version,
        port=given.port,
        env=_variables(given.vars, ()),
        resources=_resources(given.resources),
        storage=given.storage,
        values=given.values,
    )
    return ServiceRelease(name=given.name, kind=given.kind, mode=given.mode, settings=settings)


def _variables(given: Mapping[str, str], withheld: tuple[str, ...]) -> dict[str, str | None]:
    return {**dict.fromkeys(withheld), **given}


def _resources(given: wire.Resources | None) -> Resources | None:
    return Resources(cpu=given.cpu, memory=given.memory) if given else None


def _read(place: str, given: Mapping[str, Any], kind: type[T]) -> T:
    """Read a part that is written as in kilter.yaml."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"{place} is not as kilter.yaml may have it", why=str(error)) from None
