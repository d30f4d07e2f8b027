"""A real Kubernetes API server without nodes: etcd and kube-apiserver as plain processes on loopback.

The programs come from the testbed (or from the folder that KILTER_TEST_KUBERNETES names): one binary that is every
Kubernetes program by the name it is called by, and etcd. Every folder is temporary, every port is free, and whoever
starts the server ends it. Some controllers may run too, so that namespaces really go and Deployments really count pods.
"""

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PATIENCE = 90.0  # seconds until a program answers; a busy machine is slow
MISSING = "no API server: `python3 testbed up --only kubernetes` compiles one, or KILTER_TEST_KUBERNETES names a folder"
CONTROLLERS = ("namespace-controller", "deployment-controller", "replicaset-controller", "endpointslice-controller")


def binaries() -> Path | None:
    """Return the folder with `kubernetes` and `etcd`, or None on a machine that has none."""
    given = os.environ.get("KILTER_TEST_KUBERNETES")
    folder = Path(given) if given else home_of_testbed(os.environ) / "current/kubernetes/bin"
    return folder if (folder / "kubernetes").is_file() and (folder / "etcd").is_file() else None


def home_of_testbed(environment: Mapping[str, str]) -> Path:
    """Return the testbed's cache, where the testbed itself has it by these variables."""
    cache = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/root"), ".cache")
    return Path(environment.get("KILTER_TESTBED_HOME") or Path(cache, "kilter-testbed")).resolve()


def free_port() -> int:
    """Return a port of loopback that nobody listens on right now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class ApiServer:
    """etcd, kube-apiserver and, when asked for, some controllers."""

    programs: Path
    controllers: Sequence[str] = ()
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="kilter-apiserver-")))
    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    _etcd_ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start_etcd()
            self.start_api()
            if self.controllers:
                self._start_controllers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self._running)):
            self.stop(name, sent=signal.SIGKILL)  # nothing of it is kept, and asking nicely takes twenty seconds
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        """What a client trusts; the server signs it itself."""
        return self.folder / "certificates/apiserver.crt"

    def kubeconfig(self, name: str = "admin", *, url: str = "", token: str = "") -> Path:
        """Write a kubeconfig of a client that may do everything, and return its path."""
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        cluster = {"server": url or self.url, "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token or self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name, "namespace": "default"}}],
            "current-context": "test",
        }
        path = self.folder / f"{name}.kubeconfig"
        whole = path.with_suffix(f".{secrets.token_hex(4)}")  # many threads may write it, and read it meanwhile
        whole.touch(0o600)
        whole.write_text(json.dumps(document))
        return whole.rename(path)

    def start_etcd(self) -> None:
        """Start etcd; it does not wait for the disk, because nothing here outlives the test."""
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        self._start(
            "etcd", self.programs / "etcd", f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", "--log-level=error",
        )  # fmt: skip
        self._await(f"{client}/health")

    def start_api(self) -> None:
        """Start kube-apiserver; it may have been stopped before."""
        self._start(
            "kube-apiserver", self._named("kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self._etcd_ports[0]}",
            f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--cert-dir={self.folder}/certificates",
            f"--token-auth-file={self.folder}/tokens.csv", "--authorization-mode=RBAC", "--anonymous-auth=true",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.99.0.0/16",
            f"--service-account-key-file={self.folder}/accounts.key", "--endpoint-reconciler-type=none",
            f"--service-account-signing-key-file={self.folder}/accounts.key", "--profiling=false",
            "--disable-admission-plugins=ServiceAccount", "--v=0",
        )  # fmt: skip
        self._await(f"{self.url}/readyz")

    def compact(self) -> None:
        """Make etcd forget every version but the newest."""
        base = f"http://127.0.0.1:{self._etcd_ports[0]}/v3"
        key = base64.b64encode(b"compact-me").decode()
        put = urllib.request.Request(f"{base}/kv/put", json.dumps({"key": key, "value": key}).encode())
        with urllib.request.urlopen(put, timeout=10) as answer:
            revision = json.loads(answer.read())["header"]["revision"]
        asked = json.dumps({"revision": revision, "physical": True}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{base}/kv/compaction", asked), timeout=10):
            pass

    def add_user(self, name: str, *groups: str) -> str:
        """Return the token of a further user; known from the next start of the API server on."""
        token = secrets.token_hex(16)
        with (self.folder / "tokens.csv").open("a") as file:
            file.write(f'{token},{name},{name},"{",".join(groups)}"\n')
        return token

    def stop(self, name: str = "kube-apiserver", *, sent: int = signal.SIGTERM) -> None:
        """End one of the programs."""
        child = self._running.pop(name, None)
        if child is None:
            return
        self._forget_connections()
        with suppress(ProcessLookupError):
            child.send_signal(sent)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = "json") -> Any:
        """Ask the API server directly, past everything of kilter's; raises urllib's HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": f"application/{kind}"}
        try:
            answer = self._client.request(method, self.url + path, content=data, headers=headers)
        except httpx2.HTTPError as error:
            raise urllib.error.URLError(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            said = f"{answer.reason_phrase}: {answer.text[:2000]}"
            raise urllib.error.HTTPError(str(answer.url), answer.status_code, said, Message(), None)
        return json.loads(answer.content)

    @cached_property
    def _client(self) -> httpx2.Client:
        """Connections that stay open: a handshake for each request is most of what a busy machine does."""
        return httpx2.Client(verify=self._trust(), timeout=30, trust_env=False)

    def _forget_connections(self) -> None:
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def retried(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, passing: Sequence[int] = ()
    ) -> Any:
        """Ask until the server knows the kind, which takes a moment after its CRD was made; there already is fine.

        `passing` are further answers that will be others as soon as a changed CRD is in force.
        """
        limit = time.monotonic() + 30
        while True:
            try:
                return self.request(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code == 409:
                    return None
                if error.code not in (404, 429, 503, *passing) or time.monotonic() > limit:
                    raise
                time.sleep(0.2)

    def apply(self, path: str, body: Mapping[str, Any], manager: str = "tester") -> Any:
        """Apply an object as somebody else, taking every field."""
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", body, "apply-patch+yaml")

    def _prepare(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / "accounts.key").write_bytes(key.private_bytes(*form))
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')

    def _named(self, name: str) -> Path:
        link = self.folder / name
        if not link.is_symlink():
            link.symlink_to(self.programs / "kubernetes")
        return link

    def _start_controllers(self) -> None:
        kubeconfig = self.kubeconfig("controllers")
        self._start(
            "controllers", self._named("kube-controller-manager"), f"--kubeconfig={kubeconfig}", "--leader-elect=false",
            f"--controllers={','.join(self.controllers)}", "--secure-port=0", "--profiling=false", "--v=0",
            "--kube-api-qps=1000", "--kube-api-burst=1000",  # 20 by default: the end of one namespace takes seventy
        )  # fmt: skip

    def _start(self, name: str, *command: str | Path) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            words = [str(word) for word in command]
            self._running[name] = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)

    def _await(self, url: str) -> None:
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                context = self._trust() if url.startswith("https") else None
                asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"})
                with urllib.request.urlopen(asked, context=context, timeout=5):
                    return
            except (OSError, urllib.error.URLError) as error:
                for name, child in self._running.items():
                    if child.poll() is not None:
                        raise AssertionError(f"{name} ended: {self._log(name)}") from error
                if time.monotonic() > limit:
                    raise AssertionError(f"{url} does not answer: {error}") from error
                time.sleep(0.1)

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
