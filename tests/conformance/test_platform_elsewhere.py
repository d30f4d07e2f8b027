"""A platform whose PostgreSQL, Git repository and certificate are somebody else's, from installing to removing; each of
the three is known by an authority of its own.

The tests run in this order, as an administrator with a kubeconfig and a developer with Docker and a token. All names
are below `localhost`, on mapped ports; the registry is `localhost` itself, which Docker's daemon finds without DNS.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from conformance.conftest import cluster_config
from conformance.postgres import Server, server
from harness.certificates import Certificates, Secured, certified
from harness.cli import Kilter, docker, forget_images
from harness.gitserver import serving
from harness.platform import CHARTS, MANIFESTS, SYSTEM, Platform, eventually, git, load
from harness.ports import free_port
from psycopg.conninfo import conninfo_to_dict

from kilter.clusters import network
from kilter.clusters.kind import KindProvider
from kilter.clusters.node import node_name
from kilter.errors import KilterError
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools import docker as commands
from kilter.tools.git import Git, parse_files
from kilter.tools.kind import NETWORK
from kilter.tools.provision import provide
from kilter.tools.versions import HELM, KUBECTL

pytestmark = pytest.mark.cluster
DOMAIN = "apps.localhost"
HOST, SPACE, DATABASE = f"visits-dev.{DOMAIN}", "acme-visits-dev", "acme__visits__dev"
ENV = ("--project", "acme/visits", "--env", "dev")
BOT = "flux-bot"  # at Git hosts, a token belongs to a name of theirs
VALUES = """
publicPort: {https}
trial: true
gateway:
  tls: {{secretName: wildcard}}
  anyHost: true
  service: {{type: NodePort, nodePorts: {{http: {http}, https: {https}}}}}
registry:
  host: localhost:{https}
  token: {{realm: "https://localhost:{https}/v1/registry/token"}}
  storage: {{size: 1Gi}}
server: {{extraHosts: [localhost]}}
metricsServer: {{enabled: false}}
postgres: {{externalSecret: platform-database, host: {database}, cidr: {subnet}, caSecret: platform-database}}
git: {{url: "{git}/flux.git", secretName: flux-git}}
"""
OTHER_GATEWAY = re.compile(r"^gateway:\n(?:  .*\n)+", re.MULTILINE)
EXISTING = '{enabled: false, existing: {url: "https://traefik.edge.svc", namespace: edge, listener: https}}'


@dataclass(frozen=True)
class Elsewhere:
    """The cluster, the servers beside it, and the two people."""

    platform: Platform
    database: Server
    git_password: str
    trusted: Certificates
    git_trusted: Certificates
    tls_port: int
    admin: Kilter
    developer: Kilter

    @property
    def context(self) -> str:
        """The cluster, as the administrator names it."""
        return self.platform.kubectl("config", "current-context").strip()

    def ask(self, host: str, path: str = "/") -> str:
        """Ask the Gateway over TLS, trusting the test's authority alone."""
        connection = Secured(host, self.tls_port, self.trusted.authority)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return f"{answer.status} {answer.read().decode().strip()}"
        finally:
            connection.close()

    def values(self) -> str:
        """What the administrator writes."""
        subnet = docker("network", "inspect", NETWORK, "--format", "{{(index .IPAM.Config 0).Subnet}}").strip()
        ports = {"http": self.platform.port, "https": self.tls_port}
        return VALUES.format(**ports, git=self.platform.address, database=self.database.host, subnet=subnet)

    def bring_certificate(self, namespace: str) -> None:
        """Put the certificate where a Gateway looks for it."""
        pair = (f"--cert={self.trusted.certificate}", f"--key={self.trusted.key}")
        self.platform.kubectl("create", "--namespace", namespace, "secret", "tls", "wildcard", *pair)

    def bring_secrets(self) -> None:
        """Put the certificate and the two logins where the platform looks for them."""
        own = conninfo_to_dict(self.database.operator)
        dsn = f"postgresql://{own['user']}:{own['password']}@{self.database.host}:5432/{own['dbname']}"
        authority = f"--from-file=ca.crt={self.git_trusted.authority}"
        login = (f"--from-literal=username={BOT}", f"--from-literal=password={self.git_password}", authority)
        database = (f"--from-literal=dsn={dsn}", f"--from-file=ca.crt={self.database.authority}")
        self.platform.kubectl("create", "namespace", SYSTEM)
        self.bring_certificate(SYSTEM)
        create = ("create", "--namespace", SYSTEM, "secret")
        self.platform.kubectl(*create, "generic", "platform-database", *database)
        self.platform.kubectl(*create, "generic", "flux-git", *login)


@pytest.fixture(scope="module")
def here(
    provider: KindProvider, paths: Paths, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Elsewhere]:
    """An empty cluster whose node trusts the test's authority, and the servers beside it."""
    runner, name, port = provider.runner, f"conf-{secrets.token_hex(4)}", free_port()
    password = secrets.token_hex(12)
    tls_port, folder, node = free_port(port), tmp_path_factory.mktemp("elsewhere"), node_name(name)
    repository, trusted = folder / "git/flux.git", certified(folder, f"*.{DOMAIN}", "localhost")
    helm, kubectl = (provide(tool, runner, paths, os.environ, Recorder()) for tool in (HELM, KUBECTL))
    network.ensure(runner)
    with ExitStack() as opened:
        opened.callback(shutil.rmtree, paths.project_data(name), ignore_errors=True)
        opened.callback(runner.run, commands.remove(node, missing_ok=True))
        opened.callback(forget_images, f"localhost:{tls_port}/acme/visits")
        database = opened.enter_context(server(NETWORK, partial(signed, folder / "database")))
        provider.create(name, cluster_config(paths, name, port, tls_port), image)
        load(node)
        trust(provider, node, tls_port, trusted)
        begin(repository)
        route = runner.run(commands.execute(node, "ip", "route", "show", "default")).stdout.split()[2]
        (folder / "git-trust").mkdir()
        git_trusted = certified(folder / "git-trust", route)
        served = opened.enter_context(serving(repository.parent, route, f"{BOT}:{password}", git_trusted))
        address, config = f"https://{route}:{served}", provider.kubeconfig(name)
        platform = Platform(runner, helm, kubectl, config, port, repository, address)
        admin, developer = people(folder, config)
        yield Elsewhere(platform, database, password, trusted, git_trusted, tls_port, admin, developer)


def signed(folder: Path, name: str) -> Path:
    """Make an authority, and its certificate for a server of this name; returns the authority's."""
    folder.mkdir()
    return certified(folder, name, "localhost").authority


def trust(provider: KindProvider, node: str, port: int, trusted: Certificates) -> None:
    """Let a node pull from the platform's registry, as an administrator does on theirs."""
    folder = f"/etc/containerd/certs.d/localhost:{port}"
    hosts = f'[host."https://localhost:{port}"]\nca = "{folder}/ca.crt"\ncapabilities = ["pull", "resolve"]\n'
    for file, text in (("ca.crt", trusted.authority.read_text()), ("hosts.toml", hosts)):
        write = ("sh", "-c", f"mkdir -p {folder} && cat > {folder}/{file}")
        provider.runner.run(commands.execute(node, *write, stdin=text))


def begin(repository: Path) -> None:
    """Make the repository, with something of somebody else's in it."""
    work = repository.parent.parent / "work"
    git("init", "--quiet", "--bare", str(repository))
    git("clone", "--quiet", str(repository), str(work))
    (work / "notes.md").write_text("not of kilter\n")
    git("-C", str(work), "add", ".")
    git("-C", str(work), "commit", "--quiet", "-m", "Begin with notes")
    git("-C", str(work), "push", "--quiet", "origin", "HEAD:main")


def people(folder: Path, kubeconfig: Path) -> tuple[Kilter, Kilter]:
    """The administrator has a kubeconfig; the developer has Docker, and neither kubectl nor helm."""
    for name in ("admin", "developer"):
        (folder / name).mkdir()
    shutil.copytree(MANIFESTS / "visits", folder / "visits")
    path = f"{Path(shutil.which('docker') or 'docker').parent}:/usr/bin:/bin"
    return (
        Kilter(folder / "admin", folder / "admin", extra={"KUBECONFIG": str(kubeconfig)}),
        Kilter(folder / "visits", folder / "developer", extra={"PATH": path}),
    )


@pytest.mark.parametrize(("given", "missing"), [("cidr: 10.0.8.0/24", "host"), ("host: db.example.com", "cidr")])
def test_half_of_a_database_server_is_refused(here: Elsewhere, tmp_path: Path, given: str, missing: str) -> None:
    with pytest.raises(KilterError) as raised:
        rendered(here, tmp_path, f"postgres: {{externalSecret: db, {given}}}")
    assert f"postgres.{missing} is needed beside postgres.externalSecret" in " ".join(raised.value.details)


def test_the_port_of_public_addresses_is_in_the_registrys_name_too(here: Elsewhere, tmp_path: Path) -> None:
    text = rendered(here, tmp_path, "publicPort: 8443")
    assert f'service: "registry.{DOMAIN}:8443"' in text
    assert f'hostnames: ["registry.{DOMAIN}"]' in text


def rendered(here: Elsewhere, folder: Path, values: str, *only: str) -> str:
    """Render the chart, or some of its templates, with no cluster asked."""
    file = folder / "values.yaml"
    file.write_text(values)
    fixed = ["--set", f"clusterDomain={DOMAIN},images.kilter={here.platform.image}", "--values", str(file)]
    fixed += [f"--show-only=templates/{template}" for template in only]
    return here.platform.helm("template", "kilter", str(CHARTS / "kilter-platform"), *fixed)


@pytest.mark.requirement("DP-1", "DP-Q10")
def test_the_platform_comes_up_without_a_database_and_a_repository_of_its_own(here: Elsewhere, tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(here.values())
    here.bring_secrets()
    given = ("--context", here.context, "--cluster-domain", DOMAIN, "--image", here.platform.image)
    installed = here.admin.run("platform", "install", *given, "--values", str(file), "--timeout", "4m")
    assert installed.out.splitlines()[0] == f"the platform answers at https://kilter.{DOMAIN}:{here.tls_port}"
    running = {part["metadata"]["name"] for part in here.platform.get("deployments,statefulsets")["items"]}
    assert running == {
        "source-controller", "kustomize-controller", "notification-controller", "traefik",
        "kilter-registry", "kilter-server", "kilter-operator",
    }  # fmt: skip
    assert [claim["metadata"]["name"] for claim in here.platform.get("pvc")["items"]] == ["kilter-registry"]
    eventually(lambda: here.platform.condition(SYSTEM, "kilter").get("status"), lambda status: status == "True")
    eventually(here.platform.listeners, lambda found: found == {"http": "True", "https": "True"})


@pytest.mark.requirement("DP-Q8", "DP-Q10")
def test_a_developer_logs_in_over_tls_once_they_trust_the_certificate(here: Elsewhere) -> None:
    create = (
        "token",
        "create",
        "--context",
        here.context,
        "--actor",
        "mia",
        "--role",
        "maintainer",
        "--project",
        "acme/*",
    )
    token = here.admin.run("platform", *create).out.strip()
    login = ("login", "--server", f"https://kilter.{DOMAIN}:{here.tls_port}", "--token", "-")
    refused = here.developer.run(*login, stdin=f"{token}\n", code=12)
    assert "certificate verify failed" in refused.err
    assert "SSL_CERT_FILE" in refused.err
    here.developer.extra["SSL_CERT_FILE"] = str(here.trusted.authority)
    here.developer.run(*login, stdin=f"{token}\n")
    assert here.developer.json("whoami")["actor"] == "mia"


@pytest.mark.requirement("DP-8", "DP-10", "DP-12", "DP-Q6")
def test_a_deploy_is_pushed_pulled_and_answered_over_tls(here: Elsewhere) -> None:
    result = here.developer.run("deploy", *ENV, "--timeout", "4m")
    assert result.out.strip() == f"https://{HOST}:{here.tls_port}"
    assert "answers there (200 OK)" in result.err
    assert [here.ask(HOST, "/visits") for _ in range(2)] == ["200 visits: 1", "200 visits: 2"]


@pytest.mark.requirement("DP-25", "DP-Q18")
def test_its_database_is_on_the_server_from_elsewhere_made_without_a_superusers_rights(here: Elsewhere) -> None:
    own = conninfo_to_dict(here.database.operator)["user"]
    rights = "SELECT rolsuper::text || rolcreatedb || rolcreaterole || rolbypassrls || rolreplication FROM pg_roles"
    assert here.database.scalar(f"{rights} WHERE rolname = %s", own) == "falsetruetruefalsefalse"
    with here.database.connect(dbname=DATABASE) as connection:
        assert connection.execute("SELECT count(*) FROM visits").fetchone() == (2,)
    assert names(here) == [DATABASE, f"{DATABASE}_app", f"{DATABASE}_owner"]


def names(here: Elsewhere) -> list[str]:
    """The databases and roles of the environment."""
    query = "SELECT datname AS name FROM pg_database UNION SELECT rolname FROM pg_roles"
    with here.database.connect() as connection:
        return sorted(str(name) for (name,) in connection.execute(query) if str(name).startswith("acme__"))


@pytest.mark.requirement("DP-25")
def test_every_connection_to_that_server_is_by_tls_and_the_app_has_checked_its_certificate(here: Elsewhere) -> None:
    by = "SELECT a.datname, bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
    with here.database.connect() as connection:
        rows = connection.execute(f"{by} WHERE a.backend_type = 'client backend' GROUP BY 1").fetchall()
    found = {str(name): by_tls for name, by_tls in rows}
    assert {conninfo_to_dict(here.database.operator)["dbname"], DATABASE} <= found.keys()
    assert set(found.values()) == {True}
    pod = ("exec", "--namespace", SPACE, "deployment/visits", "--")
    told = here.platform.kubectl(*pod, "sh", "-c", 'echo "$PGSSLMODE $PGSSLROOTCERT"; cat "$PGSSLROOTCERT"')
    head, _, certificate = told.partition("\n")
    assert head == "verify-full /etc/kilter/database/ca.crt"
    assert here.database.authority is not None
    assert certificate.strip() == here.database.authority.read_text().strip()


@pytest.mark.requirement("DP-18", "DP-Q16")
def test_its_manifests_are_in_the_repository_from_elsewhere_beside_what_others_have_there(here: Elsewhere) -> None:
    found = tree(here)
    assert {"notes.md", f"clusters/default/envs/{SPACE}.yaml", "apps/acme/visits/dev/kustomization.yaml"} <= found


def tree(here: Elsewhere) -> set[str]:
    """The files of the repository."""
    return set(parse_files(here.platform.runner.run(Git(here.platform.repository).files("main")).stdout))


@pytest.mark.requirement("DP-Q10")
def test_a_plain_request_is_sent_to_the_address_over_tls(here: Elsewhere) -> None:
    status, _, headers = here.platform.ask(HOST, "/visits?a=1")
    assert (status, headers["location"]) == (301, f"https://{HOST}:{here.tls_port}/visits?a=1")


def test_a_second_deploy_finds_the_data_of_the_first(here: Elsewhere) -> None:
    file = here.developer.directory / "visits.py"
    file.write_text(file.read_text().replace('WORD = "visits"', 'WORD = "guests"'))
    here.developer.run("deploy", *ENV, "--timeout", "4m")
    assert here.ask(HOST) == "200 guests: 2"


def test_a_gateway_of_the_clusters_own_takes_over_from_the_platforms(here: Elsewhere, tmp_path: Path) -> None:
    """It is Traefik once more, with everything of its own in another namespace."""
    edge = rendered(here, tmp_path, here.values(), *(f"gateway/{name}.yaml" for name in ("rbac", "traefik", "gateway")))
    file = tmp_path / "platform.yaml"
    file.write_text(OTHER_GATEWAY.sub(f"gateway: {EXISTING}\n", here.values()))
    given = ("--context", here.context, "--cluster-domain", DOMAIN, "--image", here.platform.image)
    install = ("platform", "install", *given, "--values", str(file), "--timeout", "4m")
    assert "there is no such Gateway" in here.admin.run(*install, code=10).err
    assert "traefik" not in {part["metadata"]["name"] for part in here.platform.get("deployments,gateways")["items"]}
    here.platform.kubectl("create", "namespace", "edge")
    here.bring_certificate("edge")
    here.platform.kubectl("apply", "--filename", "-", stdin=edge.replace(SYSTEM, "edge"))
    here.platform.kubectl("rollout", "status", "--namespace", "edge", "deployment/traefik", "--timeout=120s")
    installed = here.admin.run(*install)
    assert installed.out.splitlines()[0] == f"the platform answers at https://kilter.{DOMAIN}:{here.tls_port}"
    eventually(lambda: here.ask(f"kilter.{DOMAIN}", "/healthz"), lambda answer: answer.startswith("200 "))
    here.developer.run("deploy", *ENV, "--timeout", "4m")
    assert here.ask(HOST) == "200 guests: 2"


@pytest.mark.requirement("DP-Q25")
def test_a_deleted_environment_leaves_nothing_on_either_server(here: Elsewhere) -> None:
    here.developer.run("env", "delete", "dev", "--project", "acme/visits", "--yes", "--timeout", "3m")
    assert names(here) == []
    left = tree(here)
    assert "notes.md" in left
    assert not [path for path in left if SPACE in path or "visits" in path]
    assert here.ask(HOST).startswith("404 ")


def test_uninstalling_leaves_both_servers_as_they_are(here: Elsewhere) -> None:
    before = tree(here)
    here.admin.run("platform", "uninstall", "--context", here.context, "--yes")
    assert here.platform.get("deployments,statefulsets")["items"] == []
    here.admin.run("platform", "status", "--context", here.context, code=6)
    assert tree(here) == before
    with here.database.connect(dbname=str(conninfo_to_dict(here.database.operator)["dbname"])) as connection:
        assert ("mia",) in connection.execute("SELECT actor FROM tokens").fetchall()
