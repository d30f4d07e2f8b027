import re
from pathlib import Path

import pytest
from unit.render.support import BASE, planned, project

from kilter.catalog import load
from kilter.catalog.load import entries
from kilter.errors import BadInput
from kilter.project.load import InvalidProject
from kilter.render.plan import needed_credentials, needed_ports, pinned_ports, workloads

BOTH = "name: shop\nservices: [postgres, redis]\nprocesses:\n  worker: {command: [work]}\n"


@pytest.mark.requirement("NS-2", "NS-6", "NS-Q8", "NS-19", "LC-3")
def test_all_names_follow_from_the_projects_name(tmp_path: Path) -> None:
    plan = planned(tmp_path, BOTH)
    assert (plan.cluster, plan.namespace, plan.context) == ("kilter-shop", "shop-dev", "kind-kilter-shop")


@pytest.mark.requirement("NS-Q12", "NS-Q19")
def test_ports_are_needed_by_services_then_apps_then_tilt(tmp_path: Path) -> None:
    assert needed_ports(project(tmp_path, BOTH), entries()) == ["postgres/postgres", "redis/redis", "shop/http", "tilt"]


@pytest.mark.requirement("NS-Q18")
def test_a_pinned_port_is_that_of_the_primary_port(tmp_path: Path) -> None:
    text = "name: shop\nservices: {postgres: {hostPort: 31000}}\n"
    assert pinned_ports(project(tmp_path, text), entries()) == {"postgres/postgres": 31000}


def test_services_come_before_the_apps_that_need_them(tmp_path: Path) -> None:
    loaded = project(tmp_path, BOTH)
    assert workloads(loaded) == ["postgres", "redis", "shop", "worker"]
    assert needed_credentials(loaded, entries()) == ["postgres", "redis"]


def test_every_unknown_version_is_refused_at_its_place_unless_an_image_is_given(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject) as caught:
        planned(tmp_path, "name: shop\nservices:\n  postgres: '9'\n  cache: {type: redis, version: '1'}\n")
    has = "it has {}, and `image:` takes one of your own"
    assert [str(fault) for fault in caught.value.faults] == [
        "kilter.yaml:3:3 services.postgres.version: this kilter's catalog has no PostgreSQL 9; " + has.format("16, 17"),
        "kilter.yaml:4:24 services.cache.version: this kilter's catalog has no Redis 1; " + has.format("7, 8"),
    ]
    plan = planned(tmp_path, "name: shop\nservices: {postgres: {version: '9', image: 'mine:9'}}\n")
    assert plan.services[0].image == "mine:9"


@pytest.mark.requirement("NS-7", "NS-9", "NS-26", "NS-8")
def test_an_app_gets_the_variables_of_declared_services_only(tmp_path: Path) -> None:
    app = planned(tmp_path, "name: shop\nservices: [postgres]\n").apps[0]
    assert app.injected == {"DATABASE_URL": "postgresql://ada:s3cret@postgres.shop-dev.svc:5432/ada"}
    assert app.env == {"PORT": "8000"}


@pytest.mark.requirement("NS-Q7", "NS-Q23")
def test_a_further_instance_has_its_name_before_its_variables(tmp_path: Path) -> None:
    plan = planned(tmp_path, "name: shop\nservices: {postgres: , orders-db: {type: postgres}}\n")
    assert set(plan.apps[0].injected) == {"DATABASE_URL", "ORDERS_DB_DATABASE_URL"}


@pytest.mark.requirement("CT-Q37")
def test_the_users_env_wins_over_an_injected_variable_with_a_notice(tmp_path: Path) -> None:
    plan = planned(tmp_path, "name: shop\nservices: [postgres]\nenv: {DATABASE_URL: mine, PORT: '1'}\n")
    assert plan.apps[0].injected == {}
    assert plan.apps[0].env == {"DATABASE_URL": "mine", "PORT": "1"}
    assert plan.notices == ("shop: `env` in kilter.yaml replaces the DATABASE_URL that kilter would give",)


def test_null_withholds_a_variable(tmp_path: Path) -> None:
    plan = planned(tmp_path, "name: shop\nservices: [postgres]\nenv: {DATABASE_URL: null}\n")
    assert (plan.apps[0].injected, plan.apps[0].env) == ({}, {"PORT": "8000"})
    assert "withholds" in plan.notices[0]


@pytest.mark.requirement("DP-Q63")
def test_a_process_has_the_image_and_environment_of_the_app_but_not_its_port(tmp_path: Path) -> None:
    text = "name: shop\nservices: [redis]\nenv: {A: a, B: b}\nprocesses: {worker: {command: [work], env: {B: null}}}\n"
    app, worker = planned(tmp_path, text).apps
    assert (worker.image, worker.injected, worker.command) == (app.image, app.injected, ("work",))
    assert (worker.env, worker.port, worker.node_port) == ({"A": "a"}, 0, None)


DEV = "FROM python:3.13-slim AS dev\nWORKDIR /app\nCOPY app app\nEXPOSE 8000\nCMD serve\nFROM dev AS release\n"


def test_a_stage_named_dev_is_built_and_updated_live(tmp_path: Path) -> None:
    build = planned(tmp_path, "name: shop\n", DEV).apps[0].build
    assert build is not None
    assert (build.target, build.live, build.sync) == ("dev", True, (("app", "/app/app"),))


def test_without_a_program_that_reloads_every_change_builds_the_image(tmp_path: Path) -> None:
    build = planned(tmp_path, "name: shop\n").apps[0].build
    assert build is not None
    assert not build.live


def test_a_process_that_does_not_reload_is_built_even_if_its_app_is_updated_live(tmp_path: Path) -> None:
    text = "name: shop\nprocesses: {worker: {command: [work]}, watcher: {command: [watchfiles, work]}}\n"
    app, worker, watcher = planned(tmp_path, text, DEV).apps
    assert (worker.image, watcher.image) == ("shop/shop.rebuilt", app.image)
    assert worker.build is not None
    assert not worker.build.live


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: shop\nservices: {namespace: {type: redis}}\n", "2:12 services.namespace"),
        ("name: shop\nport: 80\nprocesses: {namespace: {command: [work]}}\n", "3:13 processes.namespace"),
        ("name: namespace\nport: 80\n", "1:1 name"),
    ],
)
def test_nothing_is_named_like_the_manifest_of_the_namespace(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(InvalidProject) as caught:
        planned(tmp_path, text)
    (fault,) = caught.value.faults
    assert str(fault) == f"kilter.yaml:{place}: `namespace` is kilter's own; choose another name"


def test_no_two_things_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject):
        planned(tmp_path, "name: shop\nport: 80\nservices: {redis: }\nprocesses: {redis: {command: [work]}}\n")


@pytest.mark.requirement("CT-Q15", "CT-Q34")
def test_the_users_values_lie_over_kilters(tmp_path: Path) -> None:
    text = "name: shop\nservices: {postgres: {values: {maxConnections: 5, resources: {limits: {cpu: '1'}}}}}\n"
    values = planned(tmp_path, text).services[0].values
    assert values["maxConnections"] == 5
    assert values["resources"] == {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        "limits": {"memory": "256Mi", "cpu": "1"},
    }


@pytest.mark.requirement("CT-Q36")
def test_inline_overrides_reach_the_chart(tmp_path: Path) -> None:
    text = (
        "name: shop\nservices: {redis: {port: 7000, env: {A: b}, storage: 2Gi, resources: {memory: 1Gi, cpu: 20m}}}\n"
    )
    service = planned(tmp_path, text).services[0]
    assert service.values["ports"] == {"redis": {"container": 7000, "nodePort": BASE}}
    assert (service.values["env"], service.values["storage"]) == ({"A": "b"}, "2Gi")
    assert service.values["maxMemoryMiB"] == 512
    assert service.values["resources"] == {
        "requests": {"cpu": "20m", "memory": "512Mi"},
        "limits": {"memory": "1Gi", "cpu": "20m"},
    }


@pytest.mark.parametrize("key", ["name", "ports", "credentials"])
def test_values_on_which_addresses_depend_cannot_be_set(tmp_path: Path, key: str) -> None:
    with pytest.raises(BadInput, match=rf"services\.redis\.values\.{key} cannot be set"):
        planned(tmp_path, f"name: shop\nservices: {{redis: {{values: {{{key}: x}}}}}}\n")


@pytest.mark.parametrize("place", ["env", "values.env"])
@pytest.mark.parametrize(
    ("service", "key"), [("postgres", "PGDATA"), ("postgres", "POSTGRES_USER"), ("redis", "REDISCLI_AUTH")]
)
def test_variables_that_hold_a_login_or_the_place_of_data_cannot_be_set(
    tmp_path: Path, service: str, key: str, place: str
) -> None:
    """Of two variables of one name the last one counts: data outside its volume would be gone with the pod."""
    settings = f"env: {{{key}: x}}"
    text = f"values: {{{settings}}}" if "values" in place else settings
    with pytest.raises(BadInput, match=rf"services\.{service}\.{place}\.{key} cannot be set"):
        planned(tmp_path, f"name: shop\nservices: {{{service}: {{{text}}}}}\n")


def test_every_variable_that_a_chart_sets_itself_is_its_own() -> None:
    for name, entry in entries().items():
        template = (load.chart(name) / "templates" / "statefulset.yaml").read_text()
        env = template.partition(" env:\n")[2].partition(" ports:\n")[0]
        assert set(re.findall(r"- name: ([A-Z_]+)$", env, re.MULTILINE)) == set(entry.own_env)


def test_passwords_do_not_appear_when_a_plan_is_printed(tmp_path: Path) -> None:
    assert "s3cret" not in repr(planned(tmp_path, BOTH))
