"""What is made by hand beside kilter's release, and what becomes of the times of both."""

import json

import pytest

from bench.redeploy import rows
from bench.trial import HAND, MARK, SPACE, around, built, by_hand, image_of, listed, phases


def deployment(name: str) -> dict[str, object]:
    labels = {"kilter.dev/app": "shop", "kilter.dev/release": "dep-1"}
    container = {"name": "app", "image": "localhost:1/acme/shop@sha256:a", "readinessProbe": {"tcpSocket": {}}}
    pod = {"serviceAccountName": "shop", "containers": [container], "topologySpreadConstraints": [labels]}
    template = {"metadata": {"labels": labels, "annotations": {"kilter.dev/x": "1"}}, "spec": pod}
    spec = {"replicas": 1, "minReadySeconds": 3, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "labels": labels, "uid": "1"}, "spec": spec, "status": {"replicas": 1}}


@pytest.mark.parametrize(("name", "own"), [("shop", "hand"), ("shop-worker", "hand-worker")])
def test_by_hand_the_pods_are_the_same_and_nothing_bears_kilters_labels(name: str, own: str) -> None:
    made = by_hand(deployment(name))
    assert made["metadata"] == {"name": own}
    assert (made["spec"]["replicas"], made["spec"]["minReadySeconds"]) == (1, 3)
    assert made["spec"]["selector"] == {"matchLabels": {MARK: own}}
    assert made["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] == {"tcpSocket": {}}
    assert image_of(made) == "localhost:1/acme/shop@sha256:a"
    assert "kilter.dev" not in json.dumps(made)


def test_by_hand_there_is_a_route_at_the_same_gateway_to_the_web_pods_alone() -> None:
    parents = [{"name": "kilter", "namespace": "kilter-system"}]
    made = {each["kind"]: each for each in around({"spec": {"parentRefs": parents, "hostnames": ["x"]}})}
    assert made["HTTPRoute"]["spec"]["parentRefs"] == parents
    assert made["Service"]["spec"]["selector"] == {MARK: HAND}
    assert made["NetworkPolicy"]["spec"]["podSelector"] == {"matchLabels": {MARK: HAND}}
    assert {each["metadata"]["namespace"] for each in listed(list(made.values()))["items"]} == {SPACE}


def test_phases_add_up_and_the_last_one_has_no_end() -> None:
    steps: list[dict[str, str | None]] = [
        {"phase": "Publishing", "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:01.500000Z"},
        {"phase": "Reconciling", "started_at": "2026-01-01T00:00:02Z", "finished_at": "2026-01-01T00:00:03Z"},
        {"phase": "Publishing", "started_at": "2026-01-01T00:00:03Z", "finished_at": "2026-01-01T00:00:04Z"},
        {"phase": "Ready", "started_at": "2026-01-01T00:00:04Z", "finished_at": None},
    ]
    assert phases(steps) == {"Publishing": 2.5, "Reconciling": 1.0}


def test_the_goal_is_that_of_the_whole_and_a_part_that_a_round_lacks_is_left_out() -> None:
    kilter = {"": [14.0, 16.0, 12.0], "build": [2.0, 2.0, 2.0], "Publishing": [1.0, 1.0, 1.0], "push": [1.0]}
    bare = {"": [7.0, 8.0, 6.0], "rolled": [14.0, 14.0, 14.0], "build": [2.0, 2.0, 2.0], "push": [1.0, 1.0, 1.0]}
    whole, rolled, *parts = rows(kilter, bare)
    assert (whole.verdict, whole.ratio, rolled.verdict, rolled.ratio) == ("met", 2.0, "", 1.0)
    assert [(each.what, each.ratio) for each in parts] == [("of it build", 1.0), ("phase publish", None)]


def test_only_images_that_were_built_for_this_platform_are_removed() -> None:
    mine = ["localhost:30780/acme/shop:hand-2", "localhost:30780/acme/shop:dev-nogit"]
    others = [
        "localhost:30800/acme/shop:hand-2",
        "localhost:30780/acme/shop:prod-nogit",
        "localhost:30780/acme/shop:<none>",
    ]
    assert built([*others, *mine], 30780) == mine
