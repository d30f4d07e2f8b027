from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.render.support import planned, tree

from kilter.render.tree import claimed

CHART = """apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  replicas: 2
  template: {metadata: {labels: {a: b}}}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
    - metadata: {name: log}
      spec: {accessModes: [ReadWriteOnce], storageClassName: slow, resources: {requests: {storage: 2Gi}}}
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return tree(planned(tmp_path, "name: shop\nservices: [postgres]\n", None), postgres=CHART)


def volumes(files: dict[str, str]) -> dict[str, Any]:
    documents = yaml.safe_load_all(files["manifests/postgres.yaml"])
    return {item["metadata"]["name"]: item for item in documents if item["kind"] == "PersistentVolume"}


@pytest.mark.requirement("LC-20", "LC-Q21")
def test_every_claim_has_a_folder_of_its_name_so_that_another_cluster_finds_it(files: dict[str, str]) -> None:
    found = volumes(files)
    assert set(found) == {"data-postgres-0", "data-postgres-1", "log-postgres-0", "log-postgres-1"}
    assert claimed(files) == list(found)
    for name, volume in found.items():
        assert volume["spec"]["local"]["path"] == f"/var/local-path-provisioner/{name}"
        assert (volume["spec"]["claimRef"]["namespace"], volume["spec"]["claimRef"]["name"]) == ("shop-dev", name)


def test_a_volume_is_kept_when_its_claim_goes(files: dict[str, str]) -> None:
    assert {volume["spec"]["persistentVolumeReclaimPolicy"] for volume in volumes(files).values()} == {"Retain"}


def test_a_volume_has_the_size_and_the_class_that_its_claim_asks_for(files: dict[str, str]) -> None:
    data, log = (volumes(files)[name]["spec"] for name in ("data-postgres-0", "log-postgres-0"))
    assert (data["capacity"], data["storageClassName"]) == ({"storage": "1Gi"}, "")
    assert (log["capacity"], log["storageClassName"]) == ({"storage": "2Gi"}, "slow")


def test_a_claim_names_no_class_unless_its_chart_does(files: dict[str, str]) -> None:
    """With the cluster's default class scheduler and controller bind it at once, and the loser waits two seconds."""
    documents = yaml.safe_load_all(files["manifests/postgres.yaml"])
    (workload,) = (item for item in documents if item["kind"] == "StatefulSet")
    data, log = (template["spec"] for template in workload["spec"]["volumeClaimTemplates"])
    assert (data["storageClassName"], log["storageClassName"]) == ("", "slow")
    assert data["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.requirement("CT-Q17")
def test_the_pods_of_an_app_wait_for_every_declared_service(tmp_path: Path) -> None:
    services = "services: {db: {type: postgres, port: 6000}, redis: }\n"
    night = "processes: {night: {command: [a], schedule: '* * * * *'}}\n"
    found = tree(planned(tmp_path, "name: shop\n" + services + night))
    app = next(item for item in yaml.safe_load_all(found["manifests/shop.yaml"]) if item["kind"] == "Deployment")
    waits = {one["name"]: one["command"][2] for one in app["spec"]["template"]["spec"]["initContainers"]}
    assert "pg_isready --quiet --timeout=2 --host=db.shop-dev.svc --port=6000 >/dev/null" in waits["db"]
    assert "until timeout 3 redis-cli -h redis.shop-dev.svc -p 6379 ping >/dev/null" in waits["redis"]
    assert "initContainers" not in found["manifests/night.yaml"]
