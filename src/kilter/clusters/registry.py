"""The machine's image registry and its pull-through caches, shared by all projects.

They hold content by digest only, so removing them changes no project (NS-Q4). Nodes reach them by name over Docker's
network `kilter`; the host reaches the registry alone, on the loopback.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kilter.clusters import network
from kilter.errors import Busy, KilterError, MachineLacks
from kilter.proc import Command, Runner, Secret
from kilter.progress import Progress
from kilter.state.blocks import REGISTRY_PORT
from kilter.state.files import write_whole
from kilter.state.paths import Paths
from kilter.tools import docker
from kilter.tools.kind import NETWORK

IMAGE = "docker.io/library/registry:3"
REGISTRY = "kilter-registry"
HOST_ADDRESS = f"localhost:{REGISTRY_PORT}"  # how the host names images that it pushes
NODE_ADDRESS = f"{REGISTRY}:5000"  # how nodes reach the same registry
ROLE, CONFIG = "kilter.dev/role", "kilter.dev/config"
MIRROR_VARIABLE = "KILTER_REGISTRY_MIRROR"
REMOTE = "REGISTRY_PROXY_REMOTEURL"
UPSTREAMS: Mapping[str, str] = {"docker.io": "https://registry-1.docker.io"}
# Version 3 of the registry exports traces to a collector that nobody runs, and logs each failure.
COMMON_ENV: Mapping[str, str] = {"OTEL_TRACES_EXPORTER": "none"}
CACHE_ENV: Mapping[str, str] = {
    # Content is kept until somebody removes the cache, so that a second `up` needs no network.
    "REGISTRY_PROXY_TTL": "0",
    # A cache with credentials of its own asks the upstream how to log in before it serves anything, and ends when that
    # does not answer: after a reboot without network there would be no cache. Who has a command for credentials is
    # spared the question; this one does not exist, so that everything is pulled without logging in, as before.
    "REGISTRY_PROXY_EXEC_COMMAND": "none",
}


@dataclass(frozen=True)
class Service:
    """One container that is to run: the registry or a cache."""

    name: str
    role: str
    env: Mapping[str, str]
    publish: tuple[str, ...] = ()
    image: str = IMAGE
    labels: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        wanted = json.dumps([self.name, self.image, self.env, self.publish], sort_keys=True)
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]
        object.__setattr__(self, "labels", {ROLE: self.role, CONFIG: digest})


def services(env: Mapping[str, str]) -> tuple[Service, ...]:
    """Return what is to run: the registry, and a cache per upstream; KILTER_REGISTRY_MIRROR stands in for docker.io."""
    registry = Service(
        REGISTRY,
        "registry",
        {**COMMON_ENV, "REGISTRY_STORAGE_DELETE_ENABLED": "true"},
        (f"127.0.0.1:{REGISTRY_PORT}:5000",),
    )
    upstreams = {**UPSTREAMS, **({"docker.io": env[MIRROR_VARIABLE]} if env.get(MIRROR_VARIABLE) else {})}
    caches = (
        Service(cache_name(host), "cache", {**COMMON_ENV, **CACHE_ENV, REMOTE: url}) for host, url in upstreams.items()
    )
    return registry, *caches


def cache_name(host: str) -> str:
    """The name of the cache in front of an upstream registry; nodes reach it at `http://<name>:5000`."""
    return f"kilter-cache-{host}"


def ensure(runner: Runner, env: Mapping[str, str], progress: Progress) -> None:
    """Make the registry and the caches run, in the network of the clusters.

    One question when all is well. Safe to call from several processes at once. Raises Busy when a container of that
    name is not kilter's; a cache that cannot run is a warning, because nodes then ask the upstream itself.
    """
    present = _present(runner)
    for service in services(env):
        try:
            _ensure_one(runner, service, present.get(service.name))
        except MachineLacks as error:
            if service.role == "registry":
                raise
            progress.warn(f"the image cache {service.name} does not run: {error.what}")


def write_hosts(paths: Paths, texts: Mapping[str, str]) -> None:
    """Write `<certs_dir>/<host>/hosts.toml` for each host of `texts`; an unchanged file is left alone."""
    for host, text in texts.items():
        file = paths.certs_dir / host / "hosts.toml"
        try:
            if file.read_text(encoding="utf-8") == text:
                continue
        except FileNotFoundError:
            pass
        write_whole(file, text, mode=0o644)


def _present(runner: Runner) -> dict[str, dict[str, Any]]:
    pattern = "^/?(kilter-registry|kilter-cache-.*)$"
    rows = docker.parse_lines(runner.run(docker.list_containers(name=pattern)).stdout)
    return {row["Names"]: row for row in rows}


def _ensure_one(runner: Runner, service: Service, row: Mapping[str, Any] | None) -> None:
    if row is not None:
        labels = docker.parse_labels(row["Labels"])
        if labels.get(ROLE) != service.role:
            raise Busy(
                f"the container {service.name} is not kilter's",
                why=f"it lacks the label {ROLE}={service.role}",
                hint=f"rename it: `docker rename {service.name} <other name>`",
            )
        if labels.get(CONFIG) == service.labels[CONFIG] and _revive(runner, service, row):
            return
        runner.run(docker.remove(service.name))
    _create(runner, service)
    _connect(runner, service.name)


def _revive(runner: Runner, service: Service, row: Mapping[str, Any]) -> bool:
    """Bring an existing container to run in the network; returns False when it must be made anew."""
    if row["State"] != "running":
        try:
            runner.run(docker.start(service.name))
        except MachineLacks:
            return False  # its network was removed, or it is broken: its content lies in the volume
    if NETWORK not in _networks(row):
        _connect(runner, service.name)
    return True


def creation(service: Service) -> Command:
    """Return what makes one container; a mirror's url may hold a login."""
    return docker.run_detached(
        service.name,
        service.image,
        labels=service.labels,
        env={name: Secret(value) if name == REMOTE else value for name, value in service.env.items()},
        volumes={service.name: "/var/lib/registry"},
        publish=service.publish,
    )


def _create(runner: Runner, service: Service) -> None:
    try:
        runner.run(creation(service))
    except MachineLacks as error:
        if _is_name_conflict(error):
            return  # another `kilter up` was quicker
        # `docker run` leaves the container behind when its port is taken.
        runner.run(docker.remove(service.name, missing_ok=True))
        raise MachineLacks(
            f"{service.name} cannot run", why=error.what, hint="run `kilter doctor`", details=error.details
        ) from error


def _is_name_conflict(error: KilterError) -> bool:
    return any("is already in use by container" in line for line in error.details)


def _connect(runner: Runner, name: str) -> None:
    """Join one container to the network, which is made for the first of them. Raises MachineLacks."""
    if runner.run(docker.connect(NETWORK, name)).code != 0:
        network.ensure(runner)
        runner.run(docker.connect(NETWORK, name))  # one that is in it already is fine


def _networks(row: Mapping[str, Any]) -> Sequence[str]:
    return str(row["Networks"]).split(",")
