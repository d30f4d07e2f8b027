"""What is told of the Gateway of a platform, by the conditions that its controller writes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner

from kilter.errors import NotReady
from kilter.platform import gateway
from kilter.platform.gateway import Door, await_door, door
from kilter.platform.target import NAMESPACE, Target
from kilter.progress import Recorder
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl("kubectl", Path("/k"), "c", NAMESPACE)
HERE = Target("context c", Helm("helm", Path("/k"), NAMESPACE, Path("/h")), KUBECTL)
ROUTE = KUBECTL.get("httproutes.gateway.networking.k8s.io", "kilter-server").argv
GATEWAY = KUBECTL.get("gateways.gateway.networking.k8s.io", "shared", "--namespace", "edge").argv
REF = {"name": "shared", "namespace": "edge", "sectionName": "https"}
MISSING = {"type": "ResolvedRefs", "status": "False", "reason": "InvalidCertificateRef", "message": "no Secret\n tls"}


def good(*types: str) -> list[dict[str, str]]:
    return [{"type": each, "status": "True", "reason": each, "message": ""} for each in types]


def listener(name: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "conditions": [*good("Accepted", "Programmed"), *conditions]}


def parent(*conditions: dict[str, str], name: str = "shared") -> dict[str, Any]:
    return {"parentRef": REF | {"name": name}, "conditions": list(conditions)}


def cluster(listeners: list[dict[str, Any]], parents: list[dict[str, Any]], **ref: str) -> FakeRunner:
    """Stand before a cluster whose controllers say this."""
    route = {"kind": "HTTPRoute", "spec": {"parentRefs": [ref or REF]}, "status": {"parents": parents}}
    known = {"kind": "Gateway", "status": {"listeners": listeners}}
    return FakeRunner({ROUTE: json.dumps(route), GATEWAY: json.dumps(known)})


SERVES = cluster([listener("https", *good("ResolvedRefs"))], [parent(*good("Accepted", "ResolvedRefs"))])


def test_a_gateway_that_has_taken_up_route_and_listener_serves() -> None:
    assert door(SERVES, HERE) == Door("edge/shared")


def test_a_certificate_that_is_missing_is_told_in_the_controllers_words() -> None:
    same = MISSING | {"type": "Programmed", "reason": "Invalid"}
    refused = {"type": "Accepted", "status": "False", "reason": "NoMatchingParent"}
    found = door(cluster([listener("https", MISSING, same)], [parent(refused)]), HERE)
    assert found.faults == ("listener https: InvalidCertificateRef: no Secret tls",)
    (told,) = door(cluster([listener("https")], [parent(refused)]), HERE).faults
    assert told == "route kilter-server: NoMatchingParent"


def test_the_listeners_of_others_on_a_shared_gateway_are_not_looked_at() -> None:
    listeners = [listener("theirs", MISSING), listener("https")]
    assert door(cluster(listeners, [parent(*good("Accepted"))]), HERE).faults == ()
    unnamed = cluster(listeners, [parent(*good("Accepted"))], name="shared", namespace="edge")
    assert door(unnamed, HERE).faults == ("listener theirs: InvalidCertificateRef: no Secret tls",)


def test_a_listener_that_is_in_anothers_way_is_a_fault() -> None:
    conflict = {"type": "Conflicted", "status": "True", "reason": "HostnameConflict", "message": "m"}
    free = {"type": "Conflicted", "status": "False", "reason": "NoConflicts", "message": ""}
    route = [parent(*good("Accepted"))]
    assert door(cluster([listener("https", conflict)], route), HERE).faults == ("listener https: HostnameConflict: m",)
    assert door(cluster([listener("https", free)], route), HERE).faults == ()


def test_a_route_that_was_refused_or_not_taken_up_is_a_fault() -> None:
    refused = {"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners", "message": "m"}
    told = door(cluster([listener("https")], [parent(refused)]), HERE).faults
    assert told == ("route kilter-server: NotAllowedByListeners: m",)
    for parents in ([], [parent(*good("Accepted"), name="other")]):
        told = door(cluster([listener("https")], parents), HERE).faults
        assert told == ("it has not taken up the route kilter-server yet",)


def test_a_gateway_that_no_controller_knows_or_that_is_not_there_is_told() -> None:
    accepted = [parent(*good("Accepted"))]
    told = door(cluster([], accepted), HERE).faults
    assert told == ("no controller has taken up its listener https yet",)
    gone = cluster([], accepted)
    gone.answers = {**gone.answers, GATEWAY: ""}
    assert door(gone, HERE) == Door("edge/shared", ("there is no such Gateway",), is_there=False)
    assert door(FakeRunner({ROUTE: ""}), HERE).faults


def test_an_installation_waits_for_it_and_ends_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "PAUSE", 0.0)
    bad = cluster([listener("https", MISSING)], [parent(*good("Accepted"))])
    ill, well = bad.answers[GATEWAY], SERVES.answers[GATEWAY]
    assert isinstance(ill, str)
    assert isinstance(well, str)
    bad.answers = {**bad.answers, GATEWAY: [ill, ill, well]}
    progress = Recorder()
    with progress.step("wait") as step:
        await_door(bad, HERE, time.monotonic() + 60, step)
    assert any("InvalidCertificateRef" in line for line in progress.lines)
    gone = cluster([], [])
    gone.answers = {**gone.answers, GATEWAY: ""}
    with progress.step("wait") as step, pytest.raises(NotReady, match="edge/shared"):
        await_door(gone, HERE, time.monotonic() + 60, step)
    stays = cluster([listener("https", MISSING)], [parent(*good("Accepted"))])
    with progress.step("wait") as step, pytest.raises(NotReady, match="edge/shared does not serve") as caught:
        await_door(stays, HERE, time.monotonic() - 1, step)
    assert caught.value.details == ("listener https: InvalidCertificateRef: no Secret tls",)


@pytest.mark.parametrize(
    ("context", "option"), [("prod eu", "--context 'prod eu'"), ("kind-kilter-platform", "--local")]
)
def test_the_next_step_names_the_cluster_that_was_meant(context: str, option: str) -> None:
    known = Target("c", HERE.helm, Kubectl("kubectl", Path("/k"), context, NAMESPACE))
    assert known.again == f"`kilter platform status {option}` looks again; the same command again goes on"
