"""What a cluster without nodes lacks, played by the test: Flux, a kubelet, a Gateway, and a Git repository.

The API server and its controllers are real. Git is a folder: one JSON file per commit, a fence file that refuses lower
numbers, a lock. Flux applies what the newest commit says and prunes what it no longer says; the kubelet makes pods run
as it is told; the Gateway accepts routes, answers over real HTTP and adds the header that the route asks for.
"""

import hashlib
import json
import os
import threading
import urllib.error
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

from kilter.api.crd import crd as kilter_crd
from kilter.api.kilterapp import Spec
from kilter.errors import Busy, Failed
from kilter.gitops.flux import REQUESTED_AT
from kilter.gitops.model import Fence
from kilter.operator import kinds
from kilter.operator.effects import Change
from kilter.operator.gateway import Prober
from kilter.operator.kinds import Kind
from kilter.operator.publications import Receipt
from kilter.operator.settings import Gateway
from kilter.operator.steps.publish import Rendered
from kilter.operator.world import Observed
from kilter.render import names
from kilter.render.names import Slot

from .apiserver import ApiServer

FLUX = "flux-system"
FINALIZER = "finalizers.fluxcd.io"
Thing = dict[str, Any]


def custom(kind: Kind) -> Thing:
    """Return a CRD that takes anything, for a kind whose controller is played here."""
    group, version = kind.api_version.split("/")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},  # or groups of k8s.io are refused
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [served | {"subresources": {"status": {}}}],
        },
    }


def install(api: ApiServer) -> None:
    """Make the kinds, namespaces and objects that an operator finds on a platform."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for each in (kilter_crd(), *map(custom, (kinds.HTTP_ROUTE, kinds.KUSTOMIZATION, kinds.GIT_REPOSITORY))):
        api.retried("POST", crds, each)
    for name in ("kilter-apps", "kilter-system", FLUX):
        api.retried("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    source = {"apiVersion": kinds.GIT_REPOSITORY.api_version, "kind": "GitRepository", "metadata": {"name": "kilter"}}
    api.retried("POST", kinds.GIT_REPOSITORY.path(FLUX), source)
    api.retried("GET", kinds.APP.path("kilter-apps"))


def clear(api: ApiServer) -> None:
    """Remove what operators look at, as if no operator and no Flux had ever been there."""
    for kind, space in ((kinds.APP, "kilter-apps"), (kinds.KUSTOMIZATION, FLUX)):
        for each in api.retried("GET", kind.path(space))["items"]:
            path = kind.path(space, each["metadata"]["name"])
            with suppress(urllib.error.HTTPError):  # it may be going already
                api.request("PATCH", path, {"metadata": {"finalizers": None}}, "merge-patch+json")
                api.request("DELETE", path)


@dataclass
class FolderGit:
    """A repository as a folder; every commit is the whole tree. The writer of one leader, when opened with a fence."""

    folder: Path
    fence: Fence | None = None
    fault: Exception | None = None

    def open(self, fence: Fence, *, anew: bool = True) -> "FolderGit":
        """Take the leadership; refused when a later leader has it."""
        opened = FolderGit(self.folder, fence)

        def led(state: Thing) -> None:
            opened._check(state)
            if not (anew or state["fence"]):
                raise Failed("apps are published, and this is another repository")
            state["fence"] = fence.number

        opened._changed(led)
        return opened

    def submit(self, change: Change) -> "Future[Receipt]":
        """Write a change at once."""
        future: Future[Receipt] = Future()
        try:
            future.set_result(self._write(change))
        except (Busy, Failed) as error:
            future.set_exception(error)
        return future

    def contains(self, revision: str, commit: str) -> bool:
        """Tell whether a commit came before a revision."""
        history = self.state()["history"]
        return commit in history and revision in history and history.index(commit) <= history.index(revision)

    def close(self) -> None:
        """Do nothing: every change was written at once."""

    def state(self) -> Thing:
        """Return fence, history and the newest tree."""
        return self._newest()[1]

    def _write(self, change: Change) -> Receipt:
        if (self.folder / "broken").exists():
            raise Failed("the repository does not answer")
        path = f"apps/{change.org}/{change.app}/{change.env}"

        def written(state: Thing) -> None:
            self._check(state)
            wanted = None if change.files is None else dict(change.files)
            if state["tree"].get(path) != wanted or (wanted is None and path in state["tree"]):
                state["tree"].pop(path, None)
                if wanted is not None:
                    state["tree"][path] = wanted
                text = json.dumps([state["history"][-1:], state["tree"]])
                state["history"].append(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
                state["writes"].append([path, change.deploy, self.fence.number if self.fence else 0])

        return Receipt((self._changed(written)["history"] or ["0" * 40])[-1], path)

    def _check(self, state: Thing) -> None:
        assert self.fence is not None
        if self.fence.number < state["fence"]:
            raise Busy("a later leader writes to Git")

    def _newest(self) -> tuple[int, Thing]:
        number = max((int(file.stem) for file in self.folder.glob("*.json")), default=0)
        if number:
            return number, json.loads((self.folder / f"{number}.json").read_text())
        return 0, {"fence": 0, "history": [], "tree": {}, "writes": []}

    def _changed(self, change: Callable[[Thing], None]) -> Thing:
        """Change the newest state, or the one that somebody else made of it meanwhile, as a push that is refused does.

        Nothing is held in between: whoever is stopped in the middle is in nobody's way.
        """
        while True:
            number, state = self._newest()
            change(state)
            fresh = self.folder / f"fresh-{os.getpid()}-{threading.get_ident()}"
            fresh.write_text(json.dumps(state))
            try:
                os.link(fresh, self.folder / f"{number + 1}.json")
            except FileExistsError:
                continue
            finally:
                fresh.unlink()
            return state


def render(spec: Spec, observed: Observed) -> Rendered:
    """Render the least that a release consists of: a Deployment, a Service and a route."""
    slot, release = Slot(spec.org, spec.app, spec.env), {names.RELEASE: spec.deploy_id}
    labels = {**names.labels(slot, observed.namespace), **release}
    select = {"kilter.dev/app": spec.app}
    secure = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    limits = {"cpu": "10m", "memory": "16Mi"}
    container = {
        "name": "web",
        "image": spec.image,
        "securityContext": secure,
        "resources": {"requests": limits, "limits": limits},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": spec.app, "namespace": observed.namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": select},
            # With time to end, the controller of namespaces would wait 16 seconds before it looks at a namespace again.
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": spec.app, "namespace": observed.namespace, "labels": labels},
        "spec": {"selector": select, "ports": [{"port": spec.port}]},
    }
    things: list[Thing] = [deployment, service]
    if spec.public:
        things.append(
            {
                "apiVersion": kinds.HTTP_ROUTE.api_version,
                "kind": "HTTPRoute",
                "metadata": {"name": spec.app, "namespace": observed.namespace, "labels": labels},
                "spec": {"hostnames": [names.host(slot, observed.settings.domain)]},
            }
        )
    return Rendered({f"{each['kind'].lower()}-{spec.app}.yaml": yaml.safe_dump(each) for each in things})


PATHS = {
    "Deployment": kinds.DEPLOYMENT,
    "Service": Kind("v1", "Service", "services"),
    "HTTPRoute": kinds.HTTP_ROUTE,
    "NetworkPolicy": kinds.NETWORK_POLICY,
    "ServiceAccount": kinds.SERVICE_ACCOUNT,
    "StatefulSet": kinds.STATEFUL_SET,
}


class Git(Protocol):
    """What the played Flux reads."""

    def state(self) -> Thing:
        """Return `history`, oldest first, and `tree`: by folder, by file name, the text of each object."""


@dataclass
class Pretend:
    """Flux, kubelet and Gateway on one thread; `pod_state` says what becomes of a pod, by the deploy it belongs to."""

    api: ApiServer
    git: Git
    pod_state: dict[str, str] = field(default_factory=dict)  # deploy → "crash", "no-image", "pending"; else it runs
    lingering: set[str] = field(default_factory=set)  # deploys whose pods do not end
    flux_works: bool = True
    _stop: threading.Event = field(default_factory=threading.Event)
    # By name: the commit and the request to look at once that were answered, and the texts of the objects.
    _applied: dict[str, tuple[tuple[str, str], list[str]]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, release = outer._answer(self.headers.get("Host", ""))
                self.send_response(status)
                if release:
                    self.send_header(names.RELEASE_HEADER, release)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._routes: dict[str, str] = {}
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._play, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join(20)
        self._server.server_close()

    def gateway(self) -> Prober:
        """Return what asks the played Gateway."""
        return Prober(Gateway(self.url))

    def _answer(self, host: str) -> tuple[int, str]:
        release = self._routes.get(host)
        return (200, release) if release else (404, "")

    def _play(self) -> None:
        while not self._stop.wait(0.15):
            for part in (self._flux, self._services, self._kubelet, self._gateway):
                with suppress(urllib.error.URLError, OSError):  # the next round sees what changed meanwhile
                    part()

    def _flux(self) -> None:
        if not self.flux_works:
            return
        state = self.git.state()
        for each in self.api.request("GET", kinds.KUSTOMIZATION.path(FLUX))["items"]:
            metadata = each["metadata"]
            path, space = each["spec"]["path"].removeprefix("./"), each["spec"]["targetNamespace"]
            if metadata.get("deletionTimestamp"):
                self._prune(metadata, space, [])
                continue
            if FINALIZER not in metadata.get("finalizers", []):
                finalizers = {"metadata": {"finalizers": [FINALIZER]}}
                self._patch(kinds.KUSTOMIZATION, FLUX, metadata["name"], finalizers)
            asked = (state["history"][-1], metadata.get("annotations", {}).get(REQUESTED_AT, ""))
            answered, before = self._applied.get(metadata["name"], (("", ""), []))
            if path not in state["tree"] or answered == asked:
                continue
            texts = [text for _, text in sorted(state["tree"][path].items())]
            if before != texts or answered[1] != asked[1]:
                things = [yaml.safe_load(text) for text in texts]
                for thing in things:
                    kind = PATHS[thing["kind"]]
                    self.api.apply(kind.path(space, thing["metadata"]["name"]), thing, "kustomize-controller")
                self._prune(metadata, space, things)
            revision = f"main@sha1:{state['history'][-1]}"
            self._status(kinds.KUSTOMIZATION, FLUX, metadata["name"], applied(metadata["generation"], revision))
            self._applied[metadata["name"]] = (asked, texts)

    def _prune(self, metadata: Thing, space: str, things: list[Thing]) -> None:
        kept = [(thing["kind"], thing["metadata"]["name"]) for thing in things]
        for text in self._applied.get(metadata["name"], (("", ""), []))[1]:
            before = yaml.safe_load(text)
            kind, name = before["kind"], before["metadata"]["name"]
            if (kind, name) not in kept:
                with suppress(urllib.error.HTTPError):
                    self.api.request("DELETE", PATHS[kind].path(space, name))
        if metadata.get("deletionTimestamp"):
            self._applied.pop(metadata["name"], None)
            self._patch(kinds.KUSTOMIZATION, FLUX, metadata["name"], {"metadata": {"finalizers": None}})

    def _services(self) -> None:
        """Have the services beside the apps run, without pods and claims of theirs."""
        for found in self.api.request("GET", kinds.STATEFUL_SET.path() + "?labelSelector=kilter.dev/app")["items"]:
            metadata, wanted = found["metadata"], found["spec"]["replicas"]
            if (found.get("status") or {}).get("observedGeneration") != metadata["generation"]:
                counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), wanted)
                status = {**counts, "observedGeneration": metadata["generation"]}
                self._status(kinds.STATEFUL_SET, metadata["namespace"], metadata["name"], status)

    def _kubelet(self) -> None:
        selector = "?labelSelector=kilter.dev/release"
        for pod in self.api.request("GET", kinds.POD.path() + selector)["items"]:
            metadata = pod["metadata"]
            space, name = metadata["namespace"], metadata["name"]
            deploy = metadata["labels"]["kilter.dev/release"]
            if metadata.get("deletionTimestamp"):
                if deploy not in self.lingering:
                    self.api.request("DELETE", kinds.POD.path(space, name), {"gracePeriodSeconds": 0})
                continue
            wanted = self.pod_state.get(deploy, "run")
            if not pod["spec"].get("nodeName"):
                self._bind(space, name)
            if (pod.get("status") or {}).get("message") != f"made to {wanted}":
                self._status(kinds.POD, space, name, pod_status(wanted, name))

    def _bind(self, space: str, name: str) -> None:
        with suppress(urllib.error.HTTPError):
            self.api.request("POST", "/api/v1/nodes", {"metadata": {"name": "pretend"}})
        target = {"apiVersion": "v1", "kind": "Node", "name": "pretend"}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.api.request("POST", kinds.POD.path(space, name, "binding"), body)

    def _gateway(self) -> None:
        found = {}
        for route in self.api.request("GET", kinds.HTTP_ROUTE.path())["items"]:
            metadata = route["metadata"]
            for host in route["spec"]["hostnames"]:
                found[host] = metadata["labels"]["kilter.dev/release"]
            if not route.get("status"):
                self._status(kinds.HTTP_ROUTE, metadata["namespace"], metadata["name"], accepted())
        self._routes = found

    def _patch(self, kind: Kind, space: str, name: str, body: Mapping[str, Any]) -> None:
        self.api.request("PATCH", kind.path(space, name), body, "merge-patch+json")

    def _status(self, kind: Kind, space: str, name: str, status: Thing) -> None:
        self.api.request("PATCH", kind.path(space, name, "status"), {"status": status}, "merge-patch+json")


def applied(generation: int, revision: str) -> Thing:
    """Return the status of a Kustomization that was applied."""
    ready = {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": f"Applied {revision}"}
    return {
        "observedGeneration": generation,
        "lastAppliedRevision": revision,
        "lastAttemptedRevision": revision,
        "conditions": [ready],
    }


def accepted() -> Thing:
    """Return the status of a route that a Gateway took."""
    conditions = [{"type": each, "status": "True", "reason": each} for each in ("Accepted", "ResolvedRefs")]
    return {"parents": [{"parentRef": {"name": "kilter", "namespace": "kilter-system"}, "conditions": conditions}]}


def pod_status(wanted: str, name: str) -> Thing:
    """Return the status of a pod that does what it is made to."""
    running = wanted == "run"
    state: Thing = {"running": {}}
    if wanted == "crash":
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    elif wanted == "no-image":
        state = {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown: no such digest"}}
    container = {"name": "web", "ready": running, "restartCount": 0 if running else 3, "state": state}
    container |= {"image": "x", "imageID": "x", "lastState": {"terminated": {"exitCode": 7, "reason": "Error"}}}
    address = f"10.1.0.{int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % 250 + 1}"
    return {
        "phase": "Running" if running else "Pending",
        "message": f"made to {wanted}",
        "podIP": address,
        "podIPs": [{"ip": address}],
        # Without a time, no pod is ever available for as long as a Deployment may ask for (`minReadySeconds`).
        "conditions": [
            {"type": each, "status": str(running), "lastTransitionTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
            for each in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [] if wanted == "pending" else [container],
    }
