"""The real table of stages."""

import re
from pathlib import Path

import pytest

from testbed import pins
from testbed.plan import Stage, keys_of, recipe_files, selection
from testbed.stages import STAGES
from testbed.work import RECIPES


def test_needs_come_before_what_needs_them() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert set(stage.needs) <= seen, stage.name
        seen.add(stage.name)


def test_every_stage_has_a_key() -> None:
    assert set(keys_of(RECIPES, STAGES)) == {stage.name for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_recipe_exists(stage: Stage) -> None:
    assert all(path.exists() for path in recipe_files(RECIPES, stage.recipe))


def test_the_cluster_node_does_not_wait_for_tilt() -> None:
    order = [stage.name for stage in STAGES if stage.compiles]
    assert order == ["kubernetes", "policies", "kind", "registry", "tilt", "platform"]


def test_the_demo_waits_for_nothing_of_the_platform() -> None:
    chosen = {stage.name for stage in selection(STAGES, [], "demo")}
    assert {stage.name for stage in STAGES} - chosen == {
        "platform", "image-source-controller", "image-kustomize-controller", "image-notification-controller",
        "image-traefik", "image-metrics-server",
    }  # fmt: skip


def requirements(module: str) -> dict[str, str]:
    """The version that a build requires of each module."""
    text = (RECIPES / "go" / module / "go.mod").read_text()
    required, _, _ = text.partition("replace")
    return dict(re.findall(r"^(?:\t|require )(\S+\.\S+) (v\S+)", required, re.MULTILINE))


def replacements(module: str) -> dict[str, str]:
    """What a build puts in place of modules."""
    text = (RECIPES / "go" / module / "go.mod").read_text()
    return dict(re.findall(r"^(?:\t|replace )(\S+) => (.+)$", text, re.MULTILINE))


def test_what_enforces_policies_is_built_with_the_libraries_that_were_compiled_for_kubernetes() -> None:
    ours, theirs = requirements("policies"), requirements("kubernetes")
    assert "k8s.io/client-go" in ours
    assert {name: theirs[name] for name in ours} == ours
    told = replacements("kubernetes")
    assert {name: told[name] for name in ours if name in told} == replacements("policies")


def test_the_platform_is_built_with_the_libraries_that_were_compiled_for_kubernetes() -> None:
    """A version that differs, or the same one by another way, compiles half of Kubernetes' libraries a second time."""
    ours, theirs = requirements("platform"), requirements("kubernetes")
    # Replaced by Flux, or too small to matter; Kubernetes' own modules of v0.0.0 are replaced there only.
    apart = {"github.com/opencontainers/go-digest", "github.com/pires/go-proxyproto", "github.com/quic-go/quic-go"}
    apart |= {name for name, version in theirs.items() if version == "v0.0.0"}
    shared = {name for name in ours if name in theirs} - apart
    assert len(shared) > 100
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
    replaced = {name for name in shared if not name.startswith("k8s.io/")}
    told = [
        {name: line for name, line in replacements(one).items() if name in replaced}
        for one in ("platform", "kubernetes")
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("module", "version"),
    [
        ("kind", pins.KIND),
        ("tilt", pins.TILT),
        ("kubernetes", pins.KUBERNETES),
        ("platform", pins.TRAEFIK),
        ("platform", pins.METRICS_SERVER),
        *(("platform", version) for version in pins.FLUX.values()),
    ],
)
def test_a_pinned_version_is_the_one_in_its_module(module: str, version: str) -> None:
    assert f"v{version}\n" in (RECIPES / "go" / module / "go.mod").read_text()


def test_the_copied_lego_is_the_one_that_traefik_asks_for() -> None:
    assert requirements("platform")["github.com/go-acme/lego/v4"] == f"v{pins.LEGO}"


def test_no_recipe_names_a_folder_of_one_machine() -> None:
    texts = [path.read_text() for path in Path(RECIPES).rglob("*") if path.suffix in {".py", ".sh", ".yaml", ".mod"}]
    assert not any("/root/." in text for text in texts)
