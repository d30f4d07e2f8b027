"""What each backing service gets: its version and image, its ports, and the values of its chart."""

from collections.abc import Mapping

from kilter.catalog.model import Entry, fill
from kilter.errors import BadInput
from kilter.project.model import Service
from kilter.render.model import PortPlan, Ports, ServicePlan
from kilter.values import Credentials
from kilter.words import quantity

ALLOTTED = frozenset({"name", "project", "type", "ports", "credentials"})  # kilter's alone, or addresses would lie
MIB = 1024 * 1024


def entry_of(name: str, service: Service, entries: Mapping[str, Entry]) -> Entry:
    """Return the catalog entry of a declared service; `entries` holds those of all services of the project."""
    return entries[service.type or name]


def service_plan(
    project: str,
    name: str,
    service: Service,
    entry: Entry,
    ports: Ports,
    credentials: Mapping[str, Credentials],
) -> ServicePlan:
    """Plan one service. Raises BadInput for an unknown version, and for values and variables that are kilter's own."""
    if wrong := unknown_version(service, entry):
        raise BadInput(f"services.{name}.version: {wrong}")
    version = service.version or entry.version
    numbers = tuple(
        PortPlan(port.name, (port.primary and service.port) or port.container, ports[f"{name}/{port.name}"])
        for port in entry.ports
    )
    known = credentials.get(name, Credentials("", "", ""))
    memory = (service.resources and service.resources.memory) or entry.memory
    planned = ServicePlan(
        name=name,
        entry=entry,
        version=version,
        image=service.image or entry.versions[version],
        ports=numbers,
        primary=next(port for port in numbers if port.name == entry.primary_port.name),
        credentials=known,
        memory=memory,
        values={},
    )
    _refuse_own_env(name, service, entry)
    planned.values.update(merged(_house_values(project, planned, service), _own_values(name, service)))
    return planned


def variables(service: ServicePlan, host: str, *, localhost: bool = False) -> dict[str, str]:
    """Return a service's variables as seen from a pod, or from this machine.

    The instance named like its type has the plain names, every other one `<NAME>_…` (NS-Q23).
    """
    credentials = service.credentials
    words = {
        "name": service.name,
        "host": host,
        "user": credentials.user,
        "password": credentials.password,
        "database": credentials.database,
    }
    ports = {port.name: port.node_port if localhost else port.container for port in service.ports}
    primary = service.primary.name
    values = (fill(text, words, ports, primary) for text in service.entry.variables.values())
    return dict(zip(variable_names(service.name, service.entry), values, strict=True))


def variable_names(service: str, entry: Entry) -> tuple[str, ...]:
    """Return the names of the variables that a service of this name brings."""
    prefix = "" if service == entry.name else variable_name(service) + "_"
    return tuple(prefix + key for key in entry.variables)


def variable_name(name: str) -> str:
    """Write a name as it appears in the names of variables: `orders-db` is `ORDERS_DB`."""
    return name.upper().replace("-", "_")


def unknown_version(service: Service, entry: Entry) -> str:
    """Say that the catalog does not have the version of a service; '' where it does, or an image takes its place."""
    version = service.version or entry.version
    if service.image or version in entry.versions:
        return ""
    known = ", ".join(sorted(entry.versions, key=_numeric))
    return f"this kilter's catalog has no {entry.title} {version}; it has {known}, and `image:` takes one of your own"


def _numeric(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in version.split("."))


def _house_values(project: str, service: ServicePlan, declared: Service) -> dict[str, object]:
    entry = service.entry
    credentials = {key: getattr(service.credentials, key) for key in entry.credentials}
    limits = {"memory": service.memory}
    if declared.resources and declared.resources.cpu:
        limits["cpu"] = declared.resources.cpu
    values: dict[str, object] = {
        "name": service.name,
        "project": project,
        "type": entry.name,
        "image": service.image,
        "ports": {port.name: {"container": port.container, "nodePort": port.node_port} for port in service.ports},
        "resources": {"requests": requests(limits, entry.cpu), "limits": limits},
        "env": {key: unexpanded(value) for key, value in sorted(declared.env.items()) if value is not None},
    }
    if credentials:
        values["credentials"] = credentials
    if entry.storage:
        values["storage"] = declared.storage or entry.storage
    shares = entry.memory_shares.items()
    return values | {key: max(1, int(quantity(service.memory) * share / MIB)) for key, share in shares}


def requests(limits: Mapping[str, str], cpu: str) -> dict[str, str]:
    """Return what a workload asks for: half of its memory limit, and `cpu` unless its limit is lower."""
    mebibytes = max(1, int(quantity(limits["memory"]) / 2 / MIB))
    lower = limits.get("cpu", cpu)
    return {"cpu": cpu if quantity(cpu) <= quantity(lower) else lower, "memory": f"{mebibytes}Mi"}


def unexpanded(text: str) -> str:
    """Escape a text in which Kubernetes would expand `$(NAME)` or shorten `$$`: what the user writes is literal."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def _own_values(name: str, service: Service) -> Mapping[str, object]:
    values: Mapping[str, object] = service.values
    for key in sorted(ALLOTTED & set(values)):
        raise BadInput(
            f"services.{name}.values.{key} cannot be set",
            why="kilter allots it, and every address it prints depends on it",
            hint=f"see the fields of `services.{name}` instead: type, port, hostPort",
        )
    return values


def _refuse_own_env(name: str, service: Service, entry: Entry) -> None:
    """Refuse variables that would move a database's data out of its volume, or its login away from its addresses."""
    given = service.values.get("env")
    places = {"env": service.env, "values.env": given if isinstance(given, Mapping) else {}}
    for place, variables in places.items():
        for key in sorted({*entry.own_env} & {*variables}):
            raise BadInput(
                f"services.{name}.{place}.{key} cannot be set",
                why=f"the login and the data of {entry.title} depend on it, and every address that kilter prints",
                hint=f"leave it out; `kilter env` prints the login of `{name}`",
            )


def merged(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Lay one map of values over another, as Helm does with several files of them."""
    found = dict(under)
    for key, value in over.items():
        below = found.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        found[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return found
