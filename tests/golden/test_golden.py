"""What kilter renders, byte for byte; `make golden` renders it anew, and the difference is read before it is kept."""

import os

import pytest
import yaml
from golden.regenerate import CRD, HERE, SCENARIOS, expected, helm_template, planned, rendered

from kilter.api.crd import crd_yaml
from kilter.render.tree import chart_jobs

HELM = os.environ.get("KILTER_TEST_HELM", "")  # read here: tests themselves see no KILTER_ variables


@pytest.mark.requirement("CT-25", "CT-Q24")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_rendered_tree_is_the_one_that_was_kept(scenario: str) -> None:
    tree = rendered(scenario)
    assert tree == expected(scenario)


@pytest.mark.requirement("CT-3")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_secret_holds_the_project_s_name(scenario: str) -> None:
    """Tilt strikes out what a Secret holds wherever it prints it: in the path that a build did not find, above all."""
    project = planned(scenario).project
    for name, text in expected(scenario).items():
        if name.startswith("manifests/"):
            secrets = [item for item in yaml.safe_load_all(text) if item and item["kind"] == "Secret"]
            assert not [item["metadata"]["name"] for item in secrets if project in item["stringData"].values()]


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
