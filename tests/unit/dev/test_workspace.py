"""A project's workspace: what is refused before ports and credentials are given out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from unit.dev.support import machine

from kilter.dev.workspace import open_workspace
from kilter.errors import BadInput
from kilter.project.load import InvalidProject, load
from kilter.state import records


@pytest.mark.requirement("CT-Q9")
def test_a_service_that_the_catalog_lacks_is_refused_at_its_place_and_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {postgre: }\n")
    here = machine(tmp_path)
    with pytest.raises(InvalidProject) as caught:
        open_workspace(here, load(tmp_path / "kilter.yaml"))
    assert str(caught.value.faults[0]).startswith("kilter.yaml:2:12 services.postgre: ")
    assert records.all(here.paths) == ()


@pytest.mark.requirement("NS-Q18")
def test_a_port_outside_of_the_block_is_refused_only_where_a_cluster_has_its_ports_already(tmp_path: Path) -> None:
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: }\n")
    here, file = machine(tmp_path), tmp_path / "kilter.yaml"
    base = open_workspace(here, load(file)).allocation.base
    pin = 30000 + (base - 30000 + 600) % 2700
    file.write_text(f"name: shop\nservices: {{redis: {{hostPort: {pin}}}}}\n")
    opened = open_workspace(here, load(file))
    assert opened.allocation.ports["redis/redis"] == pin
    here.paths.cluster_mark("shop").parent.mkdir(parents=True)
    here.paths.cluster_mark("shop").touch()
    assert open_workspace(here, load(file)) == opened, "the cluster was made with it"
    file.write_text(f"name: shop\nservices: {{redis: {{hostPort: {pin + 1}}}}}\n")
    with pytest.raises(BadInput, match="needs a new cluster"):
        open_workspace(here, load(file))


@pytest.mark.requirement("NS-Q18")
def test_a_cluster_that_may_not_be_looked_for_counts_as_one(tmp_path: Path, close: Callable[[Path], None]) -> None:
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: }\n")
    here, file = machine(tmp_path), tmp_path / "kilter.yaml"
    opened = open_workspace(here, load(file))
    close(here.paths.project_data("shop"))
    assert open_workspace(here, load(file)) == opened
    pin = 30000 + (opened.allocation.base - 30000 + 600) % 2700
    file.write_text(f"name: shop\nservices: {{redis: {{hostPort: {pin}}}}}\n")
    with pytest.raises(BadInput, match="needs a new cluster"):
        open_workspace(here, load(file))
