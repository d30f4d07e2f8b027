"""The parts of Kubernetes objects that the operator reads; what it compares as a whole it keeps as plain objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from kilter.api.kilterapp import KilterApp, Metadata
from kilter.operator.kinds import Kind, Object

T = TypeVar("T", bound=msgspec.Struct)
REVISION: Final = "controller-revision-hash"  # label of a StatefulSet's pods


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A part of an object; whatever else it has is left out."""


class Condition(View, frozen=True, kw_only=True):
    """A condition of any object."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed_generation: int | None = None


class Meta(View, frozen=True, kw_only=True):
    """What is read of metadata."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None  # when it is to be gone: that many seconds after it was asked to end
    deletion_grace_period_seconds: int = 0

    def label(self, key: str) -> str:
        """Return a label, empty when there is none."""
        return (self.labels or {}).get(key, "")


class Ended(View, frozen=True, kw_only=True):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class Held(View, frozen=True, kw_only=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class ContainerState(View, frozen=True, kw_only=True):
    """What a container does."""

    waiting: Held | None = None
    terminated: Ended | None = None


class Container(View, frozen=True, kw_only=True):
    """The status of one container."""

    name: str
    image: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(View, frozen=True, kw_only=True):
    """The status of a pod."""

    phase: str = ""
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[Container, ...] | None = None
    init_container_statuses: tuple[Container, ...] | None = None


class Pod(View, frozen=True, kw_only=True):
    """A pod."""

    metadata: Meta
    status: PodStatus = PodStatus()

    @property
    def containers(self) -> tuple[Container, ...]:
        """All containers, those that run first before the others."""
        return (self.status.init_container_statuses or ()) + (self.status.container_statuses or ())

    @property
    def ready(self) -> bool:
        """Whether the pod may receive requests."""
        conditions = self.status.conditions or ()
        return any(each.type == "Ready" and each.status == "True" for each in conditions)


class DeploymentSpec(View, frozen=True, kw_only=True):
    """What is wanted of a Deployment, or of a StatefulSet."""

    replicas: int = 1


class DeploymentStatus(View, frozen=True, kw_only=True):
    """How far a Deployment is."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class Deployment(View, frozen=True, kw_only=True):
    """A Deployment."""

    metadata: Meta
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class StatefulSetStatus(View, frozen=True, kw_only=True):
    """How far a StatefulSet is."""

    observed_generation: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    update_revision: str = ""  # what pods of its newest spec have in the label REVISION


class StatefulSet(View, frozen=True, kw_only=True):
    """A StatefulSet."""

    metadata: Meta
    spec: DeploymentSpec = DeploymentSpec()
    status: StatefulSetStatus = StatefulSetStatus()


class EndpointConditions(View, frozen=True, kw_only=True):
    """Whether an endpoint may receive requests; unknown counts as yes, as Kubernetes defines it."""

    ready: bool | None = None
    terminating: bool | None = None


class Reference(View, frozen=True, kw_only=True):
    """What an endpoint is."""

    name: str = ""


class Endpoint(View, frozen=True, kw_only=True):
    """One endpoint of a Service."""

    conditions: EndpointConditions = EndpointConditions()
    target_ref: Reference | None = None


class EndpointSlice(View, frozen=True, kw_only=True):
    """A part of a Service's endpoints."""

    metadata: Meta
    endpoints: tuple[Endpoint, ...] | None = None


class ParentRef(View, frozen=True, kw_only=True):
    """What a route is attached to; without a namespace it is in the route's own."""

    name: str = ""
    namespace: str = ""


class RouteParent(View, frozen=True, kw_only=True):
    """What one Gateway says of a route."""

    parent_ref: ParentRef = ParentRef()
    conditions: tuple[Condition, ...] | None = None


class RouteStatus(View, frozen=True, kw_only=True):
    """What all Gateways say of a route."""

    parents: tuple[RouteParent, ...] | None = None


class HTTPRoute(View, frozen=True, kw_only=True):
    """A route."""

    metadata: Meta
    status: RouteStatus = RouteStatus()


@dataclass(frozen=True)
class Unreadable:
    """A KilterApp that this operator cannot read: what its metadata say, and why (O3).

    `deploy` and `sequence` name the deploy that wrote it, as far as can be told; `status` is what it says as it is.
    """

    metadata: Metadata
    why: str
    deploy: str = ""
    sequence: int = 0
    status: Mapping[str, Any] = field(default_factory=dict, repr=False)


class _Shell(msgspec.Struct):
    metadata: Metadata
    spec: Any = None
    status: Any = None


def viewer(view: type[T]) -> Callable[[msgspec.Raw], T]:
    """Return the decoder of a view."""
    return msgspec.json.Decoder(view).decode


def plain(kind: Kind) -> Callable[[msgspec.Raw], Object]:
    """Return the decoder of objects that are kept as they are, without the record of who owns which field."""

    def decode(raw: msgspec.Raw) -> Object:
        decoded: Object = msgspec.json.decode(raw)
        decoded["metadata"].pop("managedFields", None)
        # The items of a list do not say what they are.
        return {"apiVersion": kind.api_version, "kind": kind.kind, **decoded}

    return decode


def kilter_app(raw: msgspec.Raw) -> KilterApp | Unreadable:
    """Decode a KilterApp; one that is not as its type says must not keep any other from being handled."""
    try:
        return msgspec.json.decode(raw, type=KilterApp)
    except msgspec.ValidationError as error:
        shell = msgspec.json.decode(raw, type=_Shell)
        spec, status = (each if isinstance(each, dict) else {} for each in (shell.spec, shell.status))
        deploy, sequence = spec.get("deployId"), spec.get("sequence")
        if not (isinstance(deploy, str) and isinstance(sequence, int)):
            deploy, sequence = "", 0
        return Unreadable(shell.metadata, str(error), deploy, sequence, status)
