"""The Kubernetes API as the operator speaks it: one object at a time, synchronously, from any thread.

Connection, certificates and the rotation of tokens are lightkube's; requests are made here, because its typed objects
drop fields that they do not know, and its watches know neither bookmarks nor silence.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
from lightkube.config.client_adapter import AsyncClient, Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from kilter.api.kilterapp import STATUS_MANAGER
from kilter.errors import Failed, MachineLacks
from kilter.operator.kinds import Kind, Object, kind_of, place_of
from kilter.tools.nolog import printed

LIMIT: Final = httpx2.Timeout(10.0, connect=5.0)  # seconds for one answer, not for a watch
APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML, and quicker to write
MERGE: Final = "application/merge-patch+json"
MESSAGE_LIMIT = 1000  # characters of foreign text
LINE: Final = 20 * 1024  # bytes of a line of a log at most: a runtime splits longer ones, containerd at 16 KiB


class KubeError(Failed):
    """The API server did not do what it was asked, or did not answer (`code` 0)."""

    def __init__(self, code: int, reason: str, message: str, *, named: bool = False) -> None:
        said = f"the API server answered {code} {reason}" if code else "the API server is out of reach"
        super().__init__(said, why=message[:MESSAGE_LIMIT])
        self.code = code
        self.reason = reason
        self.named = named  # the answer is about the very object, not about its kind


class Conflict(KubeError):
    """The object changed meanwhile, or another writer owns the field."""


class Gone(KubeError):
    """The resource version is too old to go on from."""


class Missing(KubeError):
    """There is no such object, or no such kind."""


_CLASSES: Final[Mapping[int, type[KubeError]]] = {404: Missing, 409: Conflict, 410: Gone}


def configuration(kubeconfig: Path | None = None) -> SingleConfig:
    """Return how to reach the cluster: by a kubeconfig, or as the pod's own service account.

    A user's `~/.kube/config` is never taken by itself. Raises MachineLacks.
    """
    try:
        found = (KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_service_account()).get()
        if found is None:
            raise ConfigError("no context is set")
    except (ConfigError, KeyError) as error:
        raise MachineLacks(
            "the operator does not know its cluster", why=str(error), hint="run it in a pod, or set KUBECONFIG"
        ) from None
    return found


def session(config: SingleConfig) -> httpx2.Client:
    """Open a client for single requests, safe for many threads."""
    return Client(config, ConnectionParams(timeout=LIMIT, trust_env=False))


def async_session(config: SingleConfig) -> httpx2.AsyncClient:
    """Open a client for watches."""
    return AsyncClient(config, ConnectionParams(timeout=LIMIT, trust_env=False))


def error_of(status: int, body: bytes) -> KubeError:
    """Turn an answer that is no success into its error."""
    try:
        said = msgspec.json.decode(body)
        reason, message = str(said.get("reason", "")), str(said.get("message", ""))
        named = bool((said.get("details") or {}).get("name"))
    except (msgspec.DecodeError, AttributeError):
        reason, message, named = "", body[:MESSAGE_LIMIT].decode(errors="replace"), False
    return _CLASSES.get(status, KubeError)(status, reason or "error", message, named=named)


class Kube:
    """Reads and writes objects as the field manager `kilter-operator`; raises KubeError and its classes."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, or None when there is none; raises Missing when the server does not know its kind."""
        try:
            return self.request("GET", kind.path(namespace, name))
        except Missing as error:
            # A server that just started does not know its custom kinds yet: that is no proof that an object is gone.
            if not error.named:
                raise
            return None

    def list(self, kind: Kind, namespace: str = "", selector: str = "") -> list[Object]:
        """Return the objects of a namespace or of all, those that a label selector chooses; none of an unknown kind."""
        params = {"labelSelector": selector} if selector else None
        try:
            items = self.request("GET", kind.path(namespace), params=params)["items"]
        except Missing:
            return []
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in items]

    def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
        """Apply an object server-side and return it as it is now.

        Raises Conflict when another manager owns a field, unless forced, and when `metadata.resourceVersion` is given
        and not the newest.
        """
        namespace, name = place_of(thing)
        path = kind_of(thing).path(namespace, name, subresource)
        params = {"fieldManager": STATUS_MANAGER, "force": str(force).lower()}
        return self.request("PATCH", path, thing, params=params, media=APPLY)

    def create(self, thing: Object) -> Object:
        """Make an object; raises Conflict when it is there."""
        kind, (namespace, _) = kind_of(thing), place_of(thing)
        return self.request("POST", kind.path(namespace), thing, params={"fieldManager": STATUS_MANAGER})

    def replace(self, thing: Object) -> Object:
        """Write a whole object; raises Conflict when its `metadata.resourceVersion` is not the newest."""
        kind, (namespace, name) = kind_of(thing), place_of(thing)
        return self.request("PUT", kind.path(namespace, name), thing, params={"fieldManager": STATUS_MANAGER})

    def merge(self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """Merge a patch into an object and return it."""
        params = {"fieldManager": STATUS_MANAGER}
        return self.request("PATCH", kind.path(namespace, name), patch, params=params, media=MERGE)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> bool:
        """Delete the very object of that uid; False when it is gone. A later one of the same name stays."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            self.request("DELETE", kind.path(namespace, name), body)
        except (Missing, Conflict):
            return False
        return True

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str:
        """Return the last lines of a container's log; empty when there is none.

        A kubelet that is given fewer bytes than the lines have leaves the newest out, where the error is.
        """
        words = {"container": container, "previous": str(previous).lower(), "tailLines": str(lines)}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        answer = self._send("GET", path, None, words | {"limitBytes": str(lines * LINE)}, "application/json")
        return printed(answer.text) if answer.is_success else ""

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        media: str = "application/json",
    ) -> Object:
        """Ask once and return the decoded answer."""
        answer = self._send(method, path, body, params, media)
        if not answer.is_success:
            raise error_of(answer.status_code, answer.content)
        try:
            return msgspec.json.decode(answer.content, type=Object)
        except msgspec.DecodeError as error:  # what stands between, such as a proxy, has answered
            raise KubeError(answer.status_code, "Unreadable", str(error)) from None

    def _send(
        self, method: str, path: str, body: object, params: Mapping[str, str] | None, media: str
    ) -> httpx2.Response:
        content = None if body is None else msgspec.json.encode(body)
        try:
            return self._client.request(
                method, path, content=content, params=params, headers={"Content-Type": media} if content else None
            )
        except httpx2.HTTPError as error:
            raise KubeError(0, type(error).__name__, str(error)) from None
