"""The model of `kilter.yaml`: the key `profile` (production-profile.md)."""

from typing import Annotated, Literal

from msgspec import Meta, field

from kilter.project.model_base import Percent, Port, Resources, Section, Words

Off = Literal["off"]
Level = Literal["none", "basic", "production"]
Count = Annotated[int, Meta(ge=1, le=1000)]
BASE = (
    "`production`: an autoscaler and a disruption budget by default. `basic` and `none`: neither, unless its part below"
    " asks for it. Nothing else differs."
)


class Probe(Section, frozen=True, kw_only=True):
    """One health check of a container."""

    type: Annotated[Literal["http", "tcp", "exec", "off"], Meta(description="How it asks.")] = "http"
    path: Annotated[str | None, Meta(description="Path of an http check.")] = None
    port: Annotated[Port | None, Meta(description="Port of an http or tcp check; by default the app's.")] = None
    command: Annotated[Words | None, Meta(description="Command of an exec check, a list of words.")] = None
    interval: Annotated[str | None, Meta(description="Time between checks: 10s.")] = None
    timeout: Annotated[str | None, Meta(description="Time for one check: 2s.")] = None
    failures: Annotated[Count | None, Meta(description="Failures in a row that count.")] = None


class Probes(Section, frozen=True, kw_only=True):
    """Health checks of a container."""

    liveness: Annotated[
        Probe | Off | None, Meta(description="Failing restarts the container; `/health` by default.")
    ] = None
    readiness: Annotated[
        Probe | Off | None, Meta(description="Failing takes the pod out of rotation; `/status` by default.")
    ] = None
    startup: Annotated[
        Probe | Off | None, Meta(description="Holds the others back until it passes; the liveness path by default.")
    ] = None


class Security(Section, frozen=True, kw_only=True):
    """The rights of the container."""

    uid: Annotated[int, Meta(ge=1, le=2147483647, description="Numeric user of app, processes and jobs; never 0.")] = (
        10001
    )
    read_only_root: Annotated[bool, Meta(description="Whether the root file system is read-only.")] = True
    writable: Annotated[
        tuple[str, ...], Meta(description="Directories that stay writable (absolute paths in the container).")
    ] = ("/tmp",)  # noqa: S108 - a directory of the container


class ScaleUp(Section, frozen=True, kw_only=True):
    """How fast replicas are added."""

    pods: Annotated[Count, Meta(description="Pods added within one period.")] = 2
    period: Annotated[str, Meta(description="Length of the period.")] = "60s"


class ScaleDown(Section, frozen=True, kw_only=True):
    """How slowly replicas are removed."""

    wait: Annotated[str, Meta(description="Calm that must pass before the first pod goes.")] = "300s"
    pods: Annotated[Count, Meta(description="Pods removed within one period.")] = 1
    period: Annotated[str, Meta(description="Length of the period.")] = "60s"


class Autoscale(Section, frozen=True, kw_only=True):
    """The horizontal autoscaler."""

    min: Annotated[Count | None, Meta(description="Fewest replicas; by default the environment's replicas.")] = None
    max: Annotated[Count, Meta(description="Most replicas.")] = 10
    cpu: Annotated[Percent | Off, Meta(description="Target use of the processor, percent of the request.")] = 70
    memory: Annotated[Percent | Off, Meta(description="Target use of memory, percent of the request.")] = 80
    up: Annotated[
        ScaleUp | Literal["default"], Meta(description="How fast it adds; `default` for Kubernetes' own way.")
    ] = ScaleUp()
    down: Annotated[ScaleDown, Meta(description="How slowly it removes.")] = ScaleDown()


class Disruption(Section, frozen=True, kw_only=True):
    """The disruption budget, which guards against drains."""

    min_available: Annotated[Count, Meta(description="Pods that stay up at all times.")] = 1


class Network(Section, frozen=True, kw_only=True):
    """The network policy."""

    mode: Annotated[Literal["strict", "standard", "off"], Meta(description="How much is closed.")] = "standard"
    egress: Annotated[
        tuple[str, ...],
        Meta(description="Further targets: a service's name, `<host>:<port>`, a CIDR, or `internet`."),
    ] = ()


class Monitoring(Section, frozen=True, kw_only=True):
    """Where monitoring lives."""

    namespace: Annotated[str, Meta(description="Its namespace; need not exist yet.")] = "monitoring"


class Budget(Section, frozen=True, kw_only=True):
    """What a container asks for, and what it may use at most."""

    requests: Annotated[Resources | None, Meta(description="What it asks for.")] = None
    limits: Annotated[Resources | None, Meta(description="What it may use at most.")] = None


class Overlay(Section, frozen=True, kw_only=True):
    """What one environment has of its own."""

    replicas: Annotated[Count | None, Meta(description="How many pods run.")] = None
    resources: Annotated[Budget | None, Meta(description="Requests and limits.")] = None
    image_pull: Annotated[
        Literal["Never", "IfNotPresent", "Always"] | None, Meta(description="When images are pulled.")
    ] = None
    log_level: Annotated[str | None, Meta(description="Value of the variable LOG_LEVEL.")] = None
    name_prefix: Annotated[str | None, Meta(description="Put before the name of every object.")] = None


class Profile(Section, frozen=True, kw_only=True):
    """Guardrails of the app: a base level, and what differs from it."""

    base: Annotated[Level, Meta(description=BASE)] = "production"
    probes: Annotated[Probes | Off | None, Meta(description="Health checks.")] = None
    security: Annotated[Security | Off | None, Meta(description="Rights of the container.")] = None
    autoscale: Annotated[Autoscale | Off | None, Meta(description="The autoscaler.")] = None
    disruption: Annotated[Disruption | Off | None, Meta(description="The disruption budget.")] = None
    network: Annotated[
        Literal["strict", "standard", "off"] | Network | None, Meta(description="The network policy.")
    ] = None
    monitoring: Annotated[Monitoring | Off | None, Meta(description="Where monitoring lives.")] = None
    envs: Annotated[dict[str, Overlay], Meta(description="What single environments have of their own.")] = field(
        default_factory=dict
    )
    log_level_var: Annotated[str, Meta(description="Name of the variable that takes the log level.")] = "LOG_LEVEL"
    routing: Annotated[
        Literal["gateway", "ingress"], Meta(description="How requests come in; ingress where no Gateway API is.")
    ] = "gateway"
    tls: Annotated[Literal["local", "off"] | None, Meta(description="`local`: a certificate authority here.")] = None
