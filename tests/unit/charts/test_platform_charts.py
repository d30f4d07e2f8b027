"""The charts of the platform, as far as they can be judged without Helm: values, definitions, versions."""

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from kilter.api import kilterapp
from kilter.api.crd import crd_yaml
from kilter.operator.settings import Settings as OperatorSettings
from kilter.server import settings
from kilter.words import duration

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the definitions are half a megabyte
ROOT = Path(__file__).resolve().parents[3]
PLATFORM = ROOT / "src/kilter/charts/kilter-platform"
CRDS = ROOT / "src/kilter/charts/kilter-platform-crds"
FILES = sorted((CRDS / "files").rglob("*.yaml"))
TEMPLATES = sorted(path for path in (PLATFORM / "templates").rglob("*") if path.suffix in {".yaml", ".tpl"})


def values(chart: Path = PLATFORM) -> dict[str, Any]:
    """The defaults of a chart, with the one value that has none."""
    found: dict[str, Any] = yaml.load((chart / "values.yaml").read_text(), FAST)  # noqa: S506 - the safe one in C
    if chart == PLATFORM:
        found["images"]["kilter"] = "example.com/kilter:1"
        found["clusterDomain"] = "apps.example.com"
    return found


def faults(given: dict[str, Any], chart: Path = PLATFORM) -> list[str]:
    schema = json.loads((chart / "values.schema.json").read_text())
    found = jsonschema_rs.validator_for(schema).iter_errors(given)
    return ["/".join(map(str, fault.instance_path)) for fault in found]


def changed(path: str, value: object) -> dict[str, Any]:
    """The defaults with one value set."""
    given = values()
    *above, last = path.split(".")
    inner = given
    for name in above:
        inner = inner[name]
    inner[last] = value
    return given


@pytest.mark.parametrize("chart", [PLATFORM, CRDS], ids=lambda chart: chart.name)
def test_the_defaults_fit_the_schema(chart: Path) -> None:
    assert faults(values(chart), chart) == []


def test_the_cluster_domain_and_kilters_own_image_have_no_default() -> None:
    found = faults(yaml.safe_load((PLATFORM / "values.yaml").read_text()))
    assert set(found) == {"clusterDomain", "images/kilter"}


def test_the_definition_of_kilterapp_is_that_of_the_types() -> None:
    assert (CRDS / "files/kilter/kilter.dev_kilterapps.yaml").read_text() == crd_yaml(), "run `make docs`"


@pytest.mark.parametrize(
    "path",
    ["unknown", "images.unknown", "flux.unknown", "gateway.unknown", "gateway.service.unknown",
     "gateway.existing.unknown",
     "registry.token.unknown", "registry.upkeep.unknown",
     "postgres.resources.unknown", "registry.storage.unknown", "metricsServer.unknown"],
)  # fmt: skip
def test_a_value_that_the_chart_does_not_know_is_refused(path: str) -> None:
    assert faults(changed(path, "x")) == ["/".join(path.split(".")[:-1])]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("clusterDomain", "*.example.com"),
        ("clusterDomain", "Example.com"),
        ("appsNamespace", "my-apps"),
        ("images.traefik", "traefik:v3.6.12"),
        ("images.traefik", "docker.io/library/traefik"),
        ("images.traefik", "docker.io/library/traefik:latest"),
        ("images.traefik", "registry.example:5000/traefik"),
        ("gateway.service.type", "Cluster"),
        ("gateway.existing.url", "edge.gateways.svc"),
        ("gateway.existing.url", "https://edge.gateways.svc/path"),
        ("gateway.existing.name", ""),
        ("gateway.service.nodePorts.http", 80),
        ("registry.token.realm", "kilter.example.com/token"),
        ("registry.upkeep.schedule", "nightly"),
        ("registry.upkeep.schedule", "17 3 * *"),
        ("registry.upkeep.schedule", "TZ=Europe/Rome 17 3 * * *"),
        ("postgres.sharedBuffers", "128"),
        ("postgres.storage.size", "20 GB"),
        ("postgres.externalSecret", "Not_A_Name"),
        ("postgres.sslMode", "prefer"),
        ("server.readyTimeoutMax", "1 hour"),
        ("server.readyTimeoutMax", "0m"),
        ("operator.readinessTimeout", ""),
        ("operator.dnsNamespace", ""),
        ("operator.metricsFrom", "monitoring"),
        ("server.protectedEnvs", []),
        ("server.ephemeralEnvs", []),
        ("server.minCli", "v1"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_at_once(path: str, value: object) -> None:
    assert faults(changed(path, value)) == [path.replace(".", "/")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("images.traefik", "registry.example:5000/mirror/traefik:v3.6.12"),
        ("images.traefik", f"docker.io/library/traefik@sha256:{'0' * 64}"),
        ("images.traefik", f"docker.io/library/traefik:v3@sha256:{'0' * 64}"),
        ("gateway.service.nodePorts.http", 30080),
        ("gateway.existing.url", "https://edge.gateways.svc:8443"),
        ("registry.host", "images.example.com"),
        ("registry.upkeep.schedule", ""),
        ("registry.upkeep.schedule", "*/30 0-6 1,15 jan-jun MON-FRI"),
        ("registry.upkeep.schedule", "@weekly"),
        ("postgres.caSecret", "database-ca"),
        ("postgres.sslMode", "require"),
        ("server.readyTimeoutMax", "1h30m"),
        ("operator.readinessTimeout", "90s"),
        ("appsNamespace", "kilter-apps"),  # the default of an earlier chart
        ("operator.dnsNamespace", "openshift-dns"),
        ("operator.metricsFrom", {"kubernetes.io/metadata.name": "monitoring"}),
        ("server.protectedEnvs", ["prod", "live-*", "*"]),
        ("server.replaceWaitingEnvs", ["pr-*"]),
        ("server.minCli", "0.2.0"),
    ],
)
def test_a_value_that_works_is_accepted(path: str, value: object) -> None:
    assert faults(changed(path, value)) == []


def test_a_certificate_is_checked_against_an_authority_that_is_named() -> None:
    assert faults(changed("postgres.sslMode", "verify-full")) == ["postgres/caSecret"]


@pytest.mark.parametrize("path", ["server.protectedEnvs", "server.replaceWaitingEnvs"])
def test_a_pattern_that_no_environment_can_have_is_refused(path: str) -> None:
    assert faults(changed(path, ["Prod, dev"])) == [f"{path.replace('.', '/')}/0"]


@pytest.mark.requirement("DP-39", "DP-Q39")
def test_the_rules_of_environments_and_the_limits_are_by_default_those_of_the_programs() -> None:
    server, operator = values()["server"], values()["operator"]
    asked = {
        "CLUSTER_DOMAIN": "apps.example.com",
        "PROTECTED_ENVS": ",".join(server["protectedEnvs"]),
        "EPHEMERAL_ENVS": ",".join(server["ephemeralEnvs"]),
        "REPLACE_WAITING_ENVS": ",".join(server["replaceWaitingEnvs"]),
        "READY_TIMEOUT_MAX": server["readyTimeoutMax"],
        "MIN_CLI": server["minCli"],
    }
    given = {f"KILTER_SERVER_{name}": text for name, text in asked.items()}
    assert settings.read(given) == settings.Settings(cluster_domain="apps.example.com")
    assert duration(operator["readinessTimeout"]) == OperatorSettings.readiness_timeout
    assert operator["dnsNamespace"] == OperatorSettings.dns_namespace


def test_the_rights_on_kilterapps_are_given_where_the_programs_look_for_them() -> None:
    text = "".join(path.read_text() for path in TEMPLATES)
    assert f'{{{{- define "apps-namespace" -}}}}\n{kilterapp.NAMESPACE}\n' in text
    assert text.count('{{ include "apps-namespace" . }}') == 5


def test_metrics_are_read_by_nobody_but_whom_a_value_names_and_at_the_one_port() -> None:
    """The second port must stay shut for all: that it is tells whether policies are enforced."""
    text = (PLATFORM / "templates/operator/operator.yaml").read_text()
    policy = text.partition("kind: NetworkPolicy\n")[2]
    before, opened, after = policy.partition("        {{- with .Values.operator.metricsFrom }}\n")
    assert opened
    assert values()["operator"]["metricsFrom"] == {}
    assert "namespaceSelector" not in before
    assert after.partition("{{- end }}\n")[2] == "      ports:\n        - port: http\n          protocol: TCP\n"


def test_a_server_whose_store_is_away_goes_on_letting_nodes_pull_and_is_not_restarted() -> None:
    text = (PLATFORM / "templates/server/server.yaml").read_text()
    probes = dict(re.findall(r"^ +(\w+)Probe:\n +httpGet:\n +path: (\S+)$", text, re.MULTILINE))
    assert probes == dict.fromkeys(("startup", "readiness", "liveness"), "/healthz")


def test_the_gateway_asks_no_app_on_a_connection_that_the_app_may_just_be_closing() -> None:
    """A POST that meets the end of an idle connection cannot be sent again, and its sender would see 502."""
    text = (PLATFORM / "templates/gateway/traefik.yaml").read_text()
    (idle,) = re.findall(r"--serverstransport\.forwardingtimeouts\.idleconntimeout=(\w+)", text)
    assert duration(idle) < 2.0  # gunicorn keeps its connections so long, uvicorn and Node 5 seconds


@pytest.mark.requirement("DP-Q51")
def test_a_gateway_that_is_replaced_takes_requests_until_nodes_under_load_look_elsewhere() -> None:
    text = (PLATFORM / "templates/gateway/traefik.yaml").read_text()
    graces = [duration(each) for each in re.findall(r"requestacceptgracetimeout=(\w+)", text)]
    (limit,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", text)
    drain = 10.0  # seconds that Traefik gives to what it has begun
    assert len(graces) == 2
    assert all(15.0 <= each <= float(limit) - drain for each in graces)


def test_apps_are_scaled_also_by_a_metrics_server_of_the_clusters_own() -> None:
    text = (PLATFORM / "templates/operator/operator.yaml").read_text()
    asked = "{{ or .Values.metricsServer.enabled .Values.metricsServer.existing | default false | quote }}"
    assert f"            - name: KILTER_METRICS_SERVER\n              value: {asked}\n" in text


def test_every_value_is_used_by_a_template() -> None:
    text = "".join(path.read_text() for path in TEMPLATES)
    leaves = [f"{top}.{name}" for top, inner in values().items() if isinstance(inner, dict) for name in inner]
    assert [name for name in leaves if f".Values.{name}" not in text] == []


def test_the_testbed_has_every_image_that_the_platform_runs() -> None:
    sys.path.insert(0, str(ROOT))
    try:
        from testbed import pins
        from testbed.stages import STAGES
    finally:
        sys.path.remove(str(ROOT))
    made = {*pins.FLUX_IMAGES.values(), pins.TRAEFIK_IMAGE, pins.METRICS_SERVER_IMAGE}
    made |= {f"docker.io/library/{pin}" for stage in STAGES if stage.name.startswith("image-") for pin in stage.pins}
    assert {image for name, image in values()["images"].items() if name != "kilter"} <= made


@cache
def definitions() -> dict[Path, dict[str, Any]]:
    return {path: yaml.load(path.read_text(), FAST) for path in FILES}  # noqa: S506 - the safe one in C


def test_the_definitions_are_those_that_the_controllers_need() -> None:
    names = {found["metadata"]["name"] for found in definitions().values()}
    assert {f"{plural}.source.toolkit.fluxcd.io" for plural in ("gitrepositories", "buckets", "helmcharts")} <= names
    assert {f"{plural}.gateway.networking.k8s.io" for plural in ("gatewayclasses", "gateways", "httproutes")} <= names
    assert {"kustomizations.kustomize.toolkit.fluxcd.io", "alerts.notification.toolkit.fluxcd.io"} <= names
    assert {found["kind"] for found in definitions().values()} == {"CustomResourceDefinition"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_note_that_keeps_a_definition_finds_its_place_once(path: Path) -> None:
    """The template adds it by replacing these words; a file without them would lose its objects with the release."""
    template = (CRDS / "templates/definitions.yaml").read_text()
    assert '$metadata := "\\nmetadata:\\n  annotations:\\n"' in template
    assert '$bare := "\\nmetadata:\\n  name:"' in template
    text = path.read_text()
    assert text.count("\nmetadata:\n  annotations:\n") + text.count("\nmetadata:\n  name:") == 1


def test_the_notice_names_the_versions_that_the_images_have() -> None:
    notice = (CRDS / "NOTICE").read_text()
    flux = [value for value in values()["images"].values() if "fluxcd" in value]
    assert len(flux) == 3
    for image in flux:
        name, version = image.removeprefix("ghcr.io/").split(":")
        assert f"github.com/{name}@{version}," in notice
    (gateway,) = re.findall(r"sigs\.k8s\.io/gateway-api@(v\S+),", notice)
    bundles = {
        found["metadata"]["annotations"]["gateway.networking.k8s.io/bundle-version"]
        for path, found in definitions().items()
        if path.parent.name == "gateway-api"
    }
    assert bundles == {gateway}


def test_the_operator_is_tested_with_the_rights_that_the_chart_gives_it() -> None:
    """Its program runs with a list of rights where there is no cluster; an older one would hide what it lacks."""
    chart = (PLATFORM / "templates/operator/rbac.yaml").read_text()
    given = yaml.safe_load(chart.partition("\nrules:\n")[2].partition("\n---\n")[0])
    tested = next(yaml.safe_load_all((ROOT / "tests/conformance/platform/operator-rights.yaml").read_text()))
    assert len(given) > 10
    assert sorted(given, key=str) == sorted(tested["rules"], key=str)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_variable_of_a_program_is_a_text_whatever_its_value(template: Path) -> None:
    """A branch `1.0` or a cluster `on` is a number or a truth to YAML, and the API server takes neither."""
    written = re.findall(r"^ *(?:- )?(?:value|branch): \{\{.*\}\}$", template.read_text(), re.MULTILINE)
    assert [line for line in written if "quote" not in line] == []
