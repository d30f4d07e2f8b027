"""A machine of its own within this one, whose network can be cut: a second engine in a network namespace.

No wire leads out of the namespace. What stands for the internet is a registry inside of it, on the testbed's images;
once `cut` has ended that, nothing there reaches anything but itself. The machine's own engine is not touched.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

BRIDGE = "172.17.0.1"
PORT = 5000
REGISTRY = """version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {images}}}}}
http: {{addr: "{address}:{port}", relativeurls: true}}
"""
LIMIT = 60.0  # seconds for one program to start or to end


def missing() -> str:
    """Tell why there can be no island here; empty when there can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    found = shutil.which("docker")
    if not found or not (Path(found).parent.parent / "tools" / "dockerd").exists():
        return "needs the programs of the testbed's engine"
    return "" if os.environ.get("KILTER_TOOLS_MIRROR") else "needs the testbed's images"


class Island:
    """The second engine; `environment` reaches it, `kilter` is the installed kilter as a person there runs it."""

    def __init__(self) -> None:
        self.engine = Path(shutil.which("docker") or "").parent.parent.resolve()
        images = Path(os.environ["KILTER_TOOLS_MIRROR"]).parent / "engine" / "registry"
        self.folder = Path(tempfile.mkdtemp(prefix="island-"))
        self.environment = {"DOCKER_HOST": f"unix://{self.folder}/docker.sock"}
        self.tools = os.environ | {"PATH": f"{self.engine}/tools:{os.environ['PATH']}:/usr/sbin:/sbin"}
        self.log = (self.folder / "log").open("ab")
        (self.folder / "daemon.json").write_text("{}\n")
        dockerd = [
            "dockerd", "--config-file", f"{self.folder}/daemon.json", "--host", self.environment["DOCKER_HOST"],
            "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/run",
            "--pidfile", f"{self.folder}/pid", "--group", "root", "--bip", f"{BRIDGE}/16",
            "--storage-driver", "overlay2", "--init-path", f"{self.engine}/tree/usr/bin/tini",
            "--registry-mirror", f"http://127.0.0.1:{PORT}", "--insecure-registry", f"{BRIDGE}:{PORT}",
        ]  # fmt: skip
        inside = ["unshare", "--net", "--mount", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        self.registries = list[subprocess.Popen[bytes]]()
        self.dockerd = self.spawn(*inside, *dockerd)
        try:
            self.until(self.answers)
            self.inside = ("nsenter", f"--net=/proc/{self.dockerd.pid}/ns/net", "--")
            for address in ("127.0.0.1", BRIDGE):
                self.registry(images, address)
        except BaseException:
            self.end()
            raise
        self.kilter = self.folder / "kilter"
        self.kilter.write_text(f'#!/bin/sh\nexec {" ".join(self.inside)} {os.environ["KILTER_BINARY"]} "$@"\n')
        self.kilter.chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """End everything that was started; what fails of it keeps nothing else from ending."""
        with ExitStack() as left:
            left.callback(shutil.rmtree, self.folder)
            left.callback(self.log.close)
            left.callback(ended, self.dockerd)
            left.callback(self.cut)
            if containers := self.docker("ps", "--all", "--quiet").stdout.split():
                self.docker("rm", "--force", "--volumes", *containers)

    def cut(self) -> None:
        """End what stands for the internet."""
        while self.registries:
            ended(self.registries.pop())

    def docker(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the docker CLI on this engine."""
        environment = os.environ | self.environment
        return subprocess.run(
            ["docker", *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def reaches(self, address: str) -> bool:
        """Tell whether a TCP connection from within comes about; `address` is `<host>:<port>`."""
        host, _, port = address.rpartition(":")
        program = f"import socket; socket.create_connection(({host!r}, {port}), timeout=3)"
        command = [*self.inside, "python3", "-c", program]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    def registry(self, images: Path, address: str) -> None:
        """Start a registry on the testbed's images at one address of the island."""
        config = self.folder / f"{address}.yml"
        config.write_text(REGISTRY.format(images=images, address=address, port=PORT))
        serve = (f"{self.engine}/tree/usr/bin/docker-registry", "serve", str(config))
        self.registries.append(self.spawn(*self.inside, *serve))
        self.until(lambda: self.reaches(f"{address}:{PORT}"))

    def spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start a program that stays, but not longer than this one, however that ends."""
        clean: Mapping[str, str] = {name: value for name, value in self.tools.items() if not name.startswith("DOCKER_")}
        tied = ("setpriv", "--pdeathsig", "TERM", *command)
        return subprocess.Popen(
            tied, env=clean, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def answers(self) -> bool:
        """Tell whether the engine answers on its socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(f"{self.folder}/docker.sock")
            except OSError:
                return False
        return self.docker("version").returncode == 0

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        limit = time.monotonic() + LIMIT
        while not holds():
            if time.monotonic() > limit:
                raise AssertionError((self.folder / "log").read_text()[-3000:])
            time.sleep(0.2)


def ended(program: "subprocess.Popen[bytes]") -> None:
    """End a program, and wait until it has."""
    program.terminate()
    try:
        program.wait(LIMIT)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait(LIMIT)
