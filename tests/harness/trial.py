"""A trial platform of a test's own, as administrator and developer have it; and a client that never stops asking."""

import http.client
import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from harness.cli import ROOT, Kilter
from kilter.proc import Command, SubprocessRunner

IMAGE = os.environ.get("KILTER_PLATFORM_IMAGE", "kilter:dev")
SYSTEM = "kilter-system"
COPIED = shutil.ignore_patterns(".kilter", ".venv", "__pycache__", ".pytest_cache")


@dataclass
class Trial:
    """The platform: who installed it, who deploys to it, and what its cluster says."""

    admin: Kilter
    developer: Kilter
    server: str = ""
    token: str = ""
    runner: SubprocessRunner = field(default_factory=SubprocessRunner)

    @property
    def port(self) -> int:
        """The one port of everything."""
        return int(self.server.rpartition(":")[2])

    def kubectl(self, *arguments: str, ok: tuple[int, ...] = (0,), stdin: str | None = None) -> str:
        """Ask the cluster, as its administrator."""
        (binary,) = self.admin.home.glob(".cache/kilter/tools.d/kubectl/*/kubectl")
        file = self.admin.home / ".cache/kilter/platform/kubeconfig"
        argv = (str(binary), "--kubeconfig", str(file), *arguments)
        return self.runner.run(Command(argv, stdin=stdin, timeout=180, ok=ok)).stdout

    def objects(self, kind: str, *more: str) -> list[Any]:
        """Return objects of all namespaces."""
        found: list[Any] = json.loads(self.kubectl("get", kind, "--all-namespaces", "--output", "json", *more))["items"]
        return found

    def sql(self, statement: str) -> list[str]:
        """Ask the platform's database server."""
        command = ("psql", "--username=kilter", "--no-align", "--tuples-only", f"--command={statement}")
        return self.kubectl("exec", "--namespace", SYSTEM, "kilter-postgres-0", "--", *command).split()

    def git(self, *arguments: str) -> list[str]:
        """Ask the flux repository."""
        inside = ("git", "--git-dir", "/data/flux.git", *arguments)
        return self.kubectl("exec", "--namespace", SYSTEM, "deployment/kilter-git", "--", *inside).splitlines()

    def ask(self, host: str, path: str = "/", order: object = None) -> tuple[int, str, str]:
        """Send one request to the Gateway, with a JSON document if there is one; returns status, release and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Host": f"{host}:{self.port}", "Content-Type": "application/json"}
            body = None if order is None else json.dumps(order)
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("kilter-release") or "", answer.read().decode()
        finally:
            connection.close()


class Client:
    """Sends requests one after the other until the block ends, and counts what came back."""

    def __init__(self, trial: Trial, host: str) -> None:
        self.trial, self.host = trial, host
        self.answers: Counter[str] = Counter()
        self.bodies: Counter[str] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            try:
                status, _, body = self.trial.ask(self.host)
                self.answers[str(status)] += 1
                self.bodies[body] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"{type(error).__name__}: {error}"] += 1


@contextmanager
def trial(folder: Path) -> Iterator[Trial]:
    """Give an administrator and a developer, each with a HOME of their own; the platform goes in the end."""
    admin, developer = folder / "admin", folder / "developer"
    (admin / "empty").mkdir(parents=True)
    developer.mkdir()
    shutil.copytree(ROOT / "examples/shop", folder / "shop", ignore=COPIED)
    # The developer has Docker to build with, and neither kubectl nor helm nor flux.
    docker = Path(shutil.which("docker") or "docker").parent
    path = f"{docker}:/usr/bin:/bin"
    here = Trial(Kilter(admin / "empty", admin), Kilter(folder / "shop", developer, extra={"PATH": path}))
    try:
        yield here
    finally:
        here.admin.run("platform", "uninstall", "--local", "--yes", code=None)


def eventually(holds: Callable[[], bool], limit: float = 60.0) -> bool:
    """Wait until something holds, or the time is up."""
    until = time.monotonic() + limit
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True
