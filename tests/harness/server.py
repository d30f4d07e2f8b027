"""A real kilter-server: its own process on a port of loopback, a store in a file, and a cluster that never answers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx2

from kilter.api import tokens

from .ports import loopback_port

PATIENCE = 60.0  # seconds until it answers; a busy machine is slow
DEAD_CLUSTER = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "dead", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "dead", "user": {"token": "none"}}],
    "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "dead"}}],
    "current-context": "dead",
}


@dataclass
class RunningServer:
    """The process; `token` is an admin's."""

    folder: Path
    registry: str = "registry.example.com"
    dsn: str = ""  # of a PostgreSQL in place of the file
    port: int = field(default_factory=loopback_port)
    token: str = field(default_factory=lambda: tokens.mint().text)
    process: "subprocess.Popen[bytes] | None" = None
    more: Mapping[str, str] = field(default_factory=dict)  # settings, without the prefix

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def jwks(self) -> Path:
        """What a registry is to trust."""
        return self.folder / "keys/jwks.json"

    @property
    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / "log").read_text()

    def prepare(self) -> None:
        """Make its key, its first token, and the kubeconfig of a cluster that is away."""
        (self.folder / "token").write_text(self.token)
        (self.folder / "kubeconfig").write_text(json.dumps(DEAD_CLUSTER))
        subprocess.run(
            [sys.executable, "-m", "kilter.server", "registry-key", str(self.folder / "keys")], check=True, timeout=60
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.await_answer()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Prepare and start it; what of it still runs at the end of the block is killed."""
        self.prepare()
        try:
            self.start()
            yield self
        finally:
            if self.process is not None and self.process.poll() is None:
                self.end(signal.SIGKILL)

    def environment(self) -> dict[str, str]:
        """Return its settings as its process has them, the file of its database written."""
        settings = {
            "CLUSTER_DOMAIN": "apps.example.com",
            "PUBLIC_URL": self.url,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "STORE": str(self.folder / "store.db"),
            "FIRST_TOKEN_FILE": str(self.folder / "token"),
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "REGISTRY": self.registry,
            "REGISTRY_URL": f"http://{self.registry.partition('/')[0]}",
            "REGISTRY_KEY_FILE": str(self.folder / "keys/key.pem"),
            **self.more,
        }
        if self.dsn:
            (self.folder / "dsn").write_text(self.dsn)
            settings["STORE_DSN_FILE"] = str(self.folder / "dsn")
        return os.environ | {f"KILTER_SERVER_{name}": value for name, value in settings.items()}

    def launch(self) -> None:
        """Start it."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kilter.server"], env=self.environment(), stdout=log, stderr=log
            )

    def condition(self) -> dict[str, bool | None]:
        """Return what the server's program says of it where it runs."""
        argv = [sys.executable, "-m", "kilter.server", "condition"]
        told = subprocess.run(argv, env=self.environment(), capture_output=True, timeout=60, check=True)
        found: dict[str, bool | None] = json.loads(told.stdout)
        return found

    def await_answer(self) -> None:
        """Wait until it answers."""
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the server does not answer:\n{self.log}")

    def end(self, sent: int = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(sent)
        return self.process.wait(PATIENCE)

    def client(self, token: str = "") -> httpx2.Client:
        """Return a client with a token, by default the admin's."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30)
