"""What a deploy request must be before it is accepted. Pure; each check raises Refused with the path of the field."""

from typing import Any, Final

import msgspec

from kilter.api.deploys import DeployRequest, MigrationRequest, SeedsRequest
from kilter.api.kilterapp import Spec
from kilter.api.kilterapp_parts import AppSection, Service, Timeouts
from kilter.catalog import load as catalog
from kilter.errors import BadInput, in_one_line
from kilter.project.model_profile import Probes, Profile
from kilter.render import names
from kilter.render.names import Slot
from kilter.render.production.services import check_values
from kilter.server import bodies
from kilter.server.refusals import Refused, host_taken
from kilter.server.settings import Settings
from kilter.words import duration

NOBODY: Final = "-"  # id until the store gives one
SPEC_LIMIT: Final = 1024 * 1024  # bytes; etcd keeps 1.5 MiB, and the API server notes who owns which field


def refuse_what_is_to_come(request: DeployRequest) -> None:
    """Refuse what this release understands and cannot do, rather than leave it undone in silence."""
    asked = (
        ("secrets", request.secrets is not msgspec.UNSET),
        ("prune_secrets", request.prune_secrets),
        ("app.appSecrets", bool(request.app.app_secrets)),
        ("app.allowFrom", bool(request.app.allow_from)),
        ("app.patches", bool(request.app.patches)),
        ("migration", request.migration not in (None, MigrationRequest())),
        ("seeds", request.seeds not in (None, SeedsRequest())),
        ("bootstrap", request.bootstrap),
    )
    for field, is_asked in asked:
        if is_asked:
            raise Refused("not_yet", f"this platform does not do {field} yet; deploy without it", field=field)


def refuse_uncommitted(env: str, *, allowed: bool) -> None:
    """Refuse what no commit holds for a protected environment, unless somebody means it (DP-Q28)."""
    if not allowed:
        message = f"{env} is protected, and the image holds uncommitted changes; commit them, or allow it"
        raise Refused("uncommitted", message, field="source.dirty", next="kilter deploy --allow-dirty")


def check_image(settings: Settings, slot: Slot, image: str) -> None:
    """Refuse an image from elsewhere: a project's images lie in its own repository of the platform's registry.

    A tag beside the digest is refused too: it says nothing that the digest does not, and is one more name for it.
    """
    repository = image.partition("@")[0]
    _, colon, tag = repository.rpartition("/")[2].partition(":")
    if colon:
        raise Refused("invalid", f"an image is named by its digest alone; leave out the tag :{tag}", field="image")
    own = f"{settings.registry}/{slot.org}/{slot.app}"
    places = (*settings.extra_registries, *((own,) if settings.registry else ()))
    if not any(repository == place or repository.startswith(place.rstrip("/") + "/") for place in places):
        raise Refused("registry_not_allowed", f"images of this project come from {own}", field="image")


def check_hosts(settings: Settings, slot: Slot, app: AppSection) -> None:
    """Refuse an app that would have a host of the platform itself, also while it is internal (DP-Q56)."""
    wanted = (names.host(slot, settings.cluster_domain), *names.hosts(slot, settings.cluster_domain, app))
    for host in wanted:
        if host in settings.hosts:
            raise host_taken(slot, host, "the platform itself")


def check_platform(settings: Settings, platform: str) -> None:
    """Refuse an image that no node can run: its pods would wait for one (DP-Q5)."""
    if platform and settings.platforms and platform not in settings.platforms:
        message = f"the platform has no nodes for {platform}; it has {', '.join(settings.platforms)}"
        raise Refused("invalid", message, field="platform", details={"platforms": list(settings.platforms)})


def check_app(settings: Settings, app: AppSection) -> None:
    """Refuse services that nobody provides, and guardrails that are none."""
    missing = sorted({each.kind for each in app.services if each.mode == "scoped"} - set(settings.services))
    if missing:
        message = f"the platform does not provide {', '.join(missing)}; take it out of the app's services"
        raise Refused("invalid", message, field="app.services", details={"provided": list(settings.services)})
    called = [service.name for service in app.services]
    for number, service in enumerate(app.services):
        if service.name in called[:number]:
            field = f"app.services[{number}].name"
            raise Refused("invalid", f"{field}: another service is called {service.name} too", field=field)
        if service.mode == "external" and not service.secret_name:
            field = f"app.services[{number}].secretName"
            raise Refused("invalid", f"{field} is missing: an external service needs a Secret", field=field)
        check_version(f"app.services[{number}].version", service)
        check_settings(f"app.services[{number}].values", service)
    check_part("app.profile", app.profile, Profile)
    for name, process in app.processes.items():
        check_part(f"app.processes.{name}.probes", process.probes, Probes)


def versions(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the versions of what the platform provides."""
    known = catalog.entries()
    return {kind: tuple(sorted(known[kind].versions)) for kind in settings.services if kind in known}


def check_version(path: str, service: Service) -> None:
    """Refuse a version of a service that the catalog does not have."""
    entry = catalog.entries().get(service.kind)
    if service.version and entry and service.version not in entry.versions:
        known = sorted(entry.versions)
        message = f"{entry.title} {service.version} is not in the platform's catalog; it has {', '.join(known)}"
        raise Refused("invalid", message, field=path, details={"versions": known})


def check_settings(path: str, service: Service) -> None:
    """Refuse chart values that are the platform's, as an image past the rules for images, and those that are none."""
    if service.mode == "scoped":
        try:
            check_values(service.name, service.kind, service.values)
        except BadInput as error:
            raise Refused("invalid", in_one_line(error), field=path) from None


def check_part(path: str, value: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Check a part that is written as in kilter.yaml."""
    try:
        bodies.converted(value, kind)
    except Refused as refused:
        field = bodies.joined(path, refused.field) if refused.field else path
        raise Refused(refused.code, f"in {path}: {refused.message}", field=field) from None


def check_size(spec: Spec) -> None:
    """Refuse a spec that a cluster has no room for, with its largest part."""
    size = len(msgspec.json.encode(spec))
    if size > SPEC_LIMIT:
        parts = {name: len(msgspec.json.encode(part)) for name, part in msgspec.to_builtins(spec).items()}
        largest = max(parts, key=parts.__getitem__)
        message = (
            f"the KilterApp would take {size} bytes, {parts[largest]} of them for {largest}, and a cluster keeps"
            f" {SPEC_LIMIT}; what is large belongs into the image"
        )
        raise Refused("too_large", message, field=f"app.{largest}", details={"limit_bytes": SPEC_LIMIT})


def ready_timeout(settings: Settings, wanted: str | None) -> str | None:
    """Return the limit that is kept, never above the server's own (DP-Q39)."""
    if wanted is None:
        return None
    try:
        asked = duration(wanted)
    except ValueError as error:
        raise Refused("invalid", str(error), field="timeout") from None
    return wanted if asked <= settings.ready_timeout_max else f"{int(settings.ready_timeout_max)}s"


def spec_of(request: DeployRequest, slot: Slot, actor: str, timeout: str | None) -> Spec:
    """Return the KilterApp's spec; number, id and class come from the store."""
    app = {field: getattr(request.app, field) for field in AppSection.__struct_fields__}
    return Spec(
        **app,
        org=slot.org,
        app=slot.app,
        env=slot.env,
        deploy_id=NOBODY,
        sequence=1,
        actor=actor,
        image=request.image,
        platform=request.platform,
        source=request.source,
        timeouts=Timeouts(ready=timeout),
    )
