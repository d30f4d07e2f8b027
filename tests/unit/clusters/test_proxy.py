"""A node gets the user's proxy from kind, and asks what kilter runs beside it without one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner

from kilter.clusters import proxy, registry
from kilter.tools import docker

OWN = ",".join(service.name for service in registry.services({}))
PROXY = "http://proxy.example.com:3128"


def excepted(environment: Mapping[str, str], runner: FakeRunner | None = None) -> str | None:
    """Return what nodes are to ask without a proxy, in either spelling; None where nothing is said."""
    found = proxy.bypass(runner or FakeRunner(), environment)
    assert found.get("NO_PROXY") == found.get("no_proxy")
    assert set(found) <= {"NO_PROXY", "no_proxy"}, "the proxy itself is left as it is"
    return found.get("NO_PROXY")


def with_docker(folder: Path, settings: object) -> dict[str, str]:
    """Write Docker's settings, and return the environment in which they count."""
    (folder / "config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return {"DOCKER_CONFIG": str(folder)}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"])
def test_behind_a_proxy_the_registry_and_the_caches_are_excepted_from_it(name: str) -> None:
    assert OWN == "kilter-registry,kilter-cache-docker.io"
    assert excepted({name: PROXY}) == OWN


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_the_user_excepts_stays(name: str) -> None:
    assert excepted({"HTTPS_PROXY": PROXY, name: "localhost,.example.com"}) == f"localhost,.example.com,{OWN}"


def test_who_excepts_everything_is_left_alone() -> None:
    assert excepted({"HTTP_PROXY": PROXY, "NO_PROXY": "*"}) is None


@pytest.mark.parametrize("environment", [{}, {"HTTP_PROXY": ""}, {"NO_PROXY": "localhost"}])
def test_without_a_proxy_nothing_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    assert excepted({"HOME": str(tmp_path), **environment}) is None


def test_a_proxy_of_dockers_settings_reaches_nodes_too(tmp_path: Path) -> None:
    settings = {"proxies": {"default": {"httpsProxy": PROXY, "noProxy": ".example.com"}}, "auths": {}}
    environment = with_docker(tmp_path, settings)
    assert excepted(environment) == f".example.com,{OWN}"
    assert excepted({**environment, "no_proxy": "here"}) == f"here,{OWN}", "kind takes the environment's own"
    assert excepted({**environment, "HTTP_PROXY": PROXY}) == OWN, "kind does not look at Docker's then"


def test_dockers_settings_are_found_in_the_home(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    with_docker(tmp_path / ".docker", {"proxies": {"default": {"httpProxy": PROXY}}})
    assert excepted({"HOME": str(tmp_path)}) == OWN


def test_a_proxy_may_be_for_one_engine_alone(tmp_path: Path) -> None:
    here = "unix:///run/docker.sock"
    proxies = {here: {"httpProxy": PROXY, "noProxy": "a"}, "default": {"httpProxy": PROXY, "noProxy": "b"}}
    environment = with_docker(tmp_path, {"proxies": proxies})
    assert excepted(environment, FakeRunner({docker.endpoint().argv: f"{here}\n"})) == f"a,{OWN}"
    assert excepted(environment, FakeRunner({docker.endpoint().argv: "tcp://localhost:2375\n"})) == f"b,{OWN}"


@pytest.mark.parametrize(
    "settings",
    ["{", "[]", {}, {"proxies": None}, {"proxies": {"default": {"noProxy": "a"}}}, {"proxies": {"default": 3}}],
)
def test_settings_of_docker_that_name_no_proxy_say_nothing(tmp_path: Path, settings: Any) -> None:
    assert excepted(with_docker(tmp_path, settings)) is None
