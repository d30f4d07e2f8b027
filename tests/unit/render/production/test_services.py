import msgspec
import pytest
import yaml
from unit.render.production.support import PLATFORM, POSTGRES, REDIS, bound, release

from kilter.catalog.load import chart, entries
from kilter.errors import BadInput
from kilter.project.model import Resources, Service
from kilter.render.production.release import AppRelease, ServiceRelease
from kilter.render.production.services import PLATFORMS_OWN, bindings, secrets
from kilter.render.services import ALLOTTED
from kilter.values import Credentials


def refused(*services: ServiceRelease, app_secrets: tuple[str, ...] = ()) -> tuple[str, ...]:
    with pytest.raises(BadInput, match="does not provide") as caught:
        bound(release(services=services, app_secrets=app_secrets))
    return caught.value.details


@pytest.mark.requirement("DP-Q20", "CT-Q21")
def test_what_the_platform_does_not_provide_is_refused_with_the_whole_list() -> None:
    ory = ServiceRelease(name="login", kind="ory")
    mail = ServiceRelease(name="mail", kind="mailpit", mode="external")
    second = ServiceRelease(name="orders-db", kind="postgres")
    assert refused(POSTGRES, REDIS, ory, mail, second) == (
        "login: the platform's catalog has no ory",
        "mail: external, but no Secret under `appSecrets` gives its variables",
        "orders-db: an environment has one database of the platform, and postgres is it",
    )


@pytest.mark.requirement("DP-Q20")
def test_an_entry_without_a_deploy_mark_is_for_local_clusters_only() -> None:
    local = {"redis": msgspec.structs.replace(entries()["redis"], deploy=None)}
    with pytest.raises(BadInput) as caught:
        bindings(release(services=(REDIS,)), local)
    assert caught.value.details == ("redis: Redis is for local clusters only",)


@pytest.mark.requirement("DP-Q20")
@pytest.mark.parametrize("given", [{"app_secrets": ("temporal",)}, {"vars": {"REDIS_URL": "redis://elsewhere"}}])
def test_an_external_service_gets_its_variables_from_the_user_and_nothing_from_the_platform(
    given: dict[str, object],
) -> None:
    external = ServiceRelease(name="redis", kind="redis", mode="external")
    assert bound(release(services=(external,), **given)) == ()


@pytest.mark.requirement("DP-Q20")
def test_a_further_external_instance_is_bound_by_the_variables_of_its_own_name() -> None:
    external = ServiceRelease(name="orders-db", kind="postgres", mode="external")
    assert bound(release(services=(external,), vars={"ORDERS_DB_DATABASE_URL": "postgresql://elsewhere"})) == ()
    with pytest.raises(BadInput, match="does not provide"):
        bound(release(services=(external,), vars={"DATABASE_URL": "postgresql://elsewhere"}))


@pytest.mark.requirement("DP-Q20")
def test_a_service_of_the_catalog_has_the_platforms_sizes_unless_the_project_says_otherwise() -> None:
    own = Service(version="7", resources=Resources(cpu="1"), storage="9Gi", values={"maxMemoryPolicy": "allkeys-lru"})
    plain, changed = bound(release(services=(REDIS, ServiceRelease(name="cache", kind="redis", settings=own))))
    assert (plain.by, plain.plan.memory, plain.plan.values["storage"]) == ("chart", "256Mi", "1Gi")
    assert plain.plan.values["maxMemoryMiB"] == 128
    assert changed.plan.memory == "256Mi"
    assert changed.plan.image == "docker.io/library/redis:7"
    assert changed.plan.values["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "256Mi", "cpu": "1"},
    }
    assert (changed.plan.values["storage"], changed.plan.values["maxMemoryPolicy"]) == ("9Gi", "allkeys-lru")


@pytest.mark.parametrize(("key", "hint"), [("image", "leave it out"), ("resources", "services.redis.resources")])
def test_values_that_would_run_another_image_or_lift_the_limits_are_refused(key: str, hint: str) -> None:
    own = Service(values={"maxMemoryPolicy": "allkeys-lru", key: "docker.io/evil/miner:latest"})
    with pytest.raises(BadInput, match=rf"services\.redis\.values\.{key} cannot be set on a platform") as caught:
        bound(release(services=(ServiceRelease(name="redis", kind="redis", settings=own),)))
    assert hint in caught.value.hint


def test_no_chart_of_the_catalog_has_a_value_that_nobody_has_judged_for_platforms() -> None:
    """A new one that runs foreign code belongs to those that are refused."""
    judged = {"env", "storage", "runAsUser", "maxMemoryMiB", "maxMemoryPolicy"}
    for entry in entries().values():
        if entry.deploy and entry.deploy.by == "chart":
            text = (chart(entry.name) / "values.yaml").read_text()
            assert set(yaml.safe_load(text)) - ALLOTTED - PLATFORMS_OWN.keys() <= judged


@pytest.mark.requirement("Y11")
def test_a_service_on_the_platform_has_no_port_of_a_node() -> None:
    (redis,) = bound(release(services=(REDIS,)))
    assert redis.plan.values["ports"] == {"redis": {"container": 6379, "nodePort": 0}}


@pytest.mark.requirement("DP-Q18", "DP-Q21")
def test_secrets_hold_the_local_variables_with_values_of_the_cluster() -> None:
    given: AppRelease = release(services=(ServiceRelease(name="db", kind="postgres"), REDIS))
    login = Credentials("acme__shop__prod_app", "pw", "acme__shop__prod")
    found = secrets(given, PLATFORM, bindings(given, entries(), {"db": login, "redis": login}))
    assert {item["metadata"]["name"]: item["stringData"] for item in found} == {
        "shop-database": {
            "DB_DATABASE_URL": "postgresql://acme__shop__prod_app:pw@postgres.kilter-postgres.svc:5432/acme__shop__prod"
        },
        "redis-variables": {"REDIS_URL": "redis://:pw@redis.acme-shop-prod.svc:6379/0"},
    }
    assert {item["metadata"]["namespace"] for item in found} == {"acme-shop-prod"}
