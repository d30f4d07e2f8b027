"""The platform on a cluster, driven as its administrator would: helm, kubectl, git, and requests at the Gateway."""

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kilter.errors import KilterError
from kilter.proc import Command, Runner

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "src/kilter/charts"
MANIFESTS = ROOT / "tests/conformance/platform"
SYSTEM = "kilter-system"
SECRETS = ("kilter-git", "kilter-postgres", "kilter-registry", "kilter-registry-token")
IMAGE = os.environ.get("KILTER_PLATFORM_IMAGE", "kilter:dev")  # in the engine's own store
VALUES = """
clusterDomain: apps.test
trial: true
images: {{kilter: "{image}"}}
gateway: {{service: {{type: NodePort, nodePorts: {{http: {port}}}}}}}
metricsServer: {{kubeletInsecureTLS: true}}
registry: {{storage: {{size: 1Gi}}}}
postgres: {{storage: {{size: 1Gi}}}}
git: {{storage: {{size: 1Gi}}}}
"""
Found = TypeVar("Found")


@dataclass(frozen=True)
class Platform:
    """A cluster, helm and kubectl for it, a port that leads to its Gateway, and a Git repository for its pods."""

    runner: Runner
    helm_binary: Path
    kubectl_binary: Path
    kubeconfig: Path
    port: int
    repository: Path
    address: str

    def helm(self, *arguments: str) -> str:
        argv = (str(self.helm_binary), *arguments, "--namespace", SYSTEM)
        env = {"KUBECONFIG": str(self.kubeconfig), "HELM_CACHE_HOME": str(self.repository.parent / "helm")}
        return self.runner.run(Command(argv, env=env, stdin=self.values(), timeout=300)).stdout

    @property
    def image(self) -> str:
        """The image of kilter's programs, as the node knows it."""
        return IMAGE if "/" in IMAGE else f"docker.io/library/{IMAGE}"

    def values(self) -> str:
        """What the chart is installed with."""
        return VALUES.format(image=self.image, port=self.port)

    def command(self, *arguments: str, stdin: str | None = None, ok: tuple[int, ...] = (0,)) -> Command:
        argv = (str(self.kubectl_binary), "--kubeconfig", str(self.kubeconfig), *arguments)
        return Command(argv, stdin=stdin, timeout=240, ok=ok)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.runner.run(self.command(*arguments, stdin=stdin)).stdout

    def get(self, *what: str) -> Any:
        return json.loads(self.kubectl("get", *what, "--namespace", SYSTEM, "--output", "json"))

    def is_ending(self, kind: str, name: str) -> bool:
        """Tell whether an object that exists is being deleted."""
        return "deletionTimestamp" in self.get(kind, name)["metadata"]

    def install(self, *settings: str) -> None:
        self.helm(
            "upgrade",
            "--install",
            "kilter-crds",
            str(CHARTS / "kilter-platform-crds"),
            "--create-namespace",
        )
        self.helm(
            "upgrade",
            "--install",
            "kilter",
            str(CHARTS / "kilter-platform"),
            "--values",
            "-",
            *settings,
        )

    def await_all(self) -> None:
        """Wait until every program of the platform runs as it is described now."""
        for workload in self.get("deployments,statefulsets")["items"]:
            name = f"{workload['kind']}/{workload['metadata']['name']}"
            self.kubectl("rollout", "status", "--namespace", SYSTEM, name, "--timeout=230s")

    def apply_flux(self) -> None:
        """Make the environment of the test's app, and Flux's objects for it."""
        self.kubectl(
            "apply", "--filename", "-", stdin=(MANIFESTS / "flux.yaml").read_text().replace("ADDRESS", self.address)
        )

    def secrets(self) -> list[dict[str, str]]:
        return [self.get("secret", name)["data"] for name in SECRETS]

    def pods(self) -> set[str]:
        """The pods that are to stay."""
        return {
            pod["metadata"]["name"] for pod in self.get("pods")["items"] if "deletionTimestamp" not in pod["metadata"]
        }

    def sql(self, statement: str, password: str = "") -> str:
        """Run a statement over TCP, by the password of the Secret unless another is given."""
        login = {
            key: base64.b64decode(text).decode() for key, text in self.get("secret", "kilter-postgres")["data"].items()
        }
        dsn = login["dsn"].replace(login["password"], password or login["password"])
        inside = ("exec", "--namespace", SYSTEM, "kilter-postgres-0", "--")
        return self.kubectl(*inside, "psql", dsn, "-v", "ON_ERROR_STOP=1", "-Atc", statement).strip()

    def ask(
        self, host: str, path: str = "/", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, str, dict[str, str]]:
        """Ask the Gateway for a host: status, text, headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def tls(self, host: str | None) -> str:
        """Try TLS on the Gateway's port with a name, or with none: its version, or why there is none."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname=host) as secured,
            ):
                return secured.version() or ""
        except ssl.SSLError as error:
            return f"refused: {error.reason}"

    def in_server(self, *arguments: str) -> str:
        """Run the server's program in its pod."""
        inside = ("exec", "--namespace", SYSTEM, "deployment/kilter-server", "--", "python", "-m", "kilter.server")
        return self.kubectl(*inside, *arguments).strip()

    def push(self, release: str) -> None:
        """Put one release of the app into the repository; an empty name takes the app out."""
        work = self.repository.parent / "work"
        file = work / "apps/acme/shop/dev/app.yaml"
        if not work.exists():
            git("clone", "--quiet", str(self.repository), str(work))
            file.parent.mkdir(parents=True)
        file.write_text((MANIFESTS / "app.yaml").read_text().replace("RELEASE", release) if release else "")
        git("-C", str(work), "add", ".")
        git("-C", str(work), "commit", "--quiet", "-m", f"Release {release}")
        git("-C", str(work), "push", "--quiet", "origin", "HEAD:main")

    def reconcile(self) -> None:
        stamp = f"reconcile.fluxcd.io/requestedAt={time.time()}"
        self.kubectl("annotate", "--overwrite", "--namespace", SYSTEM, "gitrepository/flux", stamp)

    def listeners(self) -> dict[str, str]:
        """Each listener of the Gateway with its condition Programmed."""
        found = self.get("gateway", "kilter").get("status", {}).get("listeners", [])
        return {
            one["name"]: condition["status"]
            for one in found
            for condition in one["conditions"]
            if condition["type"] == "Programmed"
        }

    def condition(self, namespace: str, kustomization: str) -> dict[str, str]:
        """The Ready condition of a Kustomization; empty until there is one."""
        read = ("get", "kustomization", kustomization, "--namespace", namespace, "--output", "json")
        conditions = json.loads(self.kubectl(*read)).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == "Ready"), {})


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *identity, *arguments], check=True, env=clean, capture_output=True, timeout=60)


def load(node: str) -> None:
    """Give a cluster's node the image of kilter's own programs, from the engine's store."""
    take = ["docker", "exec", "--interactive", node, "ctr", "--namespace", "k8s.io", "images", "import", "-"]
    with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as given:
        subprocess.run(take, stdin=given.stdout, check=True, capture_output=True, timeout=300)
    assert given.returncode == 0, f"no image {IMAGE}: `make platform-image` builds it"


def eventually(what: Callable[[], Found], fits: Callable[[Found], bool], within: float = 120) -> Found:
    """Ask until the answer fits; the last answer, or what kept it from coming, is in the failure."""
    limit = time.monotonic() + within
    while True:
        last: object
        try:
            last = found = what()
            if fits(found):
                return found
        except (OSError, http.client.HTTPException, KilterError) as error:
            last = error
        assert time.monotonic() < limit, f"not within {within:.0f} s: {last}"
        time.sleep(0.2)
