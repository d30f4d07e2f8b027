"""The platform on a cluster, driven as its administrator would: helm, kubectl, git, and requests at the Gateway."""

import base64
import hashlib
import http.client
import json
import os
import subprocess
import tempfile
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
PORT = 32700
SECRETS = ("kilter-postgres", "kilter-registry", "kilter-registry-token")
VALUES = f"""
clusterDomain: apps.test
gateway: {{service: {{type: NodePort, nodePorts: {{http: {PORT}}}}}}}
metricsServer: {{kubeletInsecureTLS: true}}
registry: {{storage: {{size: 1Gi}}}}
postgres: {{storage: {{size: 1Gi}}}}
"""
Found = TypeVar("Found")


@dataclass(frozen=True)
class Platform:
    """A cluster with helm and kubectl for it, and a Git repository that its pods reach."""

    runner: Runner
    helm_binary: Path
    kubectl_binary: Path
    kubeconfig: Path
    repository: Path
    address: str

    def helm(self, *arguments: str) -> str:
        argv = (str(self.helm_binary), *arguments, "--namespace", SYSTEM)
        env = {"KUBECONFIG": str(self.kubeconfig), "HELM_CACHE_HOME": str(self.repository.parent / "helm")}
        return self.runner.run(Command(argv, env=env, stdin=VALUES, timeout=300)).stdout

    def command(self, *arguments: str, stdin: str | None = None, ok: tuple[int, ...] = (0,)) -> Command:
        argv = (str(self.kubectl_binary), "--kubeconfig", str(self.kubeconfig), *arguments)
        return Command(argv, stdin=stdin, timeout=240, ok=ok)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.runner.run(self.command(*arguments, stdin=stdin)).stdout

    def get(self, *what: str) -> Any:
        return json.loads(self.kubectl("get", *what, "--namespace", SYSTEM, "--output", "json"))

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


def ask(
    host: str, path: str = "/", headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, str, dict[str, str]]:
    """Ask the Gateway for a host: status, text, headers."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    try:
        connection.request(method, path, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def registry_token(pair: Mapping[str, str]) -> str:
    """What kilter-server hands out: signed with the Secret's key, and naming it by its thumbprint (RFC 7638)."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(pair["tls.key"]))
        file.flush()
        modulus = openssl("rsa", "-modulus", "-noout", "-in", file.name).decode().strip().removeprefix("Modulus=")
        public = {"e": "AQAB", "kty": "RSA", "n": base64url(bytes.fromhex(modulus))}
        thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":"), sort_keys=True).encode()).digest()
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "kid": base64url(thumbprint)}
        names = {"iss": "http://kilter.apps.test", "aud": "registry.apps.test", "sub": "ada"}
        access = [{"type": "repository", "name": "acme/shop", "actions": ["pull", "push"]}]
        body = {**names, "nbf": now - 5, "exp": now + 60, "access": access}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, body))
        return f"{text}.{base64url(openssl('dgst', '-sha256', '-sign', file.name, stdin=text.encode()))}"


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


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
