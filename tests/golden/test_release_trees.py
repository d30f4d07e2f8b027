"""What a deploy renders, byte for byte, and the rules that every rendered release keeps."""

import os
import subprocess
from functools import cache
from typing import Any

import pytest
from golden.regenerate import HELM_FLAGS, expected_in, helm_template
from golden.release_trees import HERE, SCENARIOS, inputs, jobs, scenario, stored_inputs, tree

from kilter.render import names
from kilter.render.charts import APP, chart
from kilter.render.text import dump, load_all

HELM = os.environ.get("KILTER_TEST_HELM", "")  # read here: tests themselves see no KILTER_ variables
PASSWORD = "not-a-real-password"
Object = dict[str, Any]


@cache
def committed(name: str) -> list[Object]:
    """The objects that go to git."""
    return [item for file, text in tree(name).items() if file.startswith("apps/") for item in load_all(text)]


def kinds(name: str, kind: str) -> dict[str, Object]:
    """The committed objects of one kind by name."""
    return {item["metadata"]["name"]: item for item in committed(name) if item["kind"] == kind}


def pods(name: str) -> dict[str, Object]:
    """The pod templates of the app's own workloads by name."""
    found = {key: item["spec"]["template"] for key, item in kinds(name, "Deployment").items()}
    jobs = {key: item["spec"]["jobTemplate"]["spec"]["template"] for key, item in kinds(name, "CronJob").items()}
    return found | jobs


@pytest.mark.requirement("DP-16", "DP-17")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_rendered_release_is_the_one_that_was_kept(name: str) -> None:
    assert tree(name) == expected_in(HERE / name)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_stored_output_of_helm_belongs_to_the_chart_and_values_of_today(name: str) -> None:
    """A stale one is rendered anew by `python tests/golden/regenerate.py --helm PATH`."""
    assert inputs(name) == stored_inputs(name)


@pytest.mark.skipif(not HELM, reason="KILTER_TEST_HELM names no helm binary")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_stored_output_of_helm_is_what_helm_prints_for_a_release(name: str) -> None:
    for job in jobs(name):
        assert helm_template(HELM, job) == (HERE / name / "charts" / f"{job.service}.yaml").read_text()


@pytest.mark.skipif(not HELM, reason="KILTER_TEST_HELM names no helm binary")
@pytest.mark.parametrize("change", ["workloads: []", "image: registry.example.com/acme/shop:latest", "replica: 3"])
def test_helm_refuses_values_outside_the_schema(change: str) -> None:
    argv = [HELM, "template", "shop", str(chart(APP)), "--values", "-", *HELM_FLAGS]
    given = {**load_all(jobs("web-only")[0].values_text)[0], **load_all(change)[0]}
    done = subprocess.run(argv, input=dump(given), text=True, capture_output=True, check=False, timeout=90)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


@pytest.mark.requirement("DP-Q61")
def test_a_release_without_a_process_commits_nothing_of_it() -> None:
    """Flux prunes what a commit no longer holds."""
    with_them, without = ({(item["kind"], item["metadata"]["name"]) for item in committed(name)}
                          for name in ("processes", "web-only"))  # fmt: skip
    of_processes = {(kind, name) for kind, name in with_them if name.startswith("shop-")}
    assert of_processes >= {("Deployment", "shop-worker"), ("Deployment", "shop-metrics"), ("Service", "shop-metrics")}
    assert {(kind, name) for kind, name in without if name.startswith("shop-")} == set()


@pytest.mark.requirement("DP-Q18", "SC-8", "G5")
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_value_of_a_secret_goes_to_git(name: str) -> None:
    files = {file: text for file, text in tree(name).items() if file.startswith("apps/")}
    assert files
    assert [file for file, text in files.items() if PASSWORD in text] == []
    assert kinds(name, "Secret") == {}


@pytest.mark.requirement("DP-Q18", "DP-Q20")
def test_the_secrets_that_pods_name_are_the_ones_that_the_operator_gets() -> None:
    made = {item["metadata"]["name"] for item in load_all(tree("services")["secrets.yaml"])}
    named = {
        source["valueFrom"]["secretKeyRef"]["name"]
        for pod in pods("services").values()
        for source in pod["spec"]["containers"][0]["env"]
        if "valueFrom" in source
    }
    assert named == {"shop-database", "redis-variables", "cache-variables"}
    assert made == named | {"redis-credentials", "cache-credentials"}


@pytest.mark.requirement("Y12")
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_object_is_in_the_one_namespace_bears_the_slots_labels_and_is_named_once(name: str) -> None:
    release = scenario(name).release
    objects = committed(name)
    assert {item["metadata"]["namespace"] for item in objects} == {release.namespace}
    labels = names.labels(release.slot, release.namespace).items()
    assert all(labels <= item["metadata"]["labels"].items() for item in objects)
    assert len({(item["kind"], item["metadata"]["name"]) for item in objects}) == len(objects)


@pytest.mark.requirement("PP-28", "CT-15")
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_pod_of_the_app_keeps_the_rules_of_a_restricted_namespace(name: str) -> None:
    release = scenario(name).release
    for pod in pods(name).values():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert pod["metadata"]["labels"][names.RELEASE] == release.release
        assert spec["enableServiceLinks"] is False
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "@sha256:" in container["image"]
        assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.requirement("DP-Q5")
def test_pods_of_the_built_image_run_on_its_architecture_and_those_of_another_image_anywhere() -> None:
    found = pods("everything")
    own = {
        name: pod["spec"]["containers"][0]["image"] == scenario("everything").release.image
        for name, pod in found.items()
    }
    assert set(own.values()) == {True, False}
    for name, pod in found.items():
        assert pod["spec"].get("nodeSelector") == ({"kubernetes.io/arch": "arm64"} if own[name] else None)
    assert all("nodeSelector" not in pod["spec"] for pod in pods("web-only").values()), "nobody said what it is for"


@pytest.mark.requirement("DP-25")
def test_every_pod_has_the_authority_of_the_database_and_is_told_to_go_by_it() -> None:
    found = pods("trusted-database")
    assert set(found) == {"shop", "shop-worker", "shop-nightly"}
    for name, pod in found.items():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        asked = {each["name"]: each.get("value") for each in container["env"]}
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "database-ca"]
        [volume] = [each for each in spec["volumes"] if each["name"] == "database-ca"]
        assert asked["PGSSLROOTCERT"] == f"{mount['mountPath']}/ca.crt"
        assert asked["PGSSLMODE"] == ("require" if name == "shop-worker" else "verify-full"), "the app's own word wins"
        assert (mount["readOnly"], volume["secret"]["secretName"]) == (True, "shop-database")
        assert [each["key"] for each in volume["secret"]["items"]] == ["ca.crt"]


@pytest.mark.requirement("DP-48", "DP-Q51")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_roll_out_takes_no_pod_away_before_its_successor_serves(name: str) -> None:
    for item in kinds(name, "Deployment").values():
        spec, pod = item["spec"], item["spec"]["template"]["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert spec["minReadySeconds"] > 0
        container = pod["containers"][0]
        drain = container["lifecycle"]["preStop"]["sleep"]["seconds"] if "ports" in container else 0
        assert pod["terminationGracePeriodSeconds"] >= drain + 30


@pytest.mark.requirement("DP-48")
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_selects_pods_stays_the_same_from_release_to_release_and_never_mixes_workloads(name: str) -> None:
    deployments = kinds(name, "Deployment")
    selectors = {key: item["spec"]["selector"]["matchLabels"] for key, item in deployments.items()}
    for service, item in kinds(name, "Service").items():
        if service in selectors:
            assert item["spec"]["selector"] == selectors[service]
    for key, selector in selectors.items():
        assert names.RELEASE not in selector
        chosen = [other for other, pod in pods(name).items() if selector.items() <= pod["metadata"]["labels"].items()]
        assert chosen == [key]


@pytest.mark.requirement("DP-20", "DP-Q32")
def test_the_route_leads_from_the_host_to_the_service_and_says_which_release_it_is() -> None:
    spec = kinds("web-only", "HTTPRoute")["shop"]["spec"]
    assert spec["parentRefs"][0]["name"] == "kilter"
    assert spec["hostnames"] == ["shop.example.com"]
    (rule,) = spec["rules"]
    headers = rule["filters"][0]["responseHeaderModifier"]["set"]
    assert headers == [{"name": names.RELEASE_HEADER, "value": "dpl-01jd3m6q8w"}]
    assert [(ref["name"], ref["port"]) for ref in rule["backendRefs"]] == [("shop", 8080)]


@pytest.mark.requirement("DP-50", "DP-51", "DP-53", "DP-54")
def test_an_internal_app_has_its_service_and_no_route_and_its_port_is_closed_to_other_namespaces() -> None:
    assert kinds("internal", "HTTPRoute") == {}
    assert kinds("internal", "Service")["ledger"]["spec"]["ports"][0]["port"] == 3000
    policies = kinds("internal", "NetworkPolicy")
    (rule,) = policies["ledger"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}]
    assert "ingress" not in policies["default.kilter.dev"]["spec"]
    assert policies["default.kilter.dev"]["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.requirement("DP-59", "DP-60", "DP-61", "DP-Q60", "DP-Q62")
def test_processes_run_the_apps_image_with_its_variables_as_workloads_of_their_own() -> None:
    assert set(kinds("processes", "Deployment")) == {"shop", "shop-worker", "shop-metrics"}
    assert set(kinds("processes", "CronJob")) == {"shop-nightly"}
    assert set(kinds("processes", "Service")) == {"shop", "shop-metrics"}
    assert set(kinds("processes", "HTTPRoute")) == {"shop"}
    containers = {key: pod["spec"]["containers"][0] for key, pod in pods("processes").items()}
    assert len({container["image"] for container in containers.values()}) == 1
    variables = {key: {each["name"]: each.get("value") for each in it["env"]} for key, it in containers.items()}
    assert variables["shop-worker"] == {"GREETING": "hello", "QUEUE": "mail"}
    assert variables["shop-metrics"]["PORT"] == "9090"


@pytest.mark.requirement("PP-37", "PP-36")
def test_an_autoscaled_deployment_says_no_count_and_the_scaler_has_the_figures_of_the_profile() -> None:
    assert "replicas" not in kinds("web-only", "Deployment")["shop"]["spec"]
    spec = kinds("web-only", "HorizontalPodAutoscaler")["shop"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 10)
    assert spec["behavior"]["scaleUp"]["policies"] == [{"type": "Pods", "value": 2, "periodSeconds": 60}]
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert spec["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


@pytest.mark.requirement("Y9")
def test_texts_arrive_as_they_were_written() -> None:
    container = pods("everything")["everything-that-there-is-to-set-up-socket"]["spec"]["containers"][0]
    written = scenario("everything").release.vars
    arrived = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    assert arrived["TEXT"] == written["TEXT"]
    assert arrived["NUMBER"] == "1e3"
    # Kubernetes would expand $(HOME) and shorten $$; doubled, it gives back what was written.
    assert arrived["TEMPLATE"].replace("$$", "$") == written["TEMPLATE"]
    assert container["command"] == ["node", "--title", '$$(HOME) "quoted" {{ x }}', ""]


def texts(node: Any, inside: str = "") -> list[Any]:
    """What must be text below an object of the cluster: names, and everything in a map of labels."""
    maps, keys = {"labels", "matchLabels", "selector", "nodeSelector", "annotations"}, {"name", "namespace", "key"}
    if isinstance(node, list):
        return [each for item in node for each in texts(item)]
    if isinstance(node, dict):
        return [each for key, value in node.items() for each in texts(value, inside if inside in maps else key)]
    return [node] if inside in maps or inside in keys or inside.endswith("Name") else []


@pytest.mark.requirement("Y9")
def test_names_that_yaml_takes_for_something_else_stay_names() -> None:
    found = [each for item in committed("odd-names") for each in texts(item)]
    assert [each for each in found if not isinstance(each, str)] == []
    assert {"no", "off", "on", "null", "yes", "true", "53", "123", "0777", "1e3", "2024-01-01", "NO", "Y"} <= set(found)
    labels = kinds("odd-names", "Deployment")["null-on"]["metadata"]["labels"]
    assert [labels[f"kilter.dev/{key}"] for key in ("org", "app", "env", "process")] == ["off", "null", "no", "on"]
