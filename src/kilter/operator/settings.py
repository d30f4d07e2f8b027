"""What an operator is told by its environment: the cluster, the platform's servers, and how long things may take."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kilter import words
from kilter.errors import BadInput


@dataclass(frozen=True)
class Flux:
    """Where Flux and its objects are, and what it may do in an environment.

    Its source, the service accounts and the age key are in `namespace`, because Flux refuses references to others;
    `role` is the ClusterRole that an environment's service account has within that environment's namespace.
    """

    namespace: str = "flux-system"
    source: str = "kilter"
    decryption_secret: str = "sops-age"  # noqa: S105 - the name of a Secret
    role: str = "kilter-env"


@dataclass(frozen=True)
class Gateway:
    """How the operator itself reaches the Gateway, whatever DNS says; `ca`, if given, must have signed for it."""

    url: str = ""
    ca: Path | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that an operator is told. Times in seconds.

    `database_url` is the login of the operator's own role and never printed; `database_host` and `database_port` are
    where the pods of apps find the same server.
    """

    cluster: str = "default"
    domain: str = "localhost"
    tls: bool = True
    namespace: str = "kilter-system"  # of the operator's own Lease
    identity: str = "operator"
    kubeconfig: Path | None = None
    flux: Flux = field(default_factory=Flux)
    gateway: Gateway = field(default_factory=Gateway)
    database_url: str = field(default="", repr=False)
    database_host: str = ""
    database_port: int = 5432
    readiness_timeout: float = 900.0
    resync: float = 600.0
    workers: int = 8
    address: str = "0.0.0.0"  # noqa: S104 - the kubelet's checks come from outside of the pod
    port: int = 8080


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; raises BadInput with every fault."""
    reader = _Reader(environment)
    default = Settings()
    kubeconfig, gateway_ca = environment.get("KUBECONFIG", ""), reader.text("KILTER_GATEWAY_CA", "")
    settings = Settings(
        cluster=reader.text("KILTER_CLUSTER", default.cluster),
        domain=reader.text("KILTER_CLUSTER_DOMAIN", default.domain),
        tls=reader.flag("KILTER_TLS", default=default.tls),
        namespace=reader.text("KILTER_NAMESPACE", default.namespace),
        identity=f"{reader.text('POD_NAME', socket.gethostname())}-{os.urandom(4).hex()}",
        kubeconfig=Path(kubeconfig) if kubeconfig else None,
        flux=Flux(
            namespace=reader.text("KILTER_FLUX_NAMESPACE", default.flux.namespace),
            source=reader.text("KILTER_FLUX_SOURCE", default.flux.source),
            decryption_secret=reader.text("KILTER_FLUX_DECRYPTION_SECRET", default.flux.decryption_secret),
            role=reader.text("KILTER_FLUX_ROLE", default.flux.role),
        ),
        gateway=Gateway(reader.text("KILTER_GATEWAY_URL", ""), Path(gateway_ca) if gateway_ca else None),
        database_url=reader.text("KILTER_DATABASE_URL", ""),
        database_host=reader.text("KILTER_DATABASE_HOST", ""),
        database_port=reader.number("KILTER_DATABASE_PORT", default.database_port),
        readiness_timeout=reader.seconds("KILTER_READINESS_TIMEOUT", default.readiness_timeout),
        resync=reader.seconds("KILTER_RESYNC", default.resync),
        workers=reader.number("KILTER_WORKERS", default.workers),
        address=reader.text("KILTER_ADDRESS", default.address),
        port=reader.number("KILTER_PORT", default.port, least=0),
    )
    if settings.database_url and not settings.database_host:
        reader.faults.append("KILTER_DATABASE_HOST is needed beside KILTER_DATABASE_URL: where pods find the server")
    if reader.faults:
        raise BadInput("the operator's settings are wrong", details=reader.faults)
    return settings


class _Reader:
    """Reads variables and remembers what is wrong with them; the value of a variable is never repeated."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "") or default

    def flag(self, name: str, *, default: bool) -> bool:
        given = self.text(name, "")
        if given not in ("", "true", "false"):
            self.faults.append(f"{name} must be true or false")
        return given == "true" if given in ("true", "false") else default

    def number(self, name: str, default: int, least: int = 1) -> int:
        given = self.text(name, "")
        if not given:
            return default
        if not (given.isascii() and given.isdigit() and least <= int(given) <= 65535):
            self.faults.append(f"{name} must be a number between {least} and 65535")
            return default
        return int(given)

    def seconds(self, name: str, default: float) -> float:
        given = self.text(name, "")
        try:
            return words.duration(given) if given else default
        except ValueError as error:
            self.faults.append(f"{name}: {error}")
            return default
