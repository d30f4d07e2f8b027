"""A project's workspace: what is refused before ports and credentials are given out."""

from pathlib import Path

import pytest
from unit.dev.support import machine

from kilter.dev.workspace import open_workspace
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
