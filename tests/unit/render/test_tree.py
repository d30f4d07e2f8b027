from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.render.support import BASE, OPTIONS, planned, tree

from kilter.errors import BadInput, Failed
from kilter.render.cluster import hosts_toml, registry_hosts
from kilter.render.tree import chart_jobs, workloads

SHOP = "name: shop\nservices: [postgres]\nprocesses: {worker: {command: [work]}}\n"
SET = """apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec: {template: {metadata: {labels: {a: b}}}}
"""


def objects(text: str) -> dict[str, Any]:
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


@pytest.mark.requirement("CT-Q23", "CT-Q32")
def test_the_tree_has_a_manifest_and_a_part_for_each_thing(tmp_path: Path) -> None:
    assert set(tree(planned(tmp_path, SHOP))) == {
        "Tiltfile",
        "kind.yaml",
        "manifests/namespace.yaml",
        "manifests/postgres.yaml",
        "manifests/shop.yaml",
        "manifests/worker.yaml",
        "tilt/namespace.tiltfile",
        "tilt/postgres.tiltfile",
        "tilt/shop.tiltfile",
        "tilt/worker.tiltfile",
        "values/postgres.yaml",
    }


@pytest.mark.requirement("CT-Q24")
def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    assert tree(planned(tmp_path, SHOP), postgres=SET) == tree(planned(tmp_path, SHOP), postgres=SET)


@pytest.mark.requirement("CT-13", "NS-19")
def test_the_same_entry_gets_other_names_and_ports_in_another_project(tmp_path: Path) -> None:
    (one,), (other,) = (
        chart_jobs(planned(tmp_path, f"name: {name}\nservices: [redis]\n", None)) for name in ("one", "other")
    )
    assert (one.chart, one.namespace, other.namespace) == (other.chart, "one-dev", "other-dev")


@pytest.mark.requirement("NS-17", "NS-21", "NS-Q15", "NS-Q17")
def test_the_whole_block_but_tilts_number_is_mapped_on_the_loopback_alone(tmp_path: Path) -> None:
    node = yaml.safe_load(tree(planned(tmp_path, SHOP), replace(OPTIONS, ipv6=True))["kind.yaml"])["nodes"][0]
    mappings = node["extraPortMappings"]
    assert {(each["listenAddress"], each["hostPort"]) for each in mappings} == {
        (address, BASE + number) for number in range(19) for address in ("127.0.0.1", "::1")
    }
    assert all(each["containerPort"] == each["hostPort"] for each in mappings)


@pytest.mark.requirement("NS-Q18")
def test_a_port_pinned_outside_the_block_is_mapped_too(tmp_path: Path) -> None:
    plan = planned(tmp_path, "name: shop\nservices: {redis: {hostPort: 32000}}\n")
    mappings = yaml.safe_load(tree(plan)["kind.yaml"])["nodes"][0]["extraPortMappings"]
    assert mappings[-1]["hostPort"] == 32000
    assert len(mappings) == 20


def test_folders_of_the_host_are_mounted_and_only_the_data_is_writable(tmp_path: Path) -> None:
    options = replace(OPTIONS, data_dir=Path("/d"), identity_dir=Path("/i"), certs_dir=Path("/c"))
    mounts = yaml.safe_load(tree(planned(tmp_path, SHOP), options)["kind.yaml"])["nodes"][0]["extraMounts"]
    assert mounts == [
        {"hostPath": "/d", "containerPath": "/var/local-path-provisioner"},
        {"hostPath": "/i", "containerPath": "/kilter", "readOnly": True},
        {
            "hostPath": "/i/kubelet.conf",
            "containerPath": "/etc/systemd/system/kubelet.service.d/20-kilter.conf",
            "readOnly": True,
        },
        {"hostPath": "/c", "containerPath": "/etc/containerd/certs.d", "readOnly": True},
    ]


def test_cgroup_v1_is_allowed_only_on_a_host_that_has_it(tmp_path: Path) -> None:
    def kubelet(*, cgroup_v1: bool) -> dict[str, Any]:
        config = yaml.safe_load(tree(plan, replace(OPTIONS, cgroup_v1=cgroup_v1))["kind.yaml"])
        found: dict[str, Any] = objects("---\n".join(config["kubeadmConfigPatches"]))["KubeletConfiguration"]
        return found

    plan = planned(tmp_path, SHOP)
    assert "failCgroupV1" not in kubelet(cgroup_v1=False)
    assert kubelet(cgroup_v1=True)["failCgroupV1"] is False


def test_the_only_node_elects_no_leader(tmp_path: Path) -> None:
    config = yaml.safe_load(tree(planned(tmp_path, SHOP))["kind.yaml"])
    cluster = objects("---\n".join(config["kubeadmConfigPatches"]))["ClusterConfiguration"]
    assert {cluster[part]["extraArgs"]["leader-elect"] for part in ("controllerManager", "scheduler")} == {"false"}


def test_a_cluster_patch_adds_but_does_not_replace(tmp_path: Path) -> None:
    plan = planned(tmp_path, SHOP)
    config = tree(plan, replace(OPTIONS, cluster_patch="featureGates: {X: true}"))["kind.yaml"]
    assert yaml.safe_load(config)["featureGates"] == {"X": True}
    with pytest.raises(BadInput, match="must not set nodes"):
        tree(plan, replace(OPTIONS, cluster_patch="nodes: []"))


@pytest.mark.requirement("NS-Q6")
def test_namespaced_objects_of_a_chart_are_forced_into_the_namespace(tmp_path: Path) -> None:
    chart = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: b}\n"
    )
    found = objects(tree(planned(tmp_path, SHOP), postgres=chart)["manifests/postgres.yaml"])
    assert found["ConfigMap"]["metadata"]["namespace"] == "shop-dev"
    assert "namespace" not in found["ClusterRole"]["metadata"]


@pytest.mark.requirement("CT-Q13")
def test_a_chart_with_a_hook_is_refused(tmp_path: Path) -> None:
    chart = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, annotations: {helm.sh/hook: pre-install}}\n"
    with pytest.raises(BadInput, match="the chart of postgres has a hook: Job a"):
        tree(planned(tmp_path, SHOP), postgres=chart)


@pytest.mark.parametrize("chart", ["a: [", "just text", "a: b"])
def test_a_chart_that_renders_to_nonsense_is_named(tmp_path: Path, chart: str) -> None:
    with pytest.raises(Failed, match="the chart of postgres"):
        tree(planned(tmp_path, SHOP), postgres=chart)


def test_the_order_of_a_charts_objects_does_not_matter(tmp_path: Path) -> None:
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    plan = planned(tmp_path, SHOP)
    assert tree(plan, postgres=f"{SET}---\n{other}") == tree(plan, postgres=f"{other}---\n{SET}")


@pytest.mark.requirement("CT-15")
def test_every_pod_of_an_app_keeps_the_rules(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, SHOP))
    for name in ("shop", "worker"):
        pod = objects(files[f"manifests/{name}.yaml"])["Deployment"]["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        assert pod["spec"]["enableServiceLinks"] is False
        assert pod["metadata"]["labels"]["kilter.dev/project"] == "shop"
        assert pod["metadata"]["labels"]["kilter.dev/service"] == name
        assert set(container["resources"]) == {"requests", "limits"}
        assert ("readinessProbe" in container) == (name == "shop")


def test_passwords_stand_in_secrets_and_nowhere_else(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, SHOP))
    found = objects(files["manifests/shop.yaml"])
    assert found["Secret"]["stringData"]["DATABASE_URL"].startswith(
        "postgresql://ada:s3cret@postgres.shop-dev.svc:5432"
    )
    assert "s3cret" not in yaml.safe_dump(found["Deployment"])
    assert not [name for name, text in files.items() if "s3cret" in text and not name.startswith(("manif", "values"))]


def test_a_changed_address_makes_new_pods(tmp_path: Path) -> None:
    first = tree(planned(tmp_path, SHOP))["manifests/worker.yaml"]
    second = tree(planned(tmp_path, SHOP.replace("[postgres]", "{postgres: {port: 6000}}")))["manifests/worker.yaml"]
    annotations = [
        objects(text)["Deployment"]["spec"]["template"]["metadata"]["annotations"] for text in (first, second)
    ]
    assert annotations[0] != annotations[1]


@pytest.mark.requirement("CT-Q37")
def test_values_of_the_user_are_literal(tmp_path: Path) -> None:
    text = "name: shop\nenv: {A: '$(PORT) ${B} {{ .Values }}', B: $HOME, NUMBER: '1e3', ANSWER: 'yes'}\n"
    manifest = tree(planned(tmp_path, text))["manifests/shop.yaml"]
    env = {each["name"]: each["value"] for each in _container(manifest)["env"]}
    assert env["A"] == "$$(PORT) $${B} {{ .Values }}"  # Kubernetes turns $$ into $
    assert env["B"] == "$HOME"
    assert 'value: "1e3"' in manifest
    assert 'value: "yes"' in manifest


def test_a_process_with_a_schedule_is_a_cron_job_that_tilt_does_not_wait_for(tmp_path: Path) -> None:
    text = "name: shop\nprocesses: {clean: {command: [clean], schedule: '0 * * * *'}}\n"
    files = tree(planned(tmp_path, text))
    assert objects(files["manifests/clean.yaml"])["CronJob"]["spec"]["schedule"] == "0 * * * *"
    assert 'pod_readiness="ignore"' in files["tilt/clean.tiltfile"]


def test_workloads_are_listed_with_the_mark_they_carry(tmp_path: Path) -> None:
    first = workloads(tree(planned(tmp_path, SHOP), postgres=SET))
    assert [(each.service, each.kind, each.name) for each in first] == [
        ("postgres", "StatefulSet", "postgres"),
        ("shop", "Deployment", "shop"),
        ("worker", "Deployment", "worker"),
    ]
    second = workloads(tree(planned(tmp_path, SHOP + "env: {A: b}\n"), postgres=SET))
    assert [one.rendered == other.rendered for one, other in zip(first, second, strict=True)] == [True, False, False]


def test_containerd_asks_the_cache_and_then_the_registry_itself() -> None:
    assert hosts_toml("http://kilter-cache-docker.io:5000", "https://registry-1.docker.io").splitlines()[1:] == [
        'server = "https://registry-1.docker.io"',
        "",
        '[host."http://kilter-cache-docker.io:5000"]',
        '  capabilities = ["pull", "resolve"]',
    ]


def test_the_machines_own_registry_has_no_other_server_to_fall_back_to() -> None:
    files = registry_hosts({"ghcr.io": "http://cache:5000"}, ["localhost:32760"], "http://kilter-registry:5000")
    assert set(files) == {"ghcr.io/hosts.toml", "localhost:32760/hosts.toml"}
    assert 'server = "https://ghcr.io"' in files["ghcr.io/hosts.toml"]
    assert 'server = "http://kilter-registry:5000"' in files["localhost:32760/hosts.toml"]


def _container(manifest: str) -> Any:
    return objects(manifest)["Deployment"]["spec"]["template"]["spec"]["containers"][0]
