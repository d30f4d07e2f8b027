from typing import Any

import msgspec
import pytest
from unit.render.production.support import PLATFORM, POSTGRES, REDIS, release, valued, workload

from kilter.errors import BadInput
from kilter.project.model import Process, Profile
from kilter.project.model_profile import Monitoring, Network
from kilter.render.production.network import INTERNET
from kilter.render.production.release import DatabaseServer, Gateway, ServiceRelease

DATABASE = {"namespace": "kilter-postgres", "ports": [5432]}


def egress(*targets: str, mode: Any = "strict", **changes: Any) -> list[dict[str, Any]]:
    profile = Profile(network=Network(mode=mode, egress=targets))
    found: list[dict[str, Any]] = valued(release(profile=profile, **changes)).get("egress", [])
    return found


@pytest.mark.requirement("PP-Q25")
def test_by_default_pods_reach_the_internet_but_no_private_network() -> None:
    assert egress(mode="standard") == [{"blocks": list(INTERNET)}]
    excluded = {network for block in INTERNET for network in block["except"]}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"} <= excluded


@pytest.mark.requirement("PP-46", "PP-47")
def test_strict_opens_nothing_beyond_what_the_release_itself_needs() -> None:
    assert egress() == []
    assert egress(services=(POSTGRES, REDIS)) == [DATABASE]


@pytest.mark.requirement("PP-51", "B8")
def test_the_database_is_opened_for_those_who_have_one() -> None:
    assert DATABASE in egress(mode="standard", services=(POSTGRES,))
    assert DATABASE not in egress(mode="standard")


def test_a_database_outside_the_cluster_is_found_by_its_address() -> None:
    server = DatabaseServer(host="db.internal", port=6432, cidr="10.1.2.3/32")
    found = valued(release(services=(POSTGRES,)), msgspec.structs.replace(PLATFORM, database=server))
    assert found["egress"][0] == {"blocks": [{"cidr": "10.1.2.3/32"}], "ports": [6432]}


@pytest.mark.parametrize(
    ("server", "said"), [(None, "has no database server"), (DatabaseServer(host="db"), "where its database server is")]
)
def test_a_platform_without_a_findable_database_refuses_who_needs_one(server: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        valued(release(services=(POSTGRES,)), msgspec.structs.replace(PLATFORM, database=server))


@pytest.mark.requirement("PP-51")
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("internet", {"blocks": list(INTERNET)}),
        ("203.0.113.0/24", {"blocks": [{"cidr": "203.0.113.0/24"}]}),
        ("198.51.100.4", {"blocks": [{"cidr": "198.51.100.4/32"}]}),
        ("198.51.100.4:443", {"blocks": [{"cidr": "198.51.100.4/32"}], "ports": [443]}),
        ("[2001:db8::1]:443", {"blocks": [{"cidr": "2001:db8::1/128"}], "ports": [443]}),
        ("smtp.example.com:587", {"blocks": list(INTERNET), "ports": [587]}),
    ],
)
def test_a_target_is_opened_and_nothing_else(target: str, expected: dict[str, Any]) -> None:
    assert egress(target) == [expected]


def test_a_service_that_the_platform_provides_is_open_already() -> None:
    assert egress("redis", services=(REDIS,)) == []


IPV4_IN_IPV6 = ("::ffff:203.0.113.7", "::ffff:203.0.113.0/120", "[::ffff:203.0.113.7]:443")


@pytest.mark.parametrize(
    "target", ["redis", "example.com", "example.com:0", "example.com:70000", ":80", "10.0.0.1/8", *IPV4_IN_IPV6]
)
def test_what_is_no_target_is_refused(target: str) -> None:
    with pytest.raises(BadInput, match="is no target"):
        egress(target)


def test_an_external_service_is_no_target_because_nobody_knows_where_it_is() -> None:
    external = ServiceRelease(name="temporal", kind="temporal", mode="external")
    with pytest.raises(BadInput, match="'temporal' is no target"):
        egress("temporal", services=(external,), app_secrets=("temporal",))


@pytest.mark.requirement("DP-54", "DP-Q53", "DP-Q54", "PP-48")
def test_monitoring_reaches_the_ports_when_it_is_set_even_of_an_internal_app() -> None:
    profile = Profile(monitoring=Monitoring(namespace="signoz"))
    given = release(public=False, profile=profile, processes={"api": Process(command=("x",), port=9000)})
    assert workload(given)["from"] == ["signoz"]
    assert workload(given, 1)["from"] == ["signoz"]
    assert {"namespace": "signoz"} in valued(given)["egress"]


@pytest.mark.requirement("PP-Q23")
def test_traffic_comes_from_where_the_gateways_proxies_run() -> None:
    gateway = Gateway(name="kilter", namespace="kilter-gateway", proxies="traefik")
    assert workload(release(), platform=msgspec.structs.replace(PLATFORM, gateway=gateway))["from"] == ["traefik"]


@pytest.mark.requirement("DP-Q55")
def test_an_app_that_was_let_in_reaches_the_web_port_alone() -> None:
    api = Process(command=("x",), port=9000)
    given = release(allow_from=("acme-billing-prod",), allow_to=("acme-stock-prod",), processes={"api": api})
    assert workload(given)["from"] == ["kilter-gateway", "acme-billing-prod"]
    assert "from" not in workload(given, 1)
    assert {"namespace": "acme-stock-prod"} in valued(given)["egress"]


@pytest.mark.requirement("DP-53")
def test_a_service_of_the_release_is_open_to_its_own_namespace_on_its_ports() -> None:
    assert valued(release(services=(POSTGRES, REDIS)))["services"] == [{"name": "redis", "ports": [6379]}]
