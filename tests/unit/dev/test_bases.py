"""Which images a build needs, and that they come into Docker's own store."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from fakes import Answer, FakeRunner
from unit.dev.support import workspace

from kilter.dev.bases import bases, bring
from kilter.dev.warming import builds
from kilter.proc import Outcome
from kilter.project.dockerfile import read
from kilter.tools import images

STAGES = """FROM node:22 AS front
FROM --platform=$BUILDPLATFORM golang:1 AS tools
FROM python:3.13-slim AS base
COPY --from=front /dist /dist
FROM base AS dev
RUN --mount=type=bind,from=tools,target=/t --mount=type=cache,target=/c --mount=from=alpine:3,target=/a true
FROM base AS release
COPY --from=busybox:1 /bin/sh /sh
"""


@pytest.mark.requirement("CT-Q2")
@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        (STAGES, "dev", {"node:22", "golang:1", "python:3.13-slim", "alpine:3"}),
        (STAGES, None, {"node:22", "python:3.13-slim", "busybox:1"}),
        ("FROM scratch\nFROM scratch\nCOPY --from=0 /x /x\n", None, set()),
        ("ARG V=3\nFROM python:$V\nCOPY --from=${OTHER} /x /x\n", None, set()),
        ("FROM python AS python\n", None, {"python"}),
        ("FROM a AS b\nFROM c AS a\nFROM b\n", None, {"a"}),
        ("FROM a\n", "none", set()),
        ("", None, set()),
    ],
)
def test_a_target_needs_the_images_below_the_stages_that_it_reaches(
    text: str, target: str | None, expected: set[str]
) -> None:
    assert bases(read(text), target) == expected


def asked(folder: Path, answers: Mapping[tuple[str, ...], Answer]) -> list[str]:
    """Bring the bases of a project with one app, and return what Docker was asked."""
    (folder / "shop").mkdir()
    (folder / "shop" / "Dockerfile").write_text("FROM python:3.13-slim\nCOPY --from=node:22 /x /x\n")
    runner = FakeRunner(answers)
    opened = workspace(folder, runner, "port: 80\nprocesses: {worker: {command: [work]}}\n")
    bring(opened, builds(opened).values())
    return [f"{command.argv[1]} {command.argv[-1]}" for command in runner.commands]


@pytest.mark.requirement("CT-Q2")
def test_what_docker_lacks_is_pulled_and_what_it_has_is_not(tmp_path: Path) -> None:
    answers: dict[tuple[str, ...], Answer] = {
        images.inspect("node:22").argv: "sha256:1\n",
        images.inspect("python:3.13-slim").argv: Outcome(1, "", "No such image"),
        images.pull("python:3.13-slim").argv: "python:3.13-slim\n",
    }
    assert asked(tmp_path, answers) == ["image node:22", "image python:3.13-slim", "pull python:3.13-slim"]


def test_a_pull_that_fails_is_left_to_the_build_and_keeps_no_other_from_being_tried(tmp_path: Path) -> None:
    missing = {images.inspect(name).argv: Outcome(1) for name in ("node:22", "python:3.13-slim")}
    offline = {images.pull(name).argv: Outcome(1, "", "no route") for name in ("node:22", "python:3.13-slim")}
    assert asked(tmp_path, missing | offline)[-1] == "pull python:3.13-slim"


def test_a_dockerfile_that_has_gone_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    file = tmp_path / "shop" / "Dockerfile"
    file.write_text("FROM python\n")
    opened = workspace(tmp_path, FakeRunner(), "port: 80\n")
    file.unlink()
    bring(opened, builds(opened).values())
