"""What the chart is told, from what the administrator said."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from kilter.errors import BadInput
from kilter.platform import values
from kilter.platform.values import Wanted
from kilter.render.charts import chart
from kilter.render.services import merged

WANTED = Wanted("apps.example.com", "registry.example.com/kilter:1")


def fits(found: values.Values) -> bool:
    folder: Path = chart("kilter-platform")
    defaults = yaml.safe_load((folder / "values.yaml").read_text())
    schema = jsonschema_rs.validator_for(json.loads((folder / "values.schema.json").read_text()))
    return bool(schema.is_valid(merged(defaults, found)))


def test_both_kinds_of_values_fit_the_chart() -> None:
    assert fits(values.of_cluster(WANTED))
    assert fits(values.of_trial(Wanted("localhost", "localhost:32760/kilter/platform:abc"), 30800))


@pytest.mark.parametrize(
    ("image", "more"),
    [
        ("registry.apps.example.com/kilter:1", ""),
        ("registry.apps.example.com:8443/kilter:1", "publicPort: 8443"),
        ("images.example.com/kilter:1", "registry: {host: images.example.com}"),
        ("registry.example.com/kilter:1", "images: {kilter: registry.apps.example.com/kilter@sha256:aa}"),
    ],
)
def test_an_image_that_only_the_platforms_own_registry_has_is_refused(image: str, more: str) -> None:
    """The registry starts with it, and would wait for itself."""
    with pytest.raises(BadInput, match="own registry"):
        values.refuse_own_registry(values.of_cluster(Wanted("apps.example.com", image, more)))


@pytest.mark.parametrize(
    ("image", "more"),
    [
        ("registry.example.com/kilter:1", ""),
        ("registry.apps.example.com.example.net/kilter:1", ""),
        ("registry.apps.example.com/kilter:1", "registry: {enabled: false}"),
        ("registry.apps.example.com/kilter:1", "registry: {host: images.example.com}"),
    ],
)
def test_an_image_from_elsewhere_is_taken(image: str, more: str) -> None:
    values.refuse_own_registry(values.of_cluster(Wanted("apps.example.com", image, more)))


def test_everything_of_a_trial_answers_on_one_port_of_localhost() -> None:
    found = values.of_trial(Wanted("localhost", "x/y:1"), 30800)
    assert found["publicPort"] == found["gateway"]["service"]["nodePorts"]["http"] == 30800
    assert found["registry"]["host"] == "localhost:30800"
    assert found["registry"]["token"]["realm"] == "http://localhost:30800/v1/registry/token"
    assert found["server"]["extraHosts"] == ["localhost"]


def test_what_the_administrator_writes_wins_and_leaves_the_rest() -> None:
    more = "gateway: {service: {type: LoadBalancer}}\nserver: {replicas: 2}\n"
    found = values.of_trial(Wanted("localhost", "x/y:1", more), 30800)
    assert found["gateway"]["service"] == {"type": "LoadBalancer", "nodePorts": {"http": 30800}}
    assert found["server"] == {"extraHosts": ["localhost"], "replicas": 2}


@pytest.mark.parametrize("more", ["- a list", "just text", "{", "a: [1"])
def test_values_that_are_no_map_are_refused(more: str) -> None:
    with pytest.raises(BadInput, match="the values are no"):
        values.of_cluster(Wanted("apps.example.com", "x/y:1", more))


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ("", "http://kilter.apps.example.com"),
        ("gateway: {tls: {secretName: wildcard}}", "https://kilter.apps.example.com"),
        ("publicPort: 8443", "http://kilter.apps.example.com:8443"),
        ("gateway: {enabled: false, existing: {url: 'https://edge.gateways.svc'}}", "https://kilter.apps.example.com"),
        ("gateway: {enabled: false, existing: {url: 'http://edge.gateways.svc'}}", "http://kilter.apps.example.com"),
    ],
)
def test_the_servers_address_is_the_one_that_the_chart_makes(more: str, address: str) -> None:
    assert values.server(values.of_cluster(Wanted("apps.example.com", "x/y:1", more))) == address


@pytest.mark.parametrize(
    "more", ["images: registry.example.com/kilter:1", "registry: none", "gateway: [a]", "server: 1"]
)
def test_a_part_that_is_no_map_is_refused_by_name(more: str) -> None:
    with pytest.raises(BadInput, match=f"`{more.partition(':')[0]}` among the values is no map"):
        values.of_cluster(replace(WANTED, more=more))


@pytest.mark.parametrize("more", ["a: [", "a: 2026-13-45", "a: " + "[" * 700, "- a"])
def test_values_that_yaml_cannot_hold_are_the_administrators_fault(more: str) -> None:
    with pytest.raises(BadInput, match="the values are no"):
        values.of_cluster(replace(WANTED, more=more))


def test_further_hosts_of_a_trial_leave_the_one_that_its_registry_needs() -> None:
    more = "server: {extraHosts: [portal.localhost]}"
    found = values.of_trial(Wanted("localhost", "kilter:1", more), 30800)
    assert found["server"]["extraHosts"] == ["localhost", "portal.localhost"]
    assert "extraHosts" not in values.of_cluster(WANTED)["server"]
