"""The values of the platform's charts, from what an administrator said."""

import pytest
import yaml

from kilter.errors import BadInput
from kilter.platform import values
from kilter.platform.values import Wanted


def of_cluster(more: str = "") -> str:
    return values.of_cluster(Wanted("apps.example.com", "registry.example.com/kilter:1", more))


def test_further_values_win_key_by_key() -> None:
    found = yaml.safe_load(values.of_trial(Wanted("localhost", "x/kilter:1", "postgres: {maxConnections: 50}"), 30000))
    assert found["postgres"] == {"storage": {"size": "2Gi"}, "maxConnections": 50}
    assert found["images"] == {"kilter": "x/kilter:1"}


def test_everything_of_a_trial_has_the_one_port() -> None:
    text = values.of_trial(Wanted("localhost", "x/kilter:1"), 30020)
    found = yaml.safe_load(text)
    assert found["registry"]["host"] == "localhost:30020"
    assert found["registry"]["token"]["realm"] == "http://localhost:30020/v1/registry/token"
    assert found["gateway"]["service"]["nodePorts"] == {"http": 30020}
    assert values.server(text) == "http://kilter.localhost:30020"


def test_a_certificate_makes_the_address_secure() -> None:
    assert values.server(of_cluster()) == "http://kilter.apps.example.com"
    assert values.server(of_cluster("gateway: {tls: {secretName: wildcard}}")) == "https://kilter.apps.example.com"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", {"flux": True, "gatewayApi": True}),
        ("flux: {ageSecret: keys}", {"flux": True, "gatewayApi": True}),
        ("flux: {enabled: false}", {"flux": False, "gatewayApi": True}),
        ("gateway: {enabled: false}", {"flux": True, "gatewayApi": False}),
        ("gateway: mistaken", {"flux": True, "gatewayApi": True}),
    ],
)
def test_definitions_are_left_out_with_the_program_that_they_are_for(more: str, expected: dict[str, bool]) -> None:
    assert yaml.safe_load(values.definitions(of_cluster(more))) == expected


@pytest.mark.parametrize("more", ["- a list", "a: [unclosed"])
def test_values_that_are_no_map_are_refused(more: str) -> None:
    with pytest.raises(BadInput):
        of_cluster(more)
