"""What kilter renders, byte for byte; `make golden` renders it anew, and the difference is read before it is kept."""

import os

import pytest
from golden.regenerate import CRD, HERE, SCENARIOS, expected, helm_template, planned, rendered

from kilter.api.crd import crd_yaml
from kilter.render.tree import chart_jobs

HELM = os.environ.get("KILTER_TEST_HELM", "")  # read here: tests themselves see no KILTER_ variables


@pytest.mark.requirement("CT-25", "CT-Q24")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_rendered_tree_is_the_one_that_was_kept(scenario: str) -> None:
    tree = rendered(scenario)
    assert tree == expected(scenario)


@pytest.mark.skipif(not HELM, reason="KILTER_TEST_HELM names no helm binary: run `make test`")
@pytest.mark.requirement("CT-3", "CT-9", "CT-1")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_stored_output_of_helm_is_what_helm_prints(scenario: str) -> None:
    for job in chart_jobs(planned(scenario)):
        stored = (HERE / scenario / "charts" / f"{job.service}.yaml").read_text()
        assert helm_template(HELM, job) == stored


def test_the_crd_is_the_one_that_was_kept() -> None:
    """Section 13 of platform.md: a difference here is a change of the platform's contract."""
    assert crd_yaml() == CRD.read_text()
