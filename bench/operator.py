"""What a thousand environments cost the operator: how fast it publishes them, what it holds, and what it does at rest.

The operator's own program with real helm and kilter's Git service, against a real API server without nodes. Flux and
the kubelet are played: what they would report is written by this benchmark. Needs no container engine:
`python -m bench.operator` measures this alone; a number behind it is that of the environments.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.apiserver import MISSING, ApiServer, binaries, free_port
from conformance.pretend import FLUX, applied, install, pod_status

from bench import engine
from bench.alone import alone
from bench.measure import Goal, Row, Sample
from bench.process import Failed
from bench.run import Run
from kilter.gitops.http_server import Server
from kilter.gitops.served import Served
from kilter.gitops.service import serving
from kilter.gitops.tokens import Right, TokenFile, line
from kilter.operator import kinds
from kilter.proc import SubprocessRunner
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools.provision import provide
from kilter.tools.versions import HELM

APPS = 1000
PER_SECOND = 4.0  # looks, and deploys, at least
MEMORY = 400.0  # MiB, at most
IDLE, IDLE_CPU = 60.0, 0.6  # seconds that are looked at, and cpu seconds in them, at most: a hundredth of a core
SETTLING = 20.0
PATIENCE = 1800.0
WRITERS = 4
PUBLISHED = ("Reconciling", "RollingOut", "Ready")
Thing = dict[str, Any]


@dataclass
class Bed:
    """A cluster, and the operator at work on it."""

    api: ApiServer
    child: "subprocess.Popen[bytes]"
    port: int  # of its metrics
    log: Path

    def metrics(self) -> dict[str, float]:
        """Return what the operator says of itself, by name and labels."""
        if self.child.poll() is not None:
            raise Failed(f"the operator ended: {self.log.read_text()[-2000:]}")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            lines = [text for text in answer.read().decode().splitlines() if not text.startswith("#")]
        return {name: float(value) for name, _, value in (text.rpartition(" ") for text in lines)}

    def looks(self) -> float:
        """Return how often it has looked at a KilterApp so far."""
        return sum(
            value for name, value in self.metrics().items() if name.startswith("kilter_operator_reconciles_total")
        )

    def until(self, apps: int, phases: Sequence[str]) -> None:
        """Wait until so many environments are in these phases."""
        limit = time.monotonic() + PATIENCE
        while True:
            found = self.metrics()
            there = sum(found.get(f'kilter_operator_apps{{phase="{phase}"}}', 0.0) for phase in phases)
            if there >= apps:
                return
            if time.monotonic() > limit:
                raise Failed(f"after {PATIENCE:g} s {there:g} of {apps} are in {', '.join(phases)}")
            time.sleep(0.5)


@dataclass(frozen=True)
class Figures:
    """What was found; times in seconds."""

    apps: int
    published: float  # until all were
    looks: float  # until then
    look: float  # that one took, until all were Ready
    memory: float  # MiB, the most
    cpu: float  # at rest


def app(number: int) -> str:
    """Return the name of one of the apps."""
    return f"app-{number}"


def kilter_app(number: int) -> Thing:
    """Return a deploy as kilter-server writes it: an app with a worker, reached inside the cluster alone."""
    name = f"acme-{app(number)}-dev"
    spec = {
        "org": "acme",
        "app": app(number),
        "env": "dev",
        "class": "ephemeral",
        "deployId": f"dep-{number}",
        "sequence": 1,
        "actor": "bench",
        "image": f"registry.example.com/acme/{app(number)}@sha256:{'a' * 64}",
        "port": 8080,
        "public": False,
        "vars": {"LOG_LEVEL": "info"},
        "processes": {"worker": {"command": ["work"]}},
    }
    metadata = {"name": name, "namespace": "kilter-apps"}
    return {"apiVersion": kinds.APP.api_version, "kind": "KilterApp", "metadata": metadata, "spec": spec}


def deploy(api: ApiServer, number: int) -> None:
    """Ask for one environment."""
    api.request("POST", kinds.APP.path("kilter-apps"), kilter_app(number))


def settle(api: ApiServer, number: int) -> None:
    """Report for one environment what Flux, the controllers and the kubelet would: it was applied, and it runs."""
    name, space = app(number), f"acme-{app(number)}-dev"
    status = api.request("GET", kinds.APP.path("kilter-apps", space))["status"]
    revision = f"main@sha1:{status['git']['commit']}"
    patch(api, kinds.KUSTOMIZATION.path(FLUX, space, "status"), applied(1, revision))
    labels = {"kilter.dev/app": name, "kilter.dev/release": f"dep-{number}"}
    for workload in (name, f"{name}-worker"):
        api.request("POST", kinds.DEPLOYMENT.path(space), deployment(workload, labels))
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
        patch(api, kinds.DEPLOYMENT.path(space, workload, "status"), {**counts, "observedGeneration": 1})
        pod = {"metadata": {"name": f"{workload}-0", "labels": labels}, "spec": pod_spec()}
        api.request("POST", kinds.POD.path(space), pod)
        patch(api, kinds.POD.path(space, f"{workload}-0", "status"), pod_status("run", workload))
    target = {"kind": "Pod", "name": f"{name}-0", "namespace": space}
    endpoint = {"addresses": ["10.1.0.1"], "conditions": {"ready": True}, "targetRef": target}
    metadata = {"name": name, "labels": {"kubernetes.io/service-name": name, "kilter.dev/app": name}}
    slice_ = {"metadata": metadata, "addressType": "IPv4", "endpoints": [endpoint], "ports": []}
    api.request("POST", kinds.ENDPOINT_SLICE.path(space), slice_)


def deployment(name: str, labels: Mapping[str, str]) -> Thing:
    """Return a Deployment of one pod."""
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    spec = {"replicas": 1, "selector": {"matchLabels": dict(labels)}, "template": template}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def pod_spec() -> Thing:
    """Return a pod that an environment's namespace admits."""
    secure = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    limits = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "app", "image": "x", "securityContext": secure}
    return {"containers": [{**container, "resources": {"requests": limits, "limits": limits}}]}


def patch(api: ApiServer, path: str, status: Mapping[str, Any]) -> None:
    """Write the status of an object."""
    api.request("PATCH", path, {"status": status}, "merge-patch+json")


def each(apps: int, work: Callable[[int], None]) -> None:
    """Do something for every environment, a few at a time."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(apps)))


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """Start API server, Git service and operator; all of them end with the block."""
    programs = binaries()
    if programs is None:
        raise Failed(MISSING)
    runner, token = SubprocessRunner(), secrets.token_hex(24)
    helm = provide(HELM, runner, Paths(folder / "data", folder / "cache"), os.environ, Recorder())
    (folder / "tokens").write_text(line(Right.WRITE, token))
    (folder / "token").write_text(token)
    served = Served(folder / "flux.git", TokenFile(folder / "tokens"), SubprocessRunner({"PATH": os.environ["PATH"]}))
    served.prepare()
    server = Server(("127.0.0.1", 0), served)
    with ApiServer(programs) as api, serving(server):
        install(api)
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(api.kubeconfig()),
            "KILTER_ADDRESS": "127.0.0.1",
            "KILTER_PORT": str(port),
            "KILTER_GIT_URL": f"http://127.0.0.1:{server.server_port}/flux.git",
            "KILTER_GIT_TOKEN_FILE": str(folder / "token"),
            "KILTER_GIT_FOLDER": str(folder / "git"),
            "KILTER_HELM": str(helm),
            "KILTER_READINESS_TIMEOUT": "2h",
            "KILTER_LOG_LEVEL": "WARNING",
        }
        with (folder / "operator.log").open("wb") as log:
            command = [sys.executable, "-m", "kilter.operator"]
            child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield ready(Bed(api, child, port, folder / "operator.log"))
        finally:
            child.terminate()
            child.wait(60)


def ready(found: Bed) -> Bed:
    """Wait until the operator leads."""
    limit = time.monotonic() + 60
    while True:
        try:
            if found.metrics().get("kilter_operator_leader"):
                return found
        except OSError:
            pass
        if time.monotonic() > limit:
            raise Failed("the operator does not lead")
        time.sleep(0.2)


def compare(folder: Path, apps: int = APPS) -> Sequence[Row]:
    """Deploy all at once, let them get Ready, and look at what is left to do."""
    with bed(folder) as made:
        before, began = made.looks(), time.monotonic()
        each(apps, lambda number: deploy(made.api, number))
        made.until(apps, PUBLISHED)
        published = time.monotonic() - began
        looks = made.looks() - before
        each(apps, lambda number: settle(made.api, number))
        made.until(apps, ["Ready"])
        settled, seen = time.monotonic() - began, made.looks() - before
        time.sleep(SETTLING)
        calm = engine.process(made.child.pid)
        time.sleep(IDLE)
        cpu = engine.process(made.child.pid).cpu - calm.cpu
        return rows(Figures(apps, published, looks, settled / seen, engine.peak(made.child.pid), cpu))


def rows(found: Figures) -> Sequence[Row]:
    """Return the figures with their goals."""
    what, published = f"{found.apps} environments", found.published
    speed = f"{found.looks / published:.1f} a second; {found.apps / published:.1f} deploys a second"
    resident = "most of its resident set, without helm and git, which it starts"
    settled, at_rest = Sample((found.look * 1000,)), Sample((found.cpu,), "cpu s")
    return [
        Row(
            "operator",
            f"{what} published",
            Sample((published,)),
            goal=Goal(found.apps / PER_SECOND, "value"),
            notes=(f"{found.looks:.0f} looks until then, {speed}",),
        ),
        Row("operator", "1,000 looks", settled, goal=Goal(1000 / PER_SECOND, "value")),
        Row(
            "operator",
            f"{what}, memory",
            Sample((found.memory,), "MiB"),
            goal=Goal(MEMORY, "value"),
            notes=(resident,),
        ),
        Row("operator", f"{what}, all Ready, CPU in {IDLE:g} s", at_rest, goal=Goal(IDLE_CPU, "value")),
    ]


def measure(run: Run) -> Sequence[Row]:
    """See `compare`."""
    with tempfile.TemporaryDirectory(dir=run.shop.base) as folder:
        return compare(Path(folder))


def main(arguments: Sequence[str]) -> int:
    """Measure this alone, print the table and write the JSON; the only argument is a number of environments."""
    return alone("operator", lambda folder: compare(folder, int(arguments[0]) if arguments else APPS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
