"""What a catalog entry says about itself."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

_PLACEHOLDER = re.compile(r"\{([a-z]+)(?::([a-z0-9-]+))?\}")
FIELDS = ("name", "host", "port", "user", "password", "database")

CredentialField = Literal["user", "password", "database"]
Share = Annotated[float, Meta(gt=0, le=1)]


class Port(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A port that the service listens on; the primary one is what `port:` overrides and what the variables name."""

    name: str
    container: Annotated[int, Meta(ge=1, le=65535)]
    primary: bool = False
    scheme: str = "tcp"


class Provision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a shared cluster provides a service, and with how much.

    `by` is `database` (one on the platform's own server) or `chart` (the same chart as locally, with these sizes).
    """

    by: Literal["database", "chart"]
    cpu: str = ""
    memory: str = ""
    storage: str = ""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One service of the catalog, as `service.yaml` states it.

    `versions` maps each known version to its image, `variables` each variable to a template over the placeholders
    `{name} {host} {port} {port:<port name>} {user} {password} {database}`; `memory` is the limit of the laptop
    profile, and `memory_shares` maps chart values to the share of that limit they are set to, in whole MiB.
    `probe` names how a client proves that the service answers; `wait` is a command of the service's own image, over
    `{host}` and `{port}`, that ends within seconds, with 0 once it does: apps run it again and again before they start.
    `own_env` names the container's variables that the chart sets, and nobody else may: logins and places of data.
    `deploy` is left out where no shared cluster provides the service, so that a deploy must find it elsewhere.
    """

    name: str
    title: str
    description: str
    version: str
    versions: dict[str, str]
    ports: tuple[Port, ...]
    variables: dict[str, str]
    credentials: tuple[CredentialField, ...] = ()
    memory: str
    cpu: str = "50m"
    memory_shares: dict[str, Share] = field(default_factory=dict)
    storage: str = ""
    deploy: Provision | None = None
    probe: Literal["tcp", "http", "postgres", "redis"] = "tcp"
    wait: tuple[str, ...] = ()
    own_env: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.version not in self.versions:
            raise ValueError(f"version {self.version} is not among the versions of {self.name}")
        if sum(port.primary for port in self.ports) != 1:
            raise ValueError(f"{self.name} needs exactly one primary port")
        for template in self.variables.values():
            for word, port in _PLACEHOLDER.findall(template):
                if word not in FIELDS or (port and port not in {each.name for each in self.ports}):
                    raise ValueError(f"{self.name}: {template} has a placeholder that nothing fills")
        if self.deploy and self.deploy.by == "chart" and not (self.deploy.memory and self.deploy.cpu):
            raise ValueError(f"{self.name}: a service deployed by its chart needs cpu and memory for it")

    @property
    def primary_port(self) -> Port:
        """The port that clients connect to."""
        return next(port for port in self.ports if port.primary)


def fill(template: str, words: Mapping[str, str], ports: Mapping[str, int], primary: str) -> str:
    """Fill a variable's template: `words` by placeholder, `ports` by port name, `{port}` being the primary one."""

    def filled(match: "re.Match[str]") -> str:
        return str(ports[match[2] or primary]) if match[1] == "port" else words[match[1]]

    return _PLACEHOLDER.sub(filled, template)
