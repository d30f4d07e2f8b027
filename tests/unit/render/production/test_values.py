from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from unit.render.production.support import IMAGE, PLATFORM, POSTGRES, REDIS, release, valued, workload

from kilter.errors import BadInput
from kilter.project.model import Process, Profile, Resources, Service
from kilter.project.model_profile import Overlay
from kilter.render.production.release import DatabaseServer, ServiceRelease


def faults(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        valued(release(**changes))
    return caught.value.details


@pytest.mark.requirement("DP-50", "DP-55", "DP-56")
def test_public_or_not_changes_the_route_and_the_gateways_access_and_nothing_else() -> None:
    public, internal = valued(release()), valued(release(public=False))
    web = public["workloads"][0]
    assert web.pop("host") == "shop.example.com"
    assert web.pop("from") == ["kilter-gateway"]
    assert public == internal


@pytest.mark.requirement("DP-Q5")
@pytest.mark.parametrize(
    ("platform", "architecture"), [("linux/arm64", "arm64"), ("linux/arm/v7", "arm"), ("linux/amd64/v2", "amd64")]
)
def test_pods_run_where_their_image_can(platform: str, architecture: str) -> None:
    assert valued(release(platform=platform))["architecture"] == architecture
    assert "architecture" not in valued(release())


TRUSTED = msgspec.structs.replace(
    PLATFORM, database=DatabaseServer(host="db.internal", cidr="10.0.0.7/32", sslmode="verify-full", ca=True)
)


@pytest.mark.requirement("DP-25", "CT-Q37")
@pytest.mark.parametrize("changes", [{}, {"services": (POSTGRES,), "vars": {"DATABASE_URL": "mine"}},
                                     {"services": (POSTGRES,), "vars": {"DATABASE_URL": None}}])  # fmt: skip
def test_an_app_that_does_not_use_the_platforms_database_is_not_told_how_to_trust_it(changes: dict[str, Any]) -> None:
    found = valued(release(**changes), TRUSTED)
    assert "databaseCa" not in found
    assert "PGSSLMODE" not in found["workloads"][0]["variables"]


@pytest.mark.requirement("DP-25")
def test_without_an_authority_an_app_is_told_the_mode_alone() -> None:
    server = DatabaseServer(host="db.internal", cidr="10.0.0.7/32", sslmode="require")
    found = valued(release(services=(POSTGRES,)), msgspec.structs.replace(PLATFORM, database=server))
    assert "databaseCa" not in found
    assert found["workloads"][0]["variables"] == {"PGSSLMODE": "require", "PORT": "8080"}
    assert workload(release(services=(POSTGRES,)))["variables"] == {"PORT": "8080"}


@pytest.mark.requirement("DP-60", "DP-Q58")
def test_service_variables_come_from_secrets_in_every_workload() -> None:
    given = release(services=(POSTGRES, REDIS), processes={"worker": Process(command=("work",))})
    expected = {"DATABASE_URL": "shop-database", "REDIS_URL": "redis-variables"}
    assert workload(given)["secretVariables"] == expected
    assert workload(given, 1)["secretVariables"] == expected


def test_a_further_instance_has_its_name_before_its_variables() -> None:
    given = release(services=(ServiceRelease(name="job-cache", kind="redis"),))
    assert workload(given)["secretVariables"] == {"JOB_CACHE_REDIS_URL": "job-cache-variables"}


@pytest.mark.requirement("CT-Q37")
def test_the_users_variables_replace_or_withhold_what_kilter_would_give() -> None:
    given = release(services=(POSTGRES, REDIS), vars={"DATABASE_URL": "mine", "REDIS_URL": None, "PORT": "1"})
    web = workload(given)
    assert web["variables"] == {"DATABASE_URL": "mine", "PORT": "1"}
    assert "secretVariables" not in web


def test_a_process_changes_its_own_variables_alone_and_never_has_the_apps_port() -> None:
    process = Process(command=("work",), env={"A": None, "REDIS_URL": "mine"}, port=9000)
    given = release(services=(REDIS,), vars={"A": "a", "B": "b"}, processes={"worker": process})
    assert workload(given)["variables"] == {"A": "a", "B": "b", "PORT": "8080"}
    worker = workload(given, 1)
    assert worker["variables"] == {"B": "b", "PORT": "9000", "REDIS_URL": "mine"}
    assert "secretVariables" not in worker


def test_a_log_level_is_set_where_one_is_declared_and_only_there() -> None:
    """A program may refuse to start with a level that it does not know."""
    profile = Profile(envs={"prod": Overlay(log_level="warn")}, log_level_var="LEVEL")
    assert workload(release(profile=profile))["variables"]["LEVEL"] == "warn"
    assert workload(release())["variables"] == {"PORT": "8080"}


@pytest.mark.requirement("DP-Q59")
def test_a_process_has_a_route_only_when_it_is_public() -> None:
    quiet, public = Process(command=("x",), port=9000), Process(command=("x",), port=9001, public=True)
    given = release(processes={"quiet": quiet, "open": public})
    assert ("host" in workload(given, 1), workload(given, 2)["host"]) == (False, "shop--open.example.com")
    assert workload(given, 2)["from"] == ["kilter-gateway"]
    assert "from" not in workload(given, 1)


@pytest.mark.requirement("DP-Q60")
def test_a_process_has_one_replica_and_the_apps_resources_unless_it_says_otherwise() -> None:
    own = Process(command=("x",), replicas=3, resources=Resources(memory="1Gi"))
    given = release(resources=Resources(memory="2Gi"), processes={"plain": Process(command=("x",)), "own": own})
    assert workload(given, 1)["resources"] == workload(given)["resources"]
    assert (workload(given, 1)["replicas"], workload(given, 2)["replicas"]) == (1, 3)
    assert workload(given, 2)["resources"]["limits"]["memory"] == "1Gi"


@pytest.mark.requirement("DP-Q23", "Y10")
@pytest.mark.parametrize("image", ["acme/shop:latest", "acme/shop", "acme/shop@sha256:12", f"--x {IMAGE}", IMAGE + "0"])
def test_an_image_is_named_by_its_digest_or_refused(image: str) -> None:
    (fault,) = faults(image=image)
    assert "names no image by its digest" in fault
    (fault,) = faults(processes={"worker": Process(command=("x",), image=image)})
    assert fault.startswith("processes.worker.image")


def test_every_fault_is_told_at_once() -> None:
    told = faults(
        namespace="kube-system",
        release="no label!",
        app_secrets=("shop-database", "Bad_Name"),
        vars={"1A": "x", "OK": "\0"},
        processes={
            "open": Process(command=("x",), public=True),
            "at": Process(command=("x",), schedule="daily", port=1, replicas=2),
        },
        profile=Profile(routing="ingress"),
    )
    assert sorted(fault.partition(":")[0] for fault in told) == [
        "appSecrets",
        "appSecrets",
        "processes.at",
        "processes.at",
        "processes.at.schedule",
        "processes.open",
        "profile.routing",
        "the deploy id 'no label!' cannot be a label",
        "the namespace 'kube-system' is not one that acme/shop/prod may have",
        "vars.1A",
        "vars.OK",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"services": (ServiceRelease(name="shop", kind="redis"),)},
        {"services": (ServiceRelease(name="shop-a", kind="redis"),), "processes": {"a": Process(command=("x",))}},
    ],
)
def test_two_things_that_would_have_one_name_are_refused(changes: dict[str, Any]) -> None:
    (fault,) = faults(**changes)
    assert "would both be called shop" in fault


@pytest.mark.parametrize("name", ["redis-variables", "redis-credentials", "shop-database", "shop-database-job"])
def test_a_secret_of_kilters_own_cannot_be_listed_as_one_of_the_apps(name: str) -> None:
    assert faults(services=(REDIS,), app_secrets=(name,)) == (f"appSecrets: {name} is kilter's own",)


def test_names_outside_the_grammar_are_refused() -> None:
    with pytest.raises(BadInput, match="cannot name an app"):
        valued(release(app="Shop"))


@pytest.mark.requirement("PP-38")
def test_an_autoscaler_without_a_metrics_server_is_an_error_and_no_silent_nothing() -> None:
    platform = msgspec.structs.replace(PLATFORM, metrics=False)
    with pytest.raises(BadInput, match="no metrics-server"):
        valued(release(), platform)
    assert "autoscale" not in workload(release(profile=Profile(autoscale="off")), platform=platform)


def test_the_apps_command_replaces_the_images() -> None:
    assert workload(release(command=("serve", "$(HOME)")))["command"] == ["serve", "$$(HOME)"]
    assert "command" not in workload(release())


def test_a_secret_of_kilters_own_is_no_apps() -> None:
    said = faults(app_secrets=("images.kilter.dev", "shop-database", "mine"))
    assert said == ("appSecrets: images.kilter.dev is kilter's own", "appSecrets: shop-database is kilter's own")


@pytest.mark.parametrize("character", ["\x7f", "\x80", "\x85", "\x9f", "\ufffe", "\uffff"])
def test_a_text_that_kustomize_would_not_carry_is_refused_where_it_stands(character: str) -> None:
    """Flux would apply nothing of the release, or another text."""
    text = f"a{character}b"
    worker, redis = Process(command=("work", text), env={"B": text}), replace(REDIS, settings=Service(env={"C": text}))
    with pytest.raises(BadInput) as refused:
        valued(release(vars={"A": text}, processes={"worker": worker}, services=(redis,)))
    places = [line.partition(":")[0] for line in refused.value.details]
    assert places == ["vars.A", "processes.worker.command[1]", "processes.worker.env.B", "services[0].settings.env.C"]
    assert f"U+{ord(character):04X}" in refused.value.details[0]
    valued(release(vars={"A": "\t\n\r\x1b é\u00a0\u200b\u2028\ufeff\ufffd😀"}))
