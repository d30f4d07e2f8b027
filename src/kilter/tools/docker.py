"""Commands for the docker CLI, and what its answers mean."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kilter.errors import MachineLacks
from kilter.proc import Command, Outcome, Secret
from kilter.values import Value
from kilter.words import quantity

KIND_LABEL = "io.x-k8s.kind.cluster"
QUICK = 30.0  # seconds for questions that the engine answers from memory
# By name, because for all of them (`json .`) the engine first measures the files of every container.
LISTED = ("ID", "Names", "State", "Labels", "Mounts", "Networks")
LIST_FORMAT = "{" + ",".join(f'"{name}":{{{{json .{name}}}}}' for name in LISTED) + "}"


class Engine(Value, frozen=True):
    """What `docker info` says of the engine; `faults` are its own words when it did not answer.

    `root` is the folder that holds its images and volumes, `id` tells it from every other engine. `buildx` is the
    version of the docker CLI's plugin for BuildKit, None where there is none.
    """

    version: str
    cgroup_version: str
    memory: int
    rootless: bool
    faults: tuple[str, ...]
    root: str = ""
    id: str = ""
    buildx: str | None = None


class Mount(Value, frozen=True):
    """One mount of a container; `source` is a path of the host."""

    source: str
    destination: str


class Container(Value, frozen=True):
    """What `docker inspect` says of a container. `published` maps `<port>/<protocol>` to host ports."""

    id: str
    name: str
    image: str
    image_id: str
    status: str
    started_at: str
    labels: Mapping[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    published: Mapping[str, tuple[int, ...]] = {}


class Usage(Value, frozen=True):
    """What a running container uses: CPU in cores, and bytes of memory."""

    container: str
    cpu: float
    memory: int


def info() -> Command:
    """Ask for the engine's facts; answers even when the engine is down, with exit code 1 or with faults."""
    return Command(("docker", "info", "--format", "{{json .}}"), timeout=QUICK, ok=(0, 1))


def endpoint() -> Command:
    """Ask which address the docker CLI speaks to, DOCKER_HOST and contexts considered."""
    return Command(("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"), timeout=QUICK)


def context() -> Command:
    """Ask for the context in use, name and address in a line; its name is "default" where DOCKER_HOST is set."""
    return Command(("docker", "context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}"), timeout=QUICK)


def inspect(*containers: str) -> Command:
    """Ask for containers by name or id; exit code 1 when one of them does not exist."""
    return Command(("docker", "inspect", "--type", "container", *containers), timeout=QUICK, ok=(0, 1))


def list_containers(*, labels: Sequence[str] = (), name: str = "") -> Command:
    """List containers that bear all `labels` (`key` or `key=value`) and whose name matches the pattern `name`.

    Each line of the answer is a JSON object with the fields `LISTED`.
    """
    filters = [f"label={label}" for label in labels] + ([f"name={name}"] if name else [])
    flags = [flag for condition in filters for flag in ("--filter", condition)]
    return Command(
        ("docker", "ps", "--all", "--no-trunc", *flags, "--format", LIST_FORMAT), timeout=QUICK, error=MachineLacks
    )


def publishing(*ports: int) -> Command:
    """List the running containers that publish one of these ports of this machine."""
    filters = [word for port in ports for word in ("--filter", f"publish={port}")]
    return Command(("docker", "ps", *filters, "--format", "{{json .}}"), timeout=QUICK)


def run_detached(
    name: str,
    image: str,
    *,
    labels: Mapping[str, str],
    env: Mapping[str, str | Secret],
    volumes: Mapping[str, str],
    publish: Sequence[str] = (),
) -> Command:
    """Start a container that returns after a reboot unless it was stopped; pulls the image when it is not there.

    A variable that is a Secret is handed over by docker's own environment, which no list of processes shows.
    """
    hidden = {key: value for key, value in env.items() if isinstance(value, Secret)}
    argv = ["docker", "run", "--detach", "--name", name, "--restart", "unless-stopped"]
    argv += [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
    argv += [part for key, value in env.items() for part in ("--env", key if key in hidden else f"{key}={value}")]
    argv += [part for source, target in volumes.items() for part in ("--volume", f"{source}:{target}")]
    argv += [part for mapping in publish for part in ("--publish", mapping)]
    return Command((*argv, image), env=hidden, timeout=600, error=MachineLacks)


def run_once(image: str, entrypoint: str, arguments: Sequence[str], *, mounts_of: str = "", bind: str = "") -> Command:
    """Run one program of an image that is already here, without network, and remove the container.

    It sees the mounts of the container `mounts_of`, or the bind mount `bind` (`<source>:<destination>`).
    `--userns=host` because the node's files carry the host's user numbers even where the engine remaps them.
    """
    flags = ["--rm", "--pull", "never", "--network", "none", "--userns", "host", "--entrypoint", entrypoint]
    flags += ["--volumes-from", mounts_of] if mounts_of else []
    flags += ["--volume", bind] if bind else []
    # The image is the one that is here: where another platform is the usual one, Docker would not find it.
    return Command(("docker", "run", *flags, image, *arguments), env={"DOCKER_DEFAULT_PLATFORM": None}, timeout=600)


def start(container: str) -> Command:
    """Start an existing container."""
    return Command(("docker", "start", container), timeout=120, error=MachineLacks)


def unpause(container: str) -> Command:
    """Let a paused container go on."""
    return Command(("docker", "unpause", container), timeout=QUICK)


def stop(container: str, grace: int) -> Command:
    """Ask the container to end and end it after `grace` seconds."""
    return Command(("docker", "stop", "-t", str(grace), container), timeout=grace + 60)


def kill(container: str) -> Command:
    """End a container at once; one that does not run is fine."""
    return Command(("docker", "kill", container), timeout=60, ok=(0, 1))


def thaw(container: str, image: str) -> Command:
    """Let go on what is frozen in a container, by its full id, on an engine with cgroup v1; touches nothing else."""
    script = (
        "mount -t cgroup -o freezer freezer /mnt;"
        ' find /mnt -path "*/$1/*" -name freezer.state | while read -r state; do echo THAWED > "$state"; done'
    )
    flags = ("--rm", "--pull", "never", "--network", "none", "--privileged", "--cgroupns", "host", "--entrypoint", "sh")
    argv = ("docker", "run", *flags, image, "-ec", script, "sh", container)
    return Command(argv, env={"DOCKER_DEFAULT_PLATFORM": None}, timeout=60)


def remove(container: str, *, missing_ok: bool = False) -> Command:
    """Remove a container with its anonymous volumes, running or not."""
    # Versions of docker differ in whether a missing container is a failure.
    ok = (0, 1) if missing_ok else (0,)
    return Command(("docker", "rm", "--force", "--volumes", container), timeout=120, ok=ok)


def restart_policy(container: str, policy: str) -> Command:
    """Set when the engine starts the container by itself."""
    return Command(("docker", "update", "--restart", policy, container), timeout=QUICK)


def execute(
    container: str, *argv: str, stdin: str | None = None, timeout: float = 60, ok: tuple[int, ...] = (0,)
) -> Command:
    """Run a program in a running container."""
    interactive = ("--interactive",) if stdin is not None else ()
    command = ("docker", "exec", *interactive, container, *argv)
    return Command(command, stdin=stdin, timeout=timeout, ok=ok)


def logs(container: str, tail: int) -> Command:
    """Ask for the last lines that a container printed; a container that is gone is fine."""
    return Command(("docker", "logs", "--tail", str(tail), container), timeout=QUICK, ok=(0, 1))


def connect(network: str, container: str) -> Command:
    """Join a container to a network; exit code 1 when the network is missing or the container is in it already."""
    return Command(("docker", "network", "connect", network, container), timeout=QUICK, ok=(0, 1))


def create_network(name: str, labels: Mapping[str, str]) -> Command:
    """Make a network, for IPv4 alone; exit code 1 when it is there already, or cannot be made."""
    marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    return Command(("docker", "network", "create", *marks, name), timeout=QUICK, ok=(0, 1))


def stats(*containers: str) -> Command:
    """Ask once what running containers use; takes about two seconds."""
    argv = ("docker", "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *containers)
    return Command(argv, timeout=QUICK)


def parse_info(outcome: Outcome) -> Engine:
    """Read the answer to `info`; without an answer the version is empty and `faults` holds what docker said."""
    try:
        facts = json.loads(outcome.stdout)
    except ValueError:
        facts = {}
    faults = [str(fault) for fault in facts.get("ServerErrors") or ()]
    version = str(facts.get("ServerVersion") or "")
    if not version and not faults:
        faults = outcome.stderr.strip().splitlines()
    plugins = (facts.get("ClientInfo") or {}).get("Plugins") or ()
    return Engine(
        version=version,
        cgroup_version=str(facts.get("CgroupVersion") or ""),
        memory=int(facts.get("MemTotal") or 0),
        rootless="name=rootless" in (facts.get("SecurityOptions") or ()),
        faults=tuple(faults),
        root=str(facts.get("DockerRootDir") or ""),
        id=str(facts.get("ID") or ""),
        buildx=next((str(one.get("Version", "")) for one in plugins if one.get("Name") == "buildx"), None),
    )


def parse_inspect(outcome: Outcome) -> tuple[Container, ...]:
    """Read the answer to `inspect`: the containers that exist. Raises MachineLacks when the engine did not answer.

    What the docker CLI warns of, such as a configuration that it cannot read, is no failure.
    """
    lines = [line for line in outcome.stderr.splitlines() if line.strip() and not line.startswith("WARNING:")]
    failed = [line for line in lines if not re.search("no such (container|object)", line, re.IGNORECASE)]
    if outcome.code != 0 and failed:
        raise MachineLacks("Docker did not answer", hint="run `kilter doctor`", details=failed)
    return tuple(_container(entry) for entry in json.loads(outcome.stdout or "[]"))


def parse_lines(text: str) -> tuple[dict[str, Any], ...]:
    """Read one JSON document per line, as `--format '{{json .}}'` prints them."""
    return tuple(json.loads(line) for line in text.splitlines() if line.strip())


def parse_stats(text: str) -> tuple[Usage, ...]:
    """Read the answer to `stats`; a container that is starting or ending has no figures and is left out."""
    return tuple(
        Usage(
            row["Name"],
            float(row["CPUPerc"].rstrip("%") or 0) / 100,
            int(quantity(row["MemUsage"].partition(" / ")[0].removesuffix("B"))),
        )
        for row in parse_lines(text)
        if "--" not in row["CPUPerc"]
    )


def parse_labels(text: str) -> dict[str, str]:
    """Read the labels of a row of `docker ps`: `key=value` joined by commas."""
    return dict(part.partition("=")[::2] for part in text.split(",") if part)


def _container(entry: Mapping[str, Any]) -> Container:
    state, settings = entry["State"], entry.get("NetworkSettings") or {}
    # A stopped container publishes nothing; what it will publish again stands in its host configuration.
    bindings = (settings.get("Ports") or {}) or (entry.get("HostConfig") or {}).get("PortBindings") or {}
    return Container(
        id=entry["Id"],
        name=entry["Name"].lstrip("/"),
        image=entry["Config"]["Image"],
        image_id=entry["Image"],
        status=state["Status"],
        started_at=state.get("StartedAt", ""),
        labels=entry["Config"].get("Labels") or {},
        mounts=tuple(
            Mount(mount.get("Source", ""), mount["Destination"])
            # Docker lists them in another order each time.
            for mount in sorted(entry.get("Mounts") or (), key=lambda one: str(one["Destination"]))
        ),
        published={
            port: tuple(sorted({int(binding["HostPort"]) for binding in hosts if binding.get("HostPort")}))
            for port, hosts in bindings.items()
            if hosts
        },
    )
