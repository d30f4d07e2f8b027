"""A cluster that is none, for looks at a KilterApp by the real steps."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from kilter.api.kilterapp import API_VERSION, KIND, NAMESPACE, KilterApp
from kilter.api.kilterapp_status import Condition as Said
from kilter.api.kilterapp_status import Status
from kilter.gitops.model import Fence
from kilter.operator import kinds
from kilter.operator.effects import Change
from kilter.operator.kinds import Kind, Object
from kilter.operator.kube import Kube, KubeError
from kilter.operator.lease import Leadership
from kilter.operator.publications import Publications, Receipt
from kilter.operator.reconcile import Again, reconcile
from kilter.operator.settings import Gateway, Settings
from kilter.operator.steps.publish import Rendered
from kilter.operator.steps.route import Answer
from kilter.operator.store import Entry
from kilter.operator.stores import Stores
from kilter.operator.views import (
    Condition,
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    Endpoint,
    EndpointConditions,
    EndpointSlice,
    HTTPRoute,
    Meta,
    ParentRef,
    Pod,
    PodStatus,
    Reference,
    RouteParent,
    RouteStatus,
    StatefulSet,
    StatefulSetStatus,
)
from kilter.operator.world import Observed, World
from kilter.render import names

NAME = "acme-shop-prod"
COMMIT = "c" * 40
DEPLOY = "d-1"
GATEWAY = ParentRef(name="kilter", namespace="kilter-system")
PODS = 3


def given(**changes: Any) -> Object:
    """A KilterApp as kilter-server writes it."""
    spec = {
        "org": "acme", "app": "shop", "env": "prod", "deployId": DEPLOY, "sequence": 1, "actor": "mia", "port": 8080,
        "image": "registry.example.com/acme/shop@sha256:" + "1" * 64,
    }  # fmt: skip
    metadata = {"name": NAME, "namespace": NAMESPACE, "uid": "u1", "generation": 1, "resourceVersion": "1"}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec | changes}


@dataclass
class Cluster:
    """The API server; `refused` is what it answers to reads of a kind."""

    things: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    version: int = 100
    refused: dict[str, Exception] = field(default_factory=dict)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        if kind.kind in self.refused:
            raise self.refused[kind.kind]
        return self.things.get((kind.kind, namespace, name))

    def list(self, *_: object) -> list[Object]:
        return []

    def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
        del force
        place = (kinds.kind_of(thing).kind, *kinds.place_of(thing))
        self.version += 1
        known = self.things.get(place, {})
        said = {**known, "status": thing["status"]} if subresource else {**thing, "status": known.get("status", {})}
        metadata = {"uid": f"u-{place[2]}", **known.get("metadata", {}), **thing["metadata"]}
        self.things[place] = {**said, "metadata": metadata | {"resourceVersion": str(self.version)}}
        return self.things[place]

    def merge(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        empty = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name, "namespace": namespace}}
        known = self.things.get((kind.kind, namespace, name), empty)
        changed = {key: value for key, value in patch["metadata"].items() if value is not None}
        return self.apply({**known, "metadata": {**known["metadata"], **changed}})

    def log(self, *_: object, **__: object) -> str:
        return ""

    def secret(self, name: str) -> Object | None:
        return self.things.get(("Secret", NAME, name))

    def lose(self, kind: str, name: str) -> None:
        """Somebody deletes it."""
        del self.things[(kind, NAME, name)]


class Writer:
    """Commits everything at once."""

    fault: Exception | None = None

    def submit(self, change: Change) -> "Future[Receipt]":
        del change
        done: Future[Receipt] = Future()
        done.set_result(Receipt(COMMIT, "apps/acme/shop/prod"))
        return done

    def contains(self, revision: str, commit: str) -> bool:
        return revision == commit

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Answers:
    """A Gateway behind which the release answers; `asked` are the hosts that it was asked for."""

    answer: Answer = field(default_factory=lambda: Answer(200, DEPLOY))
    reachable: bool = True
    asked: list[str] = field(default_factory=list)

    def ask(self, host: str) -> Answer:
        self.asked.append(host)
        return self.answer


def plain(spec: Any, observed: Observed) -> Rendered:
    """Render nothing that matters."""
    del spec, observed
    return Rendered({"a.yaml": "kind: ConfigMap"})


@dataclass
class Stage:
    """One KilterApp with all that stands around it."""

    app: Object = field(default_factory=given)
    render: Any = plain
    cluster: Cluster = field(default_factory=Cluster)
    gateway: Answers = field(default_factory=Answers)

    def __post_init__(self) -> None:
        leadership, settings = Leadership(), Settings(domain="x.test", gateway=Gateway("http://gateway"))
        leadership.hold(Fence(1, "me"), float("inf"))
        publications = Publications(Writer(), lambda _: None)
        kube = cast("Kube", self.cluster)
        self.world = World(settings, kube, Stores(), leadership, publications, self.render, self.gateway)
        self.world.flux_known.set()
        if self.app["spec"].get("services"):
            self.beside()
        self.take(self.app)

    @property
    def status(self) -> Status:
        found = self.world.stores.apps.get(NAMESPACE, NAME)
        assert isinstance(found, KilterApp)
        return found.status

    def said(self, condition: str) -> Said:
        """The condition of that type."""
        return next(each for each in self.status.conditions if each.type == condition)

    def take(self, app: Object) -> None:
        """Somebody writes the KilterApp."""
        self.cluster.version += 1
        app = {**app, "metadata": {**app["metadata"], "resourceVersion": str(self.cluster.version)}}
        self.cluster.things[("KilterApp", NAMESPACE, NAME)] = app
        self.world.stores.put(app)

    def edit(self, **changes: Any) -> None:
        """Somebody edits the spec, without a new deploy."""
        app = self.cluster.things[("KilterApp", NAMESPACE, NAME)]
        generation = app["metadata"]["generation"] + 1
        metadata, spec = app["metadata"] | {"generation": generation}, app["spec"] | changes
        self.take(app | {"metadata": metadata, "spec": spec})

    def look(self, times: int = 1) -> Again:
        """Look at it, with what the watches and Flux have done since."""
        for _ in range(times):
            again = reconcile(self.world, NAME)
            self._watch()
        return again

    def pass_time(self, seconds: float) -> None:
        """Let all that status recorded lie so much longer back."""
        back = timedelta(seconds=seconds)
        app = self.cluster.things[("KilterApp", NAMESPACE, NAME)]
        self.take({**app, "status": _moved(app["status"], back)})

    def run(
        self,
        ready: int = PODS,
        *pods: Pod,
        deploy: str = DEPLOY,
        worker: int | None = None,
        available: int | None = None,
    ) -> None:
        """Have so many of the pods ready, and all objects of the release applied; `pods` are further ones.

        `worker` is how many pods of a process of that name are ready, None where there is no such process; of these so
        many are `available`, all where nothing is said.
        """
        stores, entry = self.world.stores, self._entry
        labels = {names.RELEASE: deploy, names.COMPONENT: "web", "kubernetes.io/service-name": "shop"}
        status = DeploymentStatus(
            observed_generation=1, replicas=PODS, updated_replicas=PODS, ready_replicas=ready, available_replicas=ready
        )
        meta = Meta(name="shop", namespace=NAME, labels=labels, generation=1)
        web = Deployment(metadata=meta, spec=DeploymentSpec(replicas=PODS), status=status)
        stores.deployments.put_own((NAME, "shop"), entry(web))
        if worker is not None:
            lasting = worker if available is None else available
            held = msgspec.structs.replace(status, ready_replicas=worker, available_replicas=lasting)
            named = Meta(name="shop-worker", namespace=NAME, labels={names.RELEASE: deploy}, generation=1)
            found = Deployment(metadata=named, spec=DeploymentSpec(replicas=PODS), status=held)
            stores.deployments.put_own((NAME, "shop-worker"), entry(found))
        for number in range(PODS):
            is_ready = (Condition(type="Ready", status=str(number < ready)),)
            named = Meta(name=f"shop-{number}", namespace=NAME, labels=labels)
            pod = Pod(metadata=named, status=PodStatus(phase="Running", conditions=is_ready))
            stores.pods.put_own((NAME, f"shop-{number}"), entry(pod))
        for each in pods:
            stores.pods.put_own((NAME, each.metadata.name), entry(each))
        points = tuple(
            Endpoint(
                conditions=EndpointConditions(ready=number < ready),
                target_ref=Reference(name=f"shop-{number}"),
            )
            for number in range(PODS)
        )
        stores.slices.put_own((NAME, "shop-s"), entry(EndpointSlice(metadata=meta, endpoints=points)))
        seen = tuple(Condition(type=each, status="True") for each in ("Accepted", "ResolvedRefs"))
        route = HTTPRoute(
            metadata=meta, status=RouteStatus(parents=(RouteParent(parent_ref=GATEWAY, conditions=seen),))
        )
        stores.routes.put_own((NAME, "shop"), entry(route))

    def beside(self, *pods: Pod, ready: int = 1, name: str = "redis") -> None:
        """Have a service beside the app, with these pods, of which so many are ready."""
        status = StatefulSetStatus(observed_generation=1, updated_replicas=1, ready_replicas=ready, update_revision="r")
        found = StatefulSet(metadata=Meta(name=name, namespace=NAME, generation=1), status=status)
        self.world.stores.stateful_sets.put_own((NAME, name), self._entry(found))
        for pod in pods:
            self.world.stores.pods.put_own((NAME, pod.metadata.name), self._entry(pod))

    def public(self, process: str, *, ready: bool = True) -> None:
        """Have a process with a pod, a Service and a route of its own, all of the release."""
        stores, entry, name = self.world.stores, self._entry, f"shop-{process}"
        labels = {names.RELEASE: DEPLOY, names.PROCESS: process, "kubernetes.io/service-name": name}
        meta = Meta(name=name, namespace=NAME, labels=labels, generation=1)
        counted = ("replicas", "updated_replicas", "ready_replicas", "available_replicas")
        counts: dict[str, Any] = dict.fromkeys(counted, 1)
        status = DeploymentStatus(observed_generation=1, **counts)
        stores.deployments.put_own((NAME, name), entry(Deployment(metadata=meta, status=status)))
        running = PodStatus(phase="Running", conditions=(Condition(type="Ready", status="True"),))
        stores.pods.put_own((NAME, name), entry(Pod(metadata=meta, status=running)))
        point = Endpoint(conditions=EndpointConditions(ready=ready), target_ref=Reference(name=name))
        stores.slices.put_own((NAME, name), entry(EndpointSlice(metadata=meta, endpoints=(point,))))
        seen = tuple(Condition(type=each, status="True") for each in ("Accepted", "ResolvedRefs"))
        route = HTTPRoute(
            metadata=meta, status=RouteStatus(parents=(RouteParent(parent_ref=GATEWAY, conditions=seen),))
        )
        stores.routes.put_own((NAME, name), entry(route))

    def deployed(self) -> "Stage":
        """Be Ready."""
        self.run()
        self.look(times=6)
        assert self.status.phase == "Ready", self.status
        return self

    def _entry(self, value: Any) -> Entry[Any]:
        self.cluster.version += 1
        return Entry(self.cluster.version, value)

    def _watch(self) -> None:
        """Deliver every Secret there is, and apply what is committed; the watch knows kilter's Kustomizations alone."""
        secrets = {
            (space, name): Entry(int(thing["metadata"]["resourceVersion"]), thing)
            for (kind, space, name), thing in self.cluster.things.items()
            if kind == "Secret"
        }
        self.world.stores.secrets.replace(secrets, self.cluster.version)
        place = ("Kustomization", self.world.settings.flux.namespace, NAME)
        labels = self.cluster.things.get(place, {}).get("metadata", {}).get("labels", {})
        if labels.get(names.MANAGED_BY) != names.OPERATOR:
            self.world.stores.kustomizations.replace({}, self.cluster.version)
        else:
            applied = dict.fromkeys(("lastAppliedRevision", "lastAttemptedRevision"), f"main@sha1:{COMMIT}")
            self.cluster.things[place] = {**self.cluster.things[place], "status": applied}
            self.world.stores.put(self.cluster.apply(self.cluster.things[place]))


def forbidden(what: str) -> KubeError:
    """What the API server says where a right is missing."""
    return KubeError(403, "Forbidden", f"{what} is not for kilter-operator")


def _moved(node: Any, back: timedelta) -> Any:
    """Return a status with all its times moved."""
    if isinstance(node, dict):
        return {key: _moved(value, back) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_moved(each, back) for each in node]
    if isinstance(node, str) and node.endswith("Z") and node[:2] == "20":
        moved: str = msgspec.to_builtins(datetime.fromisoformat(node) - back)
        return moved
    return node
