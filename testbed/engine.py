"""The container engine: started and stopped beside whatever the machine has."""

import fcntl
import http.client
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from testbed import network, pins
from testbed.home import Home
from testbed.processes import (
    StartFailed,
    children,
    end_process,
    having_argument,
    recorded,
    spawn,
    stop,
    wait_until,
    write,
)
from testbed.work import StageFailed, Work

# Without a path of its own for what it never gets here, it makes /opt/containerd.
CONTAINERD = """\
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{address}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
"""
REGISTRY = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}/registry}}
  delete: {{enabled: true}}
http:
  addr: {address}:{port}
  relativeurls: true
"""
PRELOAD = "preload"  # fills the store of a node that is being made
BRIDGE = "docker0"
DEFAULT_SOCKET = Path("/var/run/docker.sock")
# What an engine makes outside of its folders, whatever it is told; the inner ones first.
OUTSIDE = ("/run/containerd/s", "/run/containerd", "/run/docker/plugins", "/run/docker", "/run/runc")


def tools_environment(home: Home) -> dict[str, str]:
    """What the services run with: the unpacked programs first."""
    tools = f"{home.artefact('engine')}/tools"
    return {**os.environ, "PATH": f"{tools}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}:/usr/sbin:/sbin"}


def record(home: Home, service: str) -> Path:
    """Where a service's process is noted."""
    return home.run / f"{service}.json"


def answers(path: Path) -> bool:
    """Whether the engine answers on its socket."""
    connection = http.client.HTTPConnection("localhost", timeout=2)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(2)
        connection.sock.connect(str(path))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stranger(home: Home) -> bool:
    """Whether an engine answers on the default socket: never the testbed's, unless somebody links it there."""
    return DEFAULT_SOCKET.resolve() != home.socket.resolve() and answers(DEFAULT_SOCKET)


def listens(address: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def check_only_one(home: Home) -> None:
    """Two engines would fight over the bridge and the kernel's rules. Raises StageFailed."""
    other = home.in_use()
    if other != home and any(running(home).values()):
        raise StageFailed(f"a testbed runs from {other.root}; end it first: python3 testbed down")


@contextmanager
def machine_locked(home: Home) -> Iterator[None]:
    """Only one testbed of a machine starts or ends at a time, whatever its home."""
    home.run.parent.mkdir(parents=True, exist_ok=True)
    with home.run.with_suffix(".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def start(work: Work, _: Path | None = None) -> None:
    """Start what does not run: containerd, dockerd, and the registry on loopback and on the bridge."""
    with machine_locked(work.home):
        # Another home's may have been started since this run began.
        check_only_one(work.home)
        start_services(work)


def start_services(work: Work) -> None:
    """The same, with nobody else at it."""
    home = work.home
    tree = str(home.artefact("engine").resolve())
    note = home.run / "engine"
    if note.exists() and note.read_text() != tree:
        # The programs of the running engine were replaced on disk: its shims could not be started any more.
        stop_all(work)
    home.run.mkdir(parents=True, exist_ok=True)
    # Before anything is changed: a start that breaks off is ended, or gone on with, by what is written here.
    write(home.run / "home", str(home.root))
    write(note, tree)
    environment, settings = tools_environment(home), home.run / "sysctl.json"
    network.note_policies(home.run / "policies.json", settings, environment)
    network.raise_limits(settings)
    plugins = home.root / "docker-config/cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    link(plugins / "docker-buildx", home.artefact("engine") / "tree/usr/libexec/docker/cli-plugins/docker-buildx")
    start_containerd(home, environment)
    start_registry(home, "127.0.0.1", environment)
    start_dockerd(home, environment)
    start_registry(home, pins.BRIDGE_ADDRESS, environment)


def link(name: Path, target: Path) -> None:
    """Point a symbolic link somewhere, in one step."""
    if name.is_symlink() and name.readlink() == target:
        return
    half = name.with_name(f".{name.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    half.symlink_to(target)
    half.replace(name)


def start_containerd(home: Home, environment: Mapping[str, str]) -> None:
    """containerd by itself, so that an engine killed without warning finds its containers' shims again."""
    note = record(home, "containerd")
    if recorded(note):
        return
    config, address = home.engine / "containerd.toml", home.run / "containerd.sock"
    write(config, CONTAINERD.format(root=home.engine / "containerd", state=home.run / "containerd", address=address))
    address.unlink(missing_ok=True)
    spawn(note, ["containerd", "--config", str(config)], home.logs / "containerd.log", environment)
    wait_until(address.exists, note, "containerd")


def dockerd_answers(home: Home) -> bool:
    """Whether our dockerd answers: one that runs is given the time of a start, since clusters hang on it."""
    note = record(home, "dockerd")
    if recorded(note) is None:
        return False
    try:
        wait_until(lambda: answers(home.socket), note, "dockerd")
    except StartFailed:
        return False
    return True


def start_dockerd(home: Home, environment: Mapping[str, str]) -> None:
    """dockerd on its own socket and data; the machine's daemon.json is not read."""
    note = record(home, "dockerd")
    if dockerd_answers(home):
        return
    stop(note)
    write(home.engine / "daemon.json", "{}\n")
    pidfile = home.run / "docker.pid"
    pidfile.unlink(missing_ok=True)
    command = [
        "dockerd", "--config-file", str(home.engine / "daemon.json"), "--host", f"unix://{home.socket}",
        "--containerd", str(home.run / "containerd.sock"), "--data-root", str(home.engine / "docker"),
        "--exec-root", str(home.run / "docker"), "--pidfile", str(pidfile), "--group", "root",
        "--bip", f"{pins.BRIDGE_ADDRESS}/{pins.BRIDGE_BITS}", "--storage-driver", "overlay2",
        "--registry-mirror", f"http://127.0.0.1:{pins.MIRROR_PORT}",
        "--insecure-registry", f"{pins.BRIDGE_ADDRESS}:{pins.MIRROR_PORT}",
        "--init-path", str(home.artefact("engine") / "tree/usr/bin/tini"),
    ]  # fmt: skip
    spawn(note, command, home.logs / "dockerd.log", environment)
    wait_until(lambda: answers(home.socket), note, "dockerd")


def start_registry(home: Home, address: str, environment: Mapping[str, str]) -> None:
    """The registry on one address; both read and write the same files."""
    note = record(home, f"registry-{address}")
    if recorded(note):
        return
    # Ours could not listen there, and the other's answers would be taken for its own.
    if listens(address, pins.MIRROR_PORT):
        raise StartFailed(f"something else listens on {address}:{pins.MIRROR_PORT}")
    config = home.engine / f"registry-{address}.yml"
    write(config, REGISTRY.format(root=home.engine, address=address, port=pins.MIRROR_PORT))
    program = home.artefact("engine") / "tree/usr/bin/docker-registry"
    clean = {name: value for name, value in environment.items() if not name.startswith("REGISTRY_")}
    spawn(note, [str(program), "serve", str(config)], home.logs / "registry.log", clean)
    wait_until(lambda: listens(address, pins.MIRROR_PORT), note, "the registry")


def running(home: Home) -> dict[str, int | None]:
    """Each service with its pid, or None."""
    services = ("containerd", "dockerd", "registry-127.0.0.1", f"registry-{pins.BRIDGE_ADDRESS}")
    return {service: recorded(record(home, service)) for service in services}


def stop_all(work: Work) -> None:
    """End every container, service, mount, bridge, rule and changed setting of the testbed."""
    home = work.home
    bridges = stop_containers(work) if dockerd_answers(home) else []
    for service in (f"registry-{pins.BRIDGE_ADDRESS}", "registry-127.0.0.1", "dockerd", "containerd", PRELOAD):
        stop(record(home, service))
    end_shims(home.run / "containerd.sock")
    network.unmount_below([home.engine, home.stages, home.run])
    tools, settings = tools_environment(home), home.run / "sysctl.json"
    if stranger(home):
        print("another container engine runs here: docker0 and the kernel's rules are left to it", file=sys.stderr)
    else:
        network.remove_rules(tools, network.noted_policies(home.run / "policies.json", settings))
        bridges.append(BRIDGE)
    network.remove_bridges(bridges, tools)
    network.remove_control_groups("docker")
    network.restore_limits(settings)
    shutil.rmtree(home.run, ignore_errors=True)
    for left in OUTSIDE:
        if Path(left).is_dir() and not any(Path(left).iterdir()):
            Path(left).rmdir()


def end_shims(address: Path) -> None:
    """End the containers that outlived their engine: what runs in one first, since it outlives its shim, too."""
    for shim in having_argument(str(address)):
        for pid in (*children(shim), shim):
            end_process(pid, 2.0)


def stop_containers(work: Work) -> list[str]:
    """Stop the containers and tell which bridges the engine's networks use."""
    ids = asked(work, "ps", "--quiet").split()
    if ids:
        asked(work, "stop", "--time", "3", *ids)
    networks = asked(work, "network", "ls", "--quiet", "--filter", "driver=bridge").split()
    told = [entry for network in networks for entry in json.loads(asked(work, "network", "inspect", network) or "[]")]
    named = [(entry.get("Options") or {}).get("com.docker.network.bridge.name") for entry in told]
    return [name or f"br-{entry['Id'][:12]}" for name, entry in zip(named, told, strict=True)]


def asked(work: Work, *words: str) -> str:
    """What the engine answers before it is ended; nothing when it cannot, since something may have gone meanwhile."""
    try:
        return work.docker_read(*words)
    except (StageFailed, OSError) as problem:
        work.say(str(problem))
        return ""
