"""The images that were built for a project, and nobody else's."""

import json
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import machine, told

from kilter.dev.images import built, of_project, remove_built
from kilter.proc import Outcome
from kilter.tools import docker, images

LIST = images.named("localhost:32760/shop_*").argv
OURS = [
    ("localhost:32760/shop_shop", "tilt-1c93bbe61f64a395"),
    ("localhost:32760/shop_shop", "warm"),
    ("localhost:32760/shop_shop.rebuilt", "tilt-1c93bbe61f64a395"),
]
OTHERS = [
    ("localhost:32760/shop-two_web", "tilt-1"),
    ("localhost:32760/shopping_web", "tilt-1"),
    ("localhost:32760/my-shop_web", "tilt-1"),
    ("localhost:32761/shop_web", "tilt-1"),
    ("registry.example.com/shop_web", "tilt-1"),
    ("shop_web", "latest"),
    ("python", "3.13-slim"),
    ("localhost:32760/shop_shop", "<none>"),
]


def rows(*names: tuple[str, str]) -> str:
    return "\n".join(json.dumps({"Repository": repository, "Tag": tag}) for repository, tag in names)


@pytest.mark.requirement("LC-Q10")
def test_only_the_projects_own_names_in_kilters_registry_are_its_images() -> None:
    found = of_project(docker.parse_lines(rows(*OTHERS, *OURS)), "shop")
    assert found == sorted(f"{repository}:{tag}" for repository, tag in OURS)


def test_what_is_no_image_of_the_project_is_not_listed(tmp_path: Path) -> None:
    opened = machine(tmp_path, FakeRunner({LIST: rows(*OTHERS, OURS[1])}))
    assert built(opened, "shop") == ["localhost:32760/shop_shop:warm"]


def test_one_whose_tag_went_to_a_later_build_is_known_by_its_digest() -> None:
    """Docker keeps it, with all its layers, for as long as it has the name that the registry gave it."""
    row = {"Repository": "localhost:32760/shop_shop", "Tag": "<none>", "Digest": "sha256:91644ea1"}
    assert of_project([row, {**row, "Tag": "warm"}], "shop") == [
        "localhost:32760/shop_shop:warm", "localhost:32760/shop_shop@sha256:91644ea1"
    ]  # fmt: skip
    assert "--digests" in LIST


@pytest.mark.requirement("LC-Q10")
def test_they_are_removed_by_name_and_without_force(tmp_path: Path) -> None:
    names = sorted(f"{repository}:{tag}" for repository, tag in OURS)
    # Exit code 1: one of them was gone meanwhile.
    runner = FakeRunner({LIST: [rows(*OURS), rows(*OTHERS)], images.remove(*names).argv: Outcome(1, "", "none such")})
    opened = machine(tmp_path, runner)
    assert remove_built(opened, "shop")
    assert "--force" not in runner.commands[1].argv
    assert told(opened) == ["note: removed the images that were built for shop (3)"]


@pytest.mark.requirement("LC-Q10")
def test_what_a_container_of_somebodys_uses_stays_and_is_told(tmp_path: Path) -> None:
    names = sorted(f"{repository}:{tag}" for repository, tag in OURS)
    runner = FakeRunner({LIST: [rows(*OURS), rows(OURS[1])], images.remove(*names).argv: Outcome(1, "", "conflict")})
    opened = machine(tmp_path, runner)
    assert not remove_built(opened, "shop")
    assert told(opened) == [
        "note: removed the images that were built for shop (2)",
        "warn: images built for shop stay, as something uses them: localhost:32760/shop_shop:warm",
    ]


def test_a_project_that_built_nothing_removes_nothing(tmp_path: Path) -> None:
    runner = FakeRunner({LIST: ""})
    assert remove_built(machine(tmp_path, runner), "shop")
    assert [command.argv for command in runner.commands] == [LIST]


def test_an_engine_that_refuses_is_a_warning(tmp_path: Path) -> None:
    opened = machine(tmp_path, FakeRunner({LIST: Outcome(1, "", "no")}))
    assert not remove_built(opened, "shop")
    assert told(opened)[0].startswith("warn: the images built for shop were not removed: ")
