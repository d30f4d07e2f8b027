"""What a deploy would change, and what it says of it before the build."""

from pathlib import Path
from typing import Any

import pytest
from integration.deploy.server import serving
from integration.deploy.test_attach import AT, ENVIRONMENT
from integration.deploy.test_deploy import IMAGE, INFO
from integration.deploy.test_target import CHANGED, COMMIT, ENVS, Platform

from kilter.deploy.client import Client
from kilter.deploy.deploy import Deployment, DeployOptions
from kilter.deploy.documents import DeployPlanDocument
from kilter.deploy.logins import Login
from kilter.deploy.names import ProjectName
from kilter.errors import BadInput

WRITTEN = """name: shop
services: {postgres: , orders-db: {type: redis}}
processes: {worker: {command: [work]}, admin: {command: [admin], port: 9000, public: true}}
"""
NOW = {
    "hosts": ["shop-dev.localhost", "shop-dev--console.localhost"],
    "processes": ["worker", "cron", "console"],
    "services": ["postgres", "cache"],
}


def release(app: Any) -> dict[str, Any]:
    return {"number": 7, "image": IMAGE, "deploy_id": "d-7", "commit": COMMIT, "at": AT, "app": app}


def running(there: Platform, app: Any) -> None:
    """Give the platform an environment `dev` that runs a release of these parts."""
    there.table[f"GET__{ENVS}/dev"] = [(200, {**ENVIRONMENT, "release": release(app) if app != "none" else None})]


def planned(there: Platform, **options: Any) -> DeployPlanDocument:
    with serving(**there.table) as served, Client(Login(served.address, "t")) as client:
        given, name = DeployOptions(**{"env": "dev", **options}), ProjectName("acme", "shop")
        found = Deployment(client, there.runner, there.progress, there.project, name, given).plan()
        assert not [what for what, _, _ in served.asked if not what.startswith("GET")], "a plan changes nothing"
        return found


def changes(found: DeployPlanDocument) -> dict[tuple[str, str], str | None]:
    return {(each.kind, each.name): each.change for each in found.changes}


@pytest.mark.requirement("DP-Q20", "Y14")
def test_settings_that_the_platform_leaves_out_and_likely_secrets_are_warned_of(tmp_path: Path) -> None:
    text = "name: shop\nservices: {postgres: {storage: 2Gi}}\nenv: {API_TOKEN: not-shown}\n"
    there = Platform(tmp_path, text=text)
    planned(there)
    [warning, secret] = [line for line in there.progress.lines if line.startswith("warn")]
    assert secret.startswith("warn: kilter.yaml:3:18 env.API_TOKEN: this looks like a secret")
    assert "not-shown" not in secret
    assert warning == "warn: services.postgres: without effect on a platform, which has one database for it: storage"


@pytest.mark.requirement("DP-Q52", "DP-Q61")
def test_a_plan_compares_with_the_newest_release(tmp_path: Path) -> None:
    there = Platform(tmp_path, CHANGED, text=WRITTEN)
    running(there, NOW)
    found = planned(there)
    assert changes(found) == {
        ("route", "shop-dev.localhost"): "kept",
        ("route", "shop-dev--admin.localhost"): "added",
        ("route", "shop-dev--console.localhost"): "removed",
        ("process", "worker"): "kept",
        ("process", "admin"): "added",
        ("process", "cron"): "removed",
        ("process", "console"): "removed",
        ("service", "postgres"): "kept",
        ("service", "orders-db"): "added",
        ("service", "cache"): "removed",
    }
    assert (found.exists, found.release, found.protected, found.host) == (True, 7, False, "shop-dev.localhost")
    assert (found.image, found.commit, found.dirty) == ("", COMMIT, True)
    wiring = {each.name: each.variables for each in found.changes if each.kind == "service"}
    assert "DATABASE_URL" in wiring["postgres"]
    assert "ORDERS_DB_REDIS_URL" in wiring["orders-db"]
    assert wiring["cache"] == ()


@pytest.mark.requirement("DP-50", "DP-55", "DP-Q52")
@pytest.mark.parametrize(
    ("text", "now", "change"), [("public: false\n", ["shop-dev.localhost"], "removed"), ("", [], "added")]
)
def test_a_route_that_vanishes_or_appears_is_listed(tmp_path: Path, text: str, now: list[str], change: str) -> None:
    there = Platform(tmp_path, text="name: shop\n" + text)
    running(there, {"hosts": now, "processes": [], "services": []})
    assert changes(planned(there)) == {("route", "shop-dev.localhost"): change}


def test_in_an_environment_that_runs_nothing_everything_is_new(tmp_path: Path) -> None:
    there = Platform(tmp_path, text=WRITTEN, info={**INFO, "protected_envs": ["dev"]})
    found = planned(there)
    assert (found.exists, found.release, found.protected) == (False, None, True)
    assert set(changes(found).values()) == {"added"}
    running(there, "none")
    found = planned(there)
    assert (found.exists, found.release) == (True, None)
    assert set(changes(found).values()) == {"added"}


def test_of_a_release_that_the_platform_says_nothing_of_no_change_is_claimed(tmp_path: Path) -> None:
    there = Platform(tmp_path, text=WRITTEN)
    running(there, None)
    found = planned(there)
    assert found.release == 7
    assert set(changes(found).values()) == {None}


@pytest.mark.requirement("DP-Q20", "DP-Q28")
def test_a_plan_is_refused_what_the_deploy_is_refused(tmp_path: Path) -> None:
    there = Platform(tmp_path, CHANGED, info={**INFO, "protected_envs": ["dev"]})
    with pytest.raises(BadInput, match="uncommitted changes"):
        planned(there)
    assert planned(there, allow_dirty=True).dirty
    there = Platform(tmp_path, text=WRITTEN, info={**INFO, "services": []})
    with pytest.raises(BadInput, match="does not offer postgres"):
        planned(there)


@pytest.mark.parametrize(
    ("given", "text"), [("shop:latest", "name: shop\n"), ("", "name: shop\nport: 80\nimage: shop:latest\n")]
)
def test_an_image_without_a_digest_is_refused_before_the_platform_is_asked(
    tmp_path: Path, given: str, text: str
) -> None:
    there = Platform(tmp_path, text=text)
    there.table.clear()
    with pytest.raises(BadInput, match="shop:latest names no digest"):
        planned(there, image=given)


@pytest.mark.requirement("DP-Q61")
def test_a_deploy_lists_first_what_it_removes(tmp_path: Path) -> None:
    there = Platform(tmp_path, text=WRITTEN)
    running(there, NOW)
    there.deploy("dev")
    said = there.progress.lines
    assert said[:4] == [
        "note: this deploy removes the route shop-dev--console.localhost",
        "note: this deploy removes the process cron",
        "note: this deploy removes the process console",
        "note: this deploy removes the service cache",
    ]
    assert said[4].startswith("step: ")
