"""The kinds of object that the operator reads or writes, and where the API server keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kilter.api import kilterapp

Object = dict[str, Any]  # as the API server says it


@dataclass(frozen=True)
class Kind:
    """One kind: its API group and version (`v1`, `apps/v1`), its name, its plural, and whether it has namespaces."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of a collection (of one namespace or of all), of an object, or of a part of an object."""
        root = "api" if "/" not in self.api_version else "apis"
        place = ("namespaces", namespace) if self.namespaced and namespace else ()
        return "/" + "/".join(part for part in (root, self.api_version, *place, self.plural, name, subresource) if part)


APP: Final = Kind(kilterapp.API_VERSION, kilterapp.KIND, kilterapp.PLURAL)
NAMESPACE: Final = Kind("v1", "Namespace", "namespaces", namespaced=False)
SECRET: Final = Kind("v1", "Secret", "secrets")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount", "serviceaccounts")
RESOURCE_QUOTA: Final = Kind("v1", "ResourceQuota", "resourcequotas")
CLAIM: Final = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD: Final = Kind("v1", "Pod", "pods")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
STATEFUL_SET: Final = Kind("apps/v1", "StatefulSet", "statefulsets")
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
ROLE_BINDING: Final = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
HTTP_ROUTE: Final = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
KUSTOMIZATION: Final = Kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations")
GIT_REPOSITORY: Final = Kind("source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories")

_ALL: Final = (
    APP, NAMESPACE, SECRET, SERVICE_ACCOUNT, RESOURCE_QUOTA, POD, DEPLOYMENT, ENDPOINT_SLICE, NETWORK_POLICY,
    ROLE_BINDING, LEASE, HTTP_ROUTE, KUSTOMIZATION, GIT_REPOSITORY,
)  # fmt: skip
_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in _ALL}


def kind_of(thing: Mapping[str, Any]) -> Kind:
    """Return the kind of an object; raises KeyError for one that the operator never writes."""
    return _BY_NAME[thing["apiVersion"], thing["kind"]]


def place_of(thing: Mapping[str, Any]) -> tuple[str, str]:
    """Return namespace (empty for objects without) and name of an object."""
    metadata = thing["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def shown(thing: Mapping[str, Any]) -> str:
    """Write an object as people name it: `Deployment shop`."""
    return f"{thing.get('kind', 'object')} {thing.get('metadata', {}).get('name', '')}".strip()
