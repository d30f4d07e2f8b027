"""What an operator is told by its environment: the cluster, the platform's servers, and how long things may take."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from kilter.errors import BadInput
from kilter.operator.variables import Variables


@dataclass(frozen=True)
class Flux:
    """Where Flux and its objects are, and what it may do in an environment.

    Its source, the service accounts and the age key are in `namespace`, because Flux refuses references to others;
    `role` is the ClusterRole that an environment's service account has within that environment's namespace.
    """

    namespace: str = "flux-system"
    source: str = "kilter"
    decryption_secret: str = ""
    role: str = "kilter-env"


@dataclass(frozen=True)
class Gateway:
    """The Gateway: how the operator itself reaches it, whatever DNS says, and what routes are attached to.

    `ca`, if given, must have signed for it. `section` is the listener (all of them when empty), `proxies` the namespace
    of the pods that requests come from, when that is not the Gateway's own. `hosts` are further ones of the platform's.
    """

    url: str = ""
    ca: Path | None = None
    name: str = "kilter"
    namespace: str = "kilter-system"
    section: str = ""
    proxies: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Git:
    """The flux repository. `token` is a file with what `username` gets in by, and `ca` one with the authority that
    signed for its server, if there is such a file; the clone lies below `folder`, which nobody else may use.
    """

    url: str = ""
    branch: str = "main"
    username: str = "kilter"
    token: Path | None = None
    ca: Path | None = None
    folder: Path = Path("/var/lib/kilter-operator/git")


@dataclass(frozen=True)
class Database:
    """The platform's PostgreSQL. `url` is the login of the operator's own role and never printed.

    `host` and `port` are where the pods of apps find the same server; a network policy finds it by the namespace of its
    pods or, where it runs elsewhere, by its address. `sslmode` and `ca` (PEM) are what libpq itself goes by, for the
    operator's own connections, and what apps are given. What an environment leaves behind is kept for `keep_days`; 0
    is for good.
    """

    url: str = field(default="", repr=False)
    host: str = ""
    port: int = 5432
    namespace: str = ""
    cidr: str = ""
    sslmode: str = ""
    ca: str = ""
    keep_days: int = 7


@dataclass(frozen=True)
class Registry:
    """The platform's registry (`<host>[/<scope>]`), and the key that signs what its images are pulled with.

    `issuer` is the server's address, which gives tokens for what the key has signed in its name.
    """

    place: str = ""
    issuer: str = ""
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The registry's host, with its port."""
        return self.place.partition("/")[0]

    def repository(self, org: str, app: str) -> str:
        """Return the repository of an app, as the registry names it."""
        return "/".join(part for part in (self.place.partition("/")[2].strip("/"), org, app) if part)


@dataclass(frozen=True)
class Settings:
    """Everything that an operator is told. Times in seconds.

    `public_port` is that of public addresses, 0 for the scheme's own; `pull_config` holds logins of other registries,
    as Docker writes them, and never prints; `helm` is a path, or a name to be found on PATH. On `probe_port`, if any,
    the operator answers as on `port`, for who tries whether network policies are enforced.
    """

    cluster: str = "default"
    domain: str = "localhost"
    tls: bool = True
    public_port: int = 0
    namespace: str = "kilter-system"  # of the operator's own Lease
    identity: str = "operator"
    kubeconfig: Path | None = None
    flux: Flux = field(default_factory=Flux)
    gateway: Gateway = field(default_factory=Gateway)
    git: Git = field(default_factory=Git)
    database: Database = field(default_factory=Database)
    registry: Registry = field(default_factory=Registry)
    dns_namespace: str = "kube-system"
    metrics_server: bool = True
    trial: bool = False
    pull_config: str = field(default="", repr=False)
    helm: str = "helm"
    readiness_timeout: float = 900.0
    resync: float = 600.0
    workers: int = 8
    address: str = "0.0.0.0"  # noqa: S104 - the kubelet's checks come from outside of the pod
    port: int = 8080
    probe_port: int = 0

    @property
    def ports(self) -> tuple[int, ...]:
        """Where the operator answers."""
        return (self.port, self.probe_port) if self.probe_port else (self.port,)

    @property
    def pulls_with_login(self) -> bool:
        """Whether images are pulled with a login."""
        return bool(self.pull_config or self.registry.key)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; raises BadInput with every fault."""
    reader = Variables(environment)
    default = Settings()
    settings = Settings(
        cluster=reader.text("KILTER_CLUSTER", default.cluster),
        domain=reader.text("KILTER_CLUSTER_DOMAIN", default.domain),
        tls=reader.flag("KILTER_TLS", default=default.tls),
        public_port=reader.number("KILTER_PUBLIC_PORT", default.public_port, least=0),
        namespace=reader.text("KILTER_NAMESPACE", default.namespace),
        identity=f"{reader.text('KILTER_POD_NAME', socket.gethostname())}-{os.urandom(4).hex()}",
        kubeconfig=reader.path("KUBECONFIG"),
        flux=_flux(reader),
        gateway=_gateway(reader),
        git=_git(reader),
        database=_database(reader),
        registry=_registry(reader),
        dns_namespace=reader.text("KILTER_DNS_NAMESPACE", default.dns_namespace),
        metrics_server=reader.flag("KILTER_METRICS_SERVER", default=default.metrics_server),
        trial=reader.flag("KILTER_TRIAL", default=default.trial),
        pull_config=_pull_config(reader),
        helm=reader.text("KILTER_HELM", default.helm),
        readiness_timeout=reader.seconds("KILTER_READINESS_TIMEOUT", default.readiness_timeout),
        resync=reader.seconds("KILTER_RESYNC", default.resync),
        workers=reader.number("KILTER_WORKERS", default.workers),
        address=reader.text("KILTER_ADDRESS", default.address),
        port=reader.number("KILTER_PORT", default.port, least=0),
        probe_port=reader.number("KILTER_POLICY_PROBE_PORT", default.probe_port, least=0),
    )
    if reader.faults:
        raise BadInput("the operator's settings are wrong", details=reader.faults)
    return settings


def _flux(reader: Variables) -> Flux:
    default = Flux()
    return Flux(
        namespace=reader.text("KILTER_FLUX_NAMESPACE", default.namespace),
        source=reader.text("KILTER_FLUX_SOURCE", default.source),
        decryption_secret=reader.text("KILTER_FLUX_DECRYPTION_SECRET", default.decryption_secret),
        role=reader.text("KILTER_FLUX_ROLE", default.role),
    )


def _gateway(reader: Variables) -> Gateway:
    default = Gateway()
    return Gateway(
        url=reader.text("KILTER_GATEWAY_URL", ""),
        ca=reader.path("KILTER_GATEWAY_CA"),
        name=reader.text("KILTER_GATEWAY_NAME", default.name),
        namespace=reader.text("KILTER_GATEWAY_NAMESPACE", default.namespace),
        section=reader.text("KILTER_GATEWAY_SECTION", ""),
        proxies=reader.text("KILTER_GATEWAY_PROXIES", ""),
        hosts=tuple(reader.text("KILTER_EXTRA_HOSTS", "").replace(",", " ").split()),
    )


def _git(reader: Variables) -> Git:
    default = Git()
    return Git(
        url=reader.text("KILTER_GIT_URL", ""),
        branch=reader.text("KILTER_GIT_BRANCH", default.branch),
        username=reader.content("KILTER_GIT_USERNAME_FILE") or default.username,
        token=reader.path("KILTER_GIT_TOKEN_FILE"),
        ca=reader.path("KILTER_GIT_CA_FILE"),
        folder=reader.path("KILTER_GIT_FOLDER") or default.folder,
    )


def _database(reader: Variables) -> Database:
    found = Database(
        url=reader.content("KILTER_DATABASE_URL_FILE"),
        host=reader.text("KILTER_DATABASE_HOST", ""),
        port=reader.number("KILTER_DATABASE_PORT", Database.port),
        namespace=reader.text("KILTER_DATABASE_NAMESPACE", ""),
        cidr=reader.text("KILTER_DATABASE_CIDR", ""),
        sslmode=reader.text("PGSSLMODE", ""),
        ca=reader.content("PGSSLROOTCERT"),
        keep_days=reader.number("KILTER_DATABASE_KEEP_DAYS", Database.keep_days, least=0),
    )
    if found.url and not _is_login(found.url):
        reader.faults.append(
            "KILTER_DATABASE_URL_FILE must hold an address of PostgreSQL's; "
            "in its password, % is written %25, @ is written %40 and / is written %2F"
        )
    if found.url and not found.host:
        reader.faults.append("KILTER_DATABASE_HOST is needed beside KILTER_DATABASE_URL_FILE: where pods find it")
    if found.url and not (found.namespace or found.cidr):
        reader.faults.append("KILTER_DATABASE_NAMESPACE, or KILTER_DATABASE_CIDR, is needed: network policies name it")
    return found


def _is_login(url: str) -> bool:
    """Tell whether libpq finds in it what belongs there, and no piece of a password, which its errors would tell."""
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    host, port, database = (str(found.get(part) or "") for part in ("host", "port", "dbname"))
    return "@" not in host + database and (not port or port.replace(",", "").isdigit())


def _registry(reader: Variables) -> Registry:
    found = Registry(
        place=reader.text("KILTER_REGISTRY", ""),
        issuer=reader.text("KILTER_REGISTRY_ISSUER", ""),
        key=reader.content("KILTER_REGISTRY_KEY_FILE"),
    )
    if found.key and not (found.place and found.issuer):
        reader.faults.append("KILTER_REGISTRY and KILTER_REGISTRY_ISSUER are needed beside KILTER_REGISTRY_KEY_FILE")
    return found


def _pull_config(reader: Variables) -> str:
    found = reader.content("KILTER_PULL_CONFIG_FILE")
    try:
        fits = not found or isinstance(json.loads(found)["auths"], dict)
    except (ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        reader.faults.append('KILTER_PULL_CONFIG_FILE must hold logins as Docker writes them: {"auths": {…}}')
    return found
