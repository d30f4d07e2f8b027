"""Settings of the server: from environment variables named KILTER_SERVER_…, secrets from files that these name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kilter.errors import BadInput
from kilter.render import names
from kilter.server import policies
from kilter.words import duration

PREFIX: Final = "KILTER_SERVER_"


@dataclass(frozen=True)
class Settings:
    """What an administrator decides. Each field is the variable of the same name in capitals behind KILTER_SERVER_."""

    cluster_domain: str
    scheme: str = "https"
    public_port: int = 0  # of the apps' addresses; 0 is the scheme's own
    public_url: str = ""  # of this server; by default https://kilter.<cluster domain>
    extra_hosts: tuple[str, ...] = ()  # of the platform itself, beside this server's and the registry's
    host: str = "0.0.0.0"  # noqa: S104 - inside a pod
    port: int = 8080
    store: Path = Path("/var/lib/kilter-server/store.db")
    store_dsn_file: Path | None = None  # PostgreSQL in place of the file
    first_token_file: Path | None = None  # the installer's token, good as long as there is no other
    kubeconfig: Path | None = None  # by default the pod's own service account
    registry: str = ""  # <host>[/<scope>]
    registry_url: str = ""  # where the server itself reaches it; without it nothing is removed there
    registry_service: str = ""  # as the registry names itself; by default its host
    registry_key_file: Path | None = None
    extra_registries: tuple[str, ...] = ()  # prefixes of images that need not lie in the platform's registry
    services: tuple[str, ...] = ("postgres",)  # catalog entries that the operator provisions
    sops_recipients: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ("linux/amd64",)
    policy_probe: policies.Doors | None = None  # where enforcement is tried; none: not known
    min_cli: str = "0.1.0"
    protected_envs: tuple[str, ...] = ("prod",)
    ephemeral_envs: tuple[str, ...] = ("dev", "pr-*")
    replace_waiting_envs: tuple[str, ...] = ()
    database_keep_days: int = 7  # of a deleted environment's database; 0 is for good
    ready_timeout_max: float = 3600.0  # seconds
    body_limit: int = 4 * 1024 * 1024  # bytes
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # content of the files, by field

    @property
    def url(self) -> str:
        """The server's own address, without a final slash."""
        own = names.public_url(self.scheme, f"kilter.{self.cluster_domain}", self.public_port)
        return (self.public_url or own).rstrip("/")

    @property
    def registry_host(self) -> str:
        """The registry's host, with its port."""
        return self.registry.partition("/")[0]

    @property
    def hosts(self) -> frozenset[str]:
        """The platform's own hosts, which no app is given."""
        return names.platform_hosts(self.cluster_domain, self.url, self.registry, *self.extra_hosts)


def words(text: str) -> tuple[str, ...]:
    """Read a list: words between commas or spaces."""
    return tuple(text.replace(",", " ").split())


def seconds(text: str) -> float:
    """Read a duration. Raises ValueError."""
    return duration(text)


def web_address(text: str) -> str:
    """Read the address of a service, without a final slash. Raises ValueError."""
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} is no http:// or https:// address")
    return text.rstrip("/")


READERS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("cluster_domain", "scheme", "public_url", "host", "registry", "registry_service", "min_cli"), str),
    **dict.fromkeys(("store", "store_dsn_file", "first_token_file", "kubeconfig", "registry_key_file"), Path),
    **dict.fromkeys(("extra_hosts", "extra_registries", "services", "sops_recipients", "platforms"), words),
    **dict.fromkeys(("protected_envs", "ephemeral_envs", "replace_waiting_envs"), words),
    "registry_url": web_address,
    "port": int,
    "public_port": int,
    "body_limit": int,
    "database_keep_days": int,
    "ready_timeout_max": seconds,
    "policy_probe": policies.doors,
}
FILES: Final = ("store_dsn_file", "first_token_file", "registry_key_file")


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings and the files they name. Raises BadInput with every fault."""
    found: dict[str, Any] = {}
    faults: list[str] = []
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not text:
            continue
        if name not in READERS:
            faults.append(f"{variable} is no setting of kilter-server")
            continue
        try:
            found[name] = READERS[name](text)
        except ValueError as error:
            faults.append(f"{variable}: {error}")
    if "cluster_domain" not in found:
        faults.append(f"{PREFIX}CLUSTER_DOMAIN is not set; apps get their hosts below it")
    secrets = read_files({name: found[name] for name in FILES if name in found}, faults)
    if faults:
        raise BadInput("kilter-server cannot start with these settings", details=faults)
    return Settings(**found, secrets=secrets)


def read_files(files: Mapping[str, Path], faults: list[str]) -> dict[str, str]:
    """Return the content of each file; what cannot be read is added to the faults."""
    found = {}
    for name, file in files.items():
        try:
            found[name] = file.read_text("utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            faults.append(f"{PREFIX}{name.upper()}: {file} cannot be read: {reason}")
            continue
        if not found[name]:
            faults.append(f"{PREFIX}{name.upper()}: {file} is empty")
    return found
