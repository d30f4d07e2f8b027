"""Everything that the operator watches: one store per kind, what fills it, and whose an object is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from kilter.api import kilterapp
from kilter.api.kilterapp import KilterApp
from kilter.operator import kinds
from kilter.operator.kinds import Kind, Object
from kilter.operator.settings import Settings
from kilter.operator.store import Entry, Place, Store
from kilter.operator.views import (
    Deployment,
    EndpointSlice,
    HTTPRoute,
    Pod,
    StatefulSet,
    Unreadable,
    kilter_app,
    plain,
    viewer,
)
from kilter.operator.watch import Source
from kilter.render.names import MANAGED_BY, OPERATOR

OWN: Final = f"{MANAGED_BY}={OPERATOR}"
OF_AN_APP: Final = f"{kilterapp.LABEL_APP}"  # a selector: the label is there


@dataclass(frozen=True)
class Stores:
    """The newest known state of what the operator watches."""

    apps: Store[KilterApp | Unreadable] = field(default_factory=Store)
    namespaces: Store[Object] = field(default_factory=Store)
    quotas: Store[Object] = field(default_factory=Store)
    policies: Store[Object] = field(default_factory=Store)
    accounts: Store[Object] = field(default_factory=Store)
    bindings: Store[Object] = field(default_factory=Store)
    secrets: Store[Object] = field(default_factory=Store)  # metadata alone: no value is ever kept in memory
    kustomizations: Store[Object] = field(default_factory=Store)
    deployments: Store[Deployment] = field(default_factory=Store)
    stateful_sets: Store[StatefulSet] = field(default_factory=Store)
    pods: Store[Pod] = field(default_factory=Store)
    slices: Store[EndpointSlice] = field(default_factory=Store)
    routes: Store[HTTPRoute] = field(default_factory=Store)

    def put(self, thing: Object) -> None:
        """Take the API server's answer to a write of the operator's own."""
        kind, place = kinds.kind_of(thing), kinds.place_of(thing)
        version = int(thing["metadata"]["resourceVersion"])
        if kind is kinds.APP:
            self.apps.put_own(place, Entry(version, kilter_app(msgspec.Raw(msgspec.json.encode(thing)))))
            return
        store = {
            kinds.NAMESPACE: self.namespaces,
            kinds.RESOURCE_QUOTA: self.quotas,
            kinds.NETWORK_POLICY: self.policies,
            kinds.SERVICE_ACCOUNT: self.accounts,
            kinds.ROLE_BINDING: self.bindings,
            kinds.KUSTOMIZATION: self.kustomizations,
        }.get(kind)
        if store is not None:
            kept = {**thing, "metadata": {k: v for k, v in thing["metadata"].items() if k != "managedFields"}}
            store.put_own(place, Entry(version, kept))


@dataclass(frozen=True)
class Watched:
    """One kind that is watched: where it goes, what is asked for, and how an object names its environment's key."""

    store: Store[Any]
    source: Source[Any]
    key: Callable[[Place], str]


def watched(stores: Stores, settings: Settings) -> Iterator[Watched]:
    """Yield everything that is watched. The key is the KilterApp's name, which is the namespace's too."""
    flux = settings.flux.namespace
    yield Watched(stores.apps, Source(kinds.APP, kilter_app, namespace=kilterapp.NAMESPACE), _name)
    yield Watched(stores.namespaces, _own(kinds.NAMESPACE), _name)
    yield Watched(stores.quotas, _own(kinds.RESOURCE_QUOTA), _namespace)
    yield Watched(stores.policies, _own(kinds.NETWORK_POLICY), _namespace)
    yield Watched(stores.bindings, _own(kinds.ROLE_BINDING), _namespace)
    yield Watched(stores.accounts, _own(kinds.SERVICE_ACCOUNT, flux), _name)
    yield Watched(stores.kustomizations, _own(kinds.KUSTOMIZATION, flux), _name)
    secret = Source(kinds.SECRET, plain(kinds.SECRET), selector=OWN, metadata_only=True)
    yield Watched(stores.secrets, secret, _namespace)
    yield Watched(stores.deployments, Source(kinds.DEPLOYMENT, viewer(Deployment), selector=OF_AN_APP), _namespace)
    services = Source(kinds.STATEFUL_SET, viewer(StatefulSet), selector=OF_AN_APP, dispensable=True)
    yield Watched(stores.stateful_sets, services, _namespace)
    yield Watched(stores.pods, Source(kinds.POD, viewer(Pod), selector=OF_AN_APP), _namespace)
    yield Watched(stores.slices, Source(kinds.ENDPOINT_SLICE, viewer(EndpointSlice), selector=OF_AN_APP), _namespace)
    yield Watched(stores.routes, Source(kinds.HTTP_ROUTE, viewer(HTTPRoute), selector=OF_AN_APP), _namespace)


def _own(kind: Kind, namespace: str = "") -> Source[Object]:
    return Source(kind, plain(kind), namespace=namespace, selector=OWN)


def _name(place: Place) -> str:
    return place[1]


def _namespace(place: Place) -> str:
    return place[0]
