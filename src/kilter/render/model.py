"""What a plan consists of: everything decided, nothing written yet."""

from collections.abc import Mapping
from pathlib import Path

from kilter.catalog.model import Entry
from kilter.values import Credentials, Value

Ports = Mapping[str, int]  # `<service>/<port name>`, `<component or process>/http`, `tilt` -> number on localhost
NAMESPACE_RESOURCE = "kilter.namespace"  # Tilt's name for the namespace; no service's name has a dot
HTTP = "http"


class PortPlan(Value, frozen=True):
    """One port of a service: its name, its number in the container and on localhost."""

    name: str
    container: int
    node_port: int


class ServicePlan(Value, frozen=True):
    """One backing service. `values` is what its chart gets, the user's own values included."""

    name: str
    entry: Entry
    version: str
    image: str
    ports: tuple[PortPlan, ...]
    primary: PortPlan
    credentials: Credentials
    memory: str
    values: dict[str, object]

    hidden = ("values",)


class BuildPlan(Value, frozen=True):
    """How an image is built. Paths are relative to the project's root, `/` separated, `.` for the root itself.

    `sync` holds (path in the project, path in the container); `live` says that these are copied into the running
    container instead of building again; `only` lists what the image can depend on, empty for the whole context.
    `link_to` is where a Dockerfile is that is reached by a link, empty for any other. `missed` is what the Dockerfile's
    last stage takes in of the context, and this one does not.
    """

    reference: str
    context: str
    dockerfile: str
    link_to: str = ""
    target: str = ""
    live: bool = False
    sync: tuple[tuple[str, str], ...] = ()
    rebuild_on: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


class AppPlan(Value, frozen=True):
    """One workload of the user's own: a component, or a process that shares a component's image and environment.

    `port` 0 means no Service. `env` are the literal variables, `injected` those that name declared services (kept in
    a Secret); the two never share a name. An empty `command` leaves the image's own.
    """

    name: str
    component: str
    image: str
    build: BuildPlan | None
    port: int
    node_port: int | None
    env: dict[str, str]
    injected: dict[str, str]
    command: tuple[str, ...] = ()
    cpu: str = ""
    memory: str = ""
    replicas: int = 1
    schedule: str = ""

    hidden = ("injected",)

    @property
    def is_process(self) -> bool:
        """Tell whether this is a process of a component rather than the component itself."""
        return self.name != self.component


class Plan(Value, frozen=True):
    """Everything about one project on this machine. `notices` are lines the user should read."""

    project: str
    root: Path
    services: tuple[ServicePlan, ...]
    apps: tuple[AppPlan, ...]
    tilt_port: int | None = None
    notices: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """The namespace of all workloads (NS-6)."""
        return f"{self.project}-dev"

    @property
    def cluster(self) -> str:
        """The cluster's name (NS-2)."""
        return f"kilter-{self.project}"

    @property
    def context(self) -> str:
        """The one context of the project's kubeconfig (NS-Q8)."""
        return f"kind-{self.cluster}"

    def host(self, name: str) -> str:
        """The name by which pods reach a Service (NS-28)."""
        return f"{name}.{self.namespace}.svc"

    def node_ports(self) -> tuple[int, ...]:
        """All numbers on localhost that lead into the cluster, sorted."""
        services = [port.node_port for service in self.services for port in service.ports]
        return tuple(sorted(services + [app.node_port for app in self.apps if app.node_port]))
