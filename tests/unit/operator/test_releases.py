"""A KilterApp's spec as a release: nothing that it asks for is lost, and no value of a Secret gets into a file."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from fakes import FakeRunner

from kilter.api.kilterapp import KilterApp, Metadata, Spec
from kilter.errors import BadInput, Failed, KilterError
from kilter.operator.releases import Helm, Renderer, platform_of
from kilter.operator.settings import Database, Gateway, Settings
from kilter.operator.steps.base import Target
from kilter.operator.steps.database import declared, wanted_secret
from kilter.operator.steps.publish import Rendered
from kilter.operator.world import Observed
from kilter.proc import Outcome
from kilter.project.model import Probe, Probes, Process, Resources, Service
from kilter.project.model_profile import Overlay
from kilter.render.production.spec import release_of
from kilter.render.tree import ChartJob
from kilter.tools import helm

IMAGE = "registry.example.com/acme/shop@sha256:" + "1" * 64
SPACE = "acme-shop-prod"
CANARY = "canary-password"
SETTINGS = Settings(
    domain="apps.example.com",
    public_port=8443,
    gateway=Gateway(name="edge", namespace="edge-system", section="https", proxies="traefik"),
    database=Database(url="postgresql://unused", host="db.kilter-system.svc", port=5433, namespace="kilter-system"),
)


def spec(**changes: Any) -> Spec:
    """A spec as kilter-server writes it."""
    given = {
        "org": "acme",
        "app": "shop",
        "env": "prod",
        "class": "protected",
        "deployId": "dep-1",
        "sequence": 7,
        "actor": "mia",
        "image": IMAGE,
        "port": 8080,
    }
    return msgspec.convert(given | changes, Spec)


def played(job: ChartJob) -> str:
    """What a chart gives, as far as it matters here: its values, and a Secret where it has credentials."""
    values = yaml.safe_load(job.values_text)
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": job.service}, "data": {}})
    if "credentials" in values:
        metadata = {"name": f"{job.service}-credentials", "labels": {"a": "b"}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values["credentials"]}
        text += "---\n" + yaml.safe_dump(secret)
    return text


def rendered(given: Spec, settings: Settings = SETTINGS, **passwords: str) -> Rendered:
    return Renderer(played)(given, Observed(SPACE, settings, passwords))


@pytest.mark.requirement("DP-58", "DP-59", "DP-60", "DP-Q60")
def test_everything_that_a_spec_says_of_the_app_is_in_the_release() -> None:
    probes = {"liveness": {"path": "/up", "interval": "5s"}}
    found = release_of(
        spec(
            command=["serve"],
            platform="linux/arm64",
            resources={"memory": "1Gi"},
            public=False,
            vars={"A": "1"},
            withheld=["DATABASE_URL"],
            profile={"envs": {"prod": {"replicas": 2}}},
            processes={
                "worker": {
                    "command": ["work"],
                    "port": 9000,
                    "replicas": 2,
                    "resources": {"cpu": "250m"},
                    "public": True,
                    "vars": {"B": "2"},
                    "withheld": ["A"],
                    "probes": probes,
                }
            },
        ),
        SPACE,
    )
    assert (found.namespace, found.release, found.number, found.env_class) == (SPACE, "dep-1", 7, "protected")
    assert found.platform == "linux/arm64"
    assert (found.command, found.public) == (("serve",), False)
    assert found.vars == {"A": "1", "DATABASE_URL": None}
    assert found.resources == Resources(memory="1Gi")
    assert found.profile.envs == {"prod": Overlay(replicas=2)}
    assert found.processes == {
        "worker": Process(
            command=("work",),
            port=9000,
            env={"A": None, "B": "2"},
            replicas=2,
            resources=Resources(cpu="250m"),
            public=True,
            probes=Probes(liveness=Probe(path="/up", interval="5s")),
        )
    }


@pytest.mark.requirement("DP-Q20")
def test_settings_of_a_service_come_through_and_an_external_one_brings_its_secret() -> None:
    redis = {
        "name": "cache",
        "kind": "redis",
        "version": "7",
        "port": 6380,
        "vars": {"C": "3"},
        "resources": {"memory": "512Mi"},
        "storage": "3Gi",
        "values": {"maxMemoryMiB": 100},
    }
    search = {"name": "search", "kind": "elastic", "mode": "external", "secretName": "search-login"}
    found = release_of(spec(services=[redis, search]), SPACE)
    assert found.services[0].settings == Service(
        type="redis",
        version="7",
        port=6380,
        env={"C": "3"},
        resources=Resources(memory="512Mi"),
        storage="3Gi",
        values={"maxMemoryMiB": 100},
    )
    assert [(each.name, each.mode) for each in found.services] == [("cache", "scoped"), ("search", "external")]
    assert found.app_secrets == ("search-login",)


@pytest.mark.requirement("DP-16", "DP-Q18")
def test_the_same_arguments_give_the_same_bytes_one_file_for_each_object() -> None:
    given = spec(services=[{"name": "redis", "kind": "redis"}])
    first = rendered(given, redis=CANARY)
    assert first == rendered(given, redis=CANARY)
    assert list(first.files) == ["configmap-redis.yaml", "configmap-shop.yaml"]
    assert all(text.startswith("# Written by kilter.") for text in first.files.values())
    assert all(text.count("#") == 1 for text in first.files.values())


@pytest.mark.requirement("DP-Q18", "SC-8", "G5")
def test_a_secret_is_the_operators_own_and_in_no_file() -> None:
    found = rendered(spec(services=[{"name": "redis", "kind": "redis"}]), redis=CANARY)
    assert [each["metadata"]["name"] for each in found.secrets] == ["redis-variables", "redis-credentials"]
    for secret in found.secrets:
        assert secret["metadata"]["namespace"] == SPACE
        assert secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kilter-operator"
        assert secret["metadata"]["labels"]["kilter.dev/app"] == "shop"
        assert "stringData" not in secret
    url = base64.b64decode(found.secrets[0]["data"]["REDIS_URL"]).decode()
    assert url == f"redis://:{CANARY}@redis.{SPACE}.svc:6379/0"
    assert base64.b64decode(found.secrets[1]["data"]["password"]).decode() == CANARY
    assert CANARY not in "".join(found.files.values())
    assert CANARY not in repr(found)


@pytest.mark.requirement("DP-25", "DP-Q18")
@pytest.mark.parametrize("name", ["postgres", "orders"])
def test_the_databases_secret_is_left_to_the_step_that_makes_it_and_has_what_the_pods_name(name: str) -> None:
    given = spec(services=[{"name": name, "kind": "postgres"}])
    asked: list[ChartJob] = []

    def ask(job: ChartJob) -> str:
        asked.append(job)
        return played(job)

    renderer = Renderer(ask)
    assert renderer(given, Observed(SPACE, SETTINGS, {name: CANARY})).secrets == ()
    variables = yaml.safe_load(asked[0].values_text)["workloads"][0]["secretVariables"]
    target = Target(KilterApp(metadata=Metadata(name=SPACE), spec=given), SETTINGS, datetime.now(UTC))
    service = declared(target)
    assert service is not None
    made = wanted_secret(target, service, CANARY)
    assert variables == dict.fromkeys(variables, made["metadata"]["name"])
    assert set(variables) <= set(made["data"])
    assert variables


@pytest.mark.requirement("DP-26", "DP-Q10")
def test_the_settings_are_the_platform_that_releases_are_rendered_for() -> None:
    found = platform_of(replace(SETTINGS, pull_config='{"auths": {}}', metrics_server=False, dns_namespace="dns"))
    assert (found.domain, found.tls, found.port, found.metrics) == ("apps.example.com", True, 8443, False)
    assert (found.gateway.name, found.gateway.namespace) == ("edge", "edge-system")
    assert (found.gateway.section, found.gateway.proxies) == ("https", "traefik")
    assert found.database is not None
    assert (found.database.host, found.database.port, found.database.namespace) == (
        "db.kilter-system.svc",
        5433,
        "kilter-system",
    )
    assert (found.image_pull_secrets, found.dns_namespace) == (("images.kilter.dev",), "dns")
    bare = platform_of(Settings())
    assert (bare.database, bare.image_pull_secrets) == (None, ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"profile": {"bse": "none"}}, "profile is not as"),
        ({"processes": {"worker": {"command": ["x"], "probes": {"live": {}}}}}, r"processes\.worker\.probes is not as"),
        ({"services": [{"name": "redis", "kind": "redis", "version": "1"}]}, "catalog has no Redis 1"),
        ({"appSecrets": ["images.kilter.dev"]}, "cannot be rendered"),
    ],
)
def test_what_cannot_be_rendered_is_said_and_not_tried_again(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        rendered(spec(**changes), redis=CANARY)


def test_an_object_that_no_release_may_have_is_the_specs_fault() -> None:
    role = yaml.safe_dump({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}})
    with pytest.raises(BadInput, match="Node mine, which is not allowed"):
        Renderer(lambda _: role)(spec(), Observed(SPACE, SETTINGS, {}))


@pytest.mark.parametrize(("code", "error"), [(1, BadInput), (-9, Failed)])
def test_a_helm_that_was_killed_is_no_fault_of_the_release(tmp_path: Path, code: int, error: type[KilterError]) -> None:
    """The kernel ends it where memory is short; the deploy would fail for good, and not be tried again."""
    job = ChartJob("shop", tmp_path, "shop", SPACE, "{}")
    command = helm.template("helm", "shop", tmp_path, namespace=SPACE, values="{}", scratch=tmp_path)
    render = Helm(FakeRunner({command.argv: Outcome(code, "", "no")}), Path("helm"), tmp_path)
    with pytest.raises(error):
        render(job)
