"""The custom resource KilterApp, `kilter.dev/v1alpha1` (platform.md section 13)."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from kilter.api.base import AppName, BuildPlatform, EnvName, Image, Number, Org
from kilter.api.kilterapp_parts import UNTOUCHED, AppSection, MaybeSecrets, Migration, Seeds, Source, Timeouts
from kilter.api.kilterapp_status import Status
from kilter.api.words import DatabasePolicy, EnvClass

GROUP: Final = "kilter.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "KilterApp"
PLURAL: Final = "kilterapps"
NAMESPACE: Final = "kilter-apps"
FINALIZER: Final = f"{GROUP}/cleanup"
SPEC_MANAGER: Final = "kilter-server"  # server-side apply: the one writer of spec
STATUS_MANAGER: Final = "kilter-operator"  # the one writer of status

LABEL_ORG: Final = f"{GROUP}/org"
LABEL_APP: Final = f"{GROUP}/app"
LABEL_ENV: Final = f"{GROUP}/env"
LABEL_CLASS: Final = f"{GROUP}/class"


class Spec(AppSection, frozen=True, kw_only=True):
    """What is wanted of one environment; written by kilter-server alone."""

    org: Org
    app: AppName
    env: EnvName
    class_: Annotated[EnvClass, Meta(description="What protection the environment has.")] = field(
        default="standard", name="class"
    )
    deploy_id: Annotated[str, Meta(min_length=1, max_length=64, description="The deploy that wrote this.")]
    sequence: Annotated[Number, Meta(description="Grows with every accepted deploy; a lower one is ignored.")]
    actor: Annotated[str, Meta(min_length=1, max_length=128, description="Who deployed.")]
    image: Annotated[Image, Meta(description="What runs, by digest.")]
    platform: BuildPlatform = ""
    source: Annotated[Source, Meta(description="Where the image comes from.")] = Source()
    secrets: MaybeSecrets = UNTOUCHED
    prune_secrets: Annotated[bool, Meta(description="Allows an empty map of secrets, which deletes them.")] = False
    migration: Annotated[Migration, Meta(description="The schema migration.")] = Migration()
    seeds: Annotated[Seeds, Meta(description="Data for the database.")] = Seeds()
    bootstrap: Annotated[bool, Meta(description="Whether this makes the environment from nothing.")] = False
    timeouts: Annotated[Timeouts, Meta(description="Limits of time.")] = Timeouts()
    rollback_to: Annotated[Number | None, Meta(description="Release whose manifests are to come back.")] = None
    pinned: Annotated[bool, Meta(description="Whether the environment stays where it is.")] = False
    suspended: Annotated[bool, Meta(description="Whether the operator leaves it alone.")] = False
    database_on_delete: Annotated[
        DatabasePolicy, Meta(description="What becomes of the database when this object is deleted.")
    ] = "keep"


class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The parts of an object's metadata that kilter reads or writes."""

    name: str
    namespace: str = NAMESPACE
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Any, ...] = ()
    generation: int = 0
    resource_version: str = ""
    uid: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class KilterApp(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One environment of one project on the platform."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: Metadata
    spec: Spec
    status: Status = Status()


def labels(spec: Spec) -> dict[str, str]:
    """Return the labels that a KilterApp carries."""
    return {LABEL_ORG: spec.org, LABEL_APP: spec.app, LABEL_ENV: spec.env, LABEL_CLASS: spec.class_}


def applied(spec: Spec) -> dict[str, Any]:
    """Return a spec as it is given to server-side apply: without the parts that say nothing, at whatever depth.

    Where an empty part follows one that said something, the API server makes it null, and then refuses its own null.
    """
    return _spoken(spec, msgspec.to_builtins(spec))


def _spoken(part: msgspec.Struct, plain: dict[str, Any]) -> dict[str, Any]:
    found = dict(plain)
    for each in msgspec.structs.fields(part):
        name, value = each.encode_name, getattr(part, each.name)
        if isinstance(value, msgspec.Struct) and name in found:
            found[name] = _spoken(value, found[name])
        if found.get(name) == {} and _is_empty_by_default(each):
            del found[name]
    return found


def _is_empty_by_default(each: "msgspec.structs.FieldInfo") -> bool:
    default = each.default_factory() if each.default_factory is not msgspec.NODEFAULT else each.default
    return isinstance(default, msgspec.Struct | dict) and msgspec.to_builtins(default) == {}
