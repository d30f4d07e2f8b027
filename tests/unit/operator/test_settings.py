"""The operator's settings: every variable does something, and a secret comes from a file alone."""

from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.errors import BadInput, MachineLacks
from kilter.operator.settings import Settings, from_environment
from kilter.operator.wiring import found_helm, seams

LOGIN = "postgresql://operator:canary@db/postgres"


def test_without_variables_the_defaults_hold() -> None:
    found = from_environment({})
    assert (found.domain, found.tls, found.public_port, found.helm) == ("localhost", True, 0, "helm")
    assert found.ports == (8080,)
    assert (found.git.branch, found.gateway.name, found.gateway.namespace) == ("main", "kilter", "kilter-system")


def test_every_variable_is_read(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(LOGIN + "\n")
    (tmp_path / "pull").write_text('{"auths": {}}')
    (tmp_path / "username").write_text("flux-bot\n")
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    found = from_environment(
        {
            "KILTER_PUBLIC_PORT": "8443",
            "KILTER_GATEWAY_NAME": "edge",
            "KILTER_GATEWAY_NAMESPACE": "edge-system",
            "KILTER_GATEWAY_SECTION": "https",
            "KILTER_GATEWAY_PROXIES": "traefik",
            "KILTER_EXTRA_HOSTS": "a.example.com,b.example.com",
            "KILTER_GIT_URL": "https://git.example.com/flux.git",
            "KILTER_GIT_BRANCH": "live",
            "KILTER_GIT_USERNAME_FILE": str(tmp_path / "username"),
            "KILTER_GIT_TOKEN_FILE": "/run/token",
            "KILTER_GIT_CA_FILE": "/run/ca.crt",
            "KILTER_GIT_FOLDER": "/scratch",
            "KILTER_HELM": "/opt/helm",
            "KILTER_DATABASE_URL_FILE": str(tmp_path / "url"),
            "KILTER_DATABASE_HOST": "db",
            "KILTER_DATABASE_PORT": "5433",
            "KILTER_DATABASE_NAMESPACE": "dbs",
            "KILTER_DATABASE_CIDR": "10.0.0.7/32",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(tmp_path / "ca.crt"),
            "KILTER_DNS_NAMESPACE": "dns",
            "KILTER_METRICS_SERVER": "false",
            "KILTER_PULL_CONFIG_FILE": str(tmp_path / "pull"),
            "KILTER_POLICY_PROBE_PORT": "8081",
        }
    )
    assert found.ports == (8080, 8081)
    assert (found.public_port, found.helm, found.metrics_server, found.dns_namespace) == (
        8443,
        "/opt/helm",
        False,
        "dns",
    )
    gateway, git, database = found.gateway, found.git, found.database
    assert (gateway.name, gateway.namespace, gateway.section, gateway.proxies) == (
        "edge",
        "edge-system",
        "https",
        "traefik",
    )
    assert gateway.hosts == ("a.example.com", "b.example.com")
    assert (git.url, git.branch) == ("https://git.example.com/flux.git", "live")
    assert git.ca == Path("/run/ca.crt")
    assert (git.username, git.token, git.folder) == ("flux-bot", Path("/run/token"), Path("/scratch"))
    assert (database.url, database.host, database.port) == (LOGIN, "db", 5433)
    assert (database.namespace, database.cidr) == ("dbs", "10.0.0.7/32")
    assert (database.sslmode, database.ca) == ("verify-full", "-----BEGIN CERTIFICATE-----")
    assert found.pull_config == '{"auths": {}}'


@pytest.mark.requirement("SC-8")
def test_no_secret_is_shown_when_settings_are_printed(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(LOGIN)
    (tmp_path / "pull").write_text('{"auths": {"a": {"auth": "canary"}}}')
    given = {"KILTER_DATABASE_URL_FILE": "url", "KILTER_PULL_CONFIG_FILE": "pull"}
    files = {name: str(tmp_path / file) for name, file in given.items()}
    found = from_environment(files | {"KILTER_DATABASE_HOST": "db", "KILTER_DATABASE_NAMESPACE": "dbs"})
    assert "canary" not in repr(found)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "url").write_text(LOGIN)
    with pytest.raises(BadInput) as caught:
        from_environment(
            {
                "KILTER_PUBLIC_PORT": "http",
                "KILTER_METRICS_SERVER": "yes",
                "KILTER_DATABASE_URL_FILE": str(tmp_path / "url"),
                "KILTER_PULL_CONFIG_FILE": str(tmp_path / "empty"),
            }
        )
    said = "\n".join(caught.value.details)
    for word in ("PUBLIC_PORT", "METRICS_SERVER", "DATABASE_HOST", "DATABASE_NAMESPACE", "empty is empty"):
        assert word in said
    assert "canary" not in said
    with pytest.raises(BadInput, match="settings") as missing:
        from_environment({"KILTER_PULL_CONFIG_FILE": str(tmp_path / "none")})
    assert "none cannot be read: No such file" in missing.value.details[0]


@pytest.mark.requirement("G5", "B8")
@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("postgresql://op:ca%nary@db/op", False),
        ("postgresql://op:ca@nary@db/op", False),
        ("postgresql://op:ca/nary@db/op", False),
        ("postgresql://op:12/nary@db/op", False),
        ("postgresql://op:ca nary@db/op", False),
        ("postgresql://op:ca%25n%40a%2Fry@db:5432/op?sslmode=require", True),
        ("postgresql://op@one:5432,two:5433/op", True),
        ("host=db dbname=op user=op password=c@nary", True),
    ],
)
def test_an_address_whose_password_would_be_taken_for_something_else_is_refused_and_not_repeated(
    tmp_path: Path, url: str, is_good: bool
) -> None:
    """The driver would name a piece of it as the host that it cannot find, and `status` of every app would tell it."""
    (tmp_path / "url").write_text(url)
    given = {"KILTER_DATABASE_URL_FILE": str(tmp_path / "url"), "KILTER_DATABASE_NAMESPACE": "dbs"}
    if is_good:
        assert from_environment(given | {"KILTER_DATABASE_HOST": "db"}).database.url == url
        return
    with pytest.raises(BadInput) as raised:
        from_environment(given | {"KILTER_DATABASE_HOST": "db"})
    (said,) = raised.value.details
    assert said.startswith("KILTER_DATABASE_URL_FILE must hold an address of PostgreSQL's")
    assert "nary" not in said


@pytest.mark.parametrize("text", ["canary", "[]", "{}", '{"auths": []}'])
def test_logins_that_are_none_are_refused_at_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "pull").write_text(text)
    with pytest.raises(BadInput) as caught:
        from_environment({"KILTER_PULL_CONFIG_FILE": str(tmp_path / "pull")})
    [said] = caught.value.details
    assert "as Docker writes them" in said
    assert "canary" not in said


def test_an_operator_that_does_not_know_its_repository_does_not_start() -> None:
    with pytest.raises(BadInput, match="KILTER_GIT_URL"):
        seams(Settings())


@pytest.mark.parametrize(("printed", "fits"), [("v4.1.4+g1", True), ("v3.19.0", False), ("v5.0.0", False)])
def test_helm_must_be_one_that_renders_what_kilter_was_tried_with(tmp_path: Path, printed: str, fits: bool) -> None:
    binary = tmp_path / "helm"
    binary.write_text("")
    binary.chmod(0o755)
    runner = FakeRunner({(str(binary), "version", "--short"): printed})
    if fits:
        assert found_helm(str(binary), runner) == binary
    else:
        with pytest.raises(MachineLacks, match=printed):
            found_helm(str(binary), runner)
    with pytest.raises(MachineLacks, match="there is no"):
        found_helm(str(tmp_path / "other"), runner)
