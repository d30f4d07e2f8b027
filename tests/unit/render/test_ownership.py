"""The marks of kilter's own objects."""

from pathlib import Path

import pytest
from unit.render.support import planned, tree

from kilter.catalog.load import chart, names
from kilter.render.ownership import KEEP, OBJECT, PROJECT, PRUNED, identity
from kilter.render.text import load_all
from kilter.render.tree import identities

CHART = """apiVersion: v1
kind: Secret
metadata: {name: a}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: b, labels: {x: y}, annotations: {z: w}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: c, labels: {kilter.dev/project: another}}
"""
TEXT = "name: shop\nservices: [postgres]\nprocesses: {worker: {command: [work]}}\n"


@pytest.mark.requirement("CT-Q6")
def test_every_rendered_object_says_whose_it_is_and_what_it_was_made_as(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, TEXT), postgres=CHART)
    objects = [item for name, text in files.items() if name.startswith("manifests/") for item in load_all(text)]
    assert {identity(item) for item in objects} == identities(files)
    assert len(objects) == 9
    for item in objects:
        assert item["metadata"]["labels"][PROJECT] == "shop"
        assert item["metadata"]["annotations"][OBJECT] == identity(item)


@pytest.mark.requirement("CT-Q6")
def test_tilt_is_told_to_keep_exactly_what_kilter_keeps(tmp_path: Path) -> None:
    files = tree(planned(tmp_path, TEXT), postgres=CHART)
    objects = [item for name, text in files.items() if name.startswith("manifests/") for item in load_all(text)]
    kept = {item["kind"] for item in objects if KEEP.items() <= item["metadata"]["annotations"].items()}
    assert kept == {"Namespace", "PersistentVolumeClaim"}
    assert not kept & set(PRUNED)


def test_marks_are_added_to_what_a_chart_says(tmp_path: Path) -> None:
    found = load_all(tree(planned(tmp_path, TEXT), postgres=CHART)["manifests/postgres.yaml"])
    claim = next(item for item in found if item["kind"] == "PersistentVolumeClaim")["metadata"]
    assert claim["labels"] == {"x": "y", PROJECT: "shop"}
    assert claim["annotations"]["z"] == "w"


@pytest.mark.parametrize("name", names())
def test_every_kind_of_the_catalogs_charts_is_removed_with_its_service(name: str) -> None:
    """A kind that is missing in PRUNED would stay in the cluster: add it there, if it holds no data."""
    lines = [line for file in chart(name).glob("templates/*.yaml") for line in file.read_text().splitlines()]
    kinds = {line.removeprefix("kind: ") for line in lines if line.startswith("kind: ")}
    assert kinds
    assert kinds <= set(PRUNED)
