"""What goes into the image of the platform's programs."""

from pathlib import Path

import pytest
from harness.script import loaded

from kilter.errors import BadInput, MachineLacks
from kilter.tools.versions import Platform

build_image = loaded(Path(__file__).resolve().parents[3] / "scripts/build_image.py")
ASKED = build_image.asked


class Machine:
    """Plays Docker and uv, and the folder that tools are brought to."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder, self.engine = folder, engine
        self.commands: list[tuple[str, ...]] = []
        self.brought: list[Platform] = []

    def run(self, *command: str) -> None:
        self.commands.append(command)

    def asked(self, *command: str) -> str:
        assert command == build_image.ENGINE
        return f"{self.engine}\n"

    def bring(self, tool: object, platform: Platform, *rest: object) -> Path:
        self.brought.append(platform)
        file = self.folder / "helm-of-it"
        file.write_text("-".join(platform))
        return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path, "linux/arm64")
    monkeypatch.delenv("DOCKER_DEFAULT_PLATFORM", raising=False)
    monkeypatch.setattr(build_image, "CONTEXT", tmp_path / "context")
    for name in ("run", "asked", "bring"):
        monkeypatch.setattr(build_image, name, getattr(found, name))
    return found


def test_helm_in_the_image_is_for_what_docker_builds_and_not_for_this_machine(machine: Machine) -> None:
    build_image.main("kilter:dev", "", push=False)
    assert machine.brought == [("linux", "arm64")]
    assert (machine.folder / "context/helm").read_text() == "linux-arm64"
    assert "--platform" not in machine.commands[-1]


def test_a_platform_that_is_named_is_that_of_the_image_and_of_helm(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_image.main("example.com/kilter:1", "linux/amd64", push=True)
    [*_, build, push] = machine.commands
    assert build[:4] == ("docker", "build", "--platform", "linux/amd64")
    assert push == ("docker", "push", "--quiet", "example.com/kilter:1")
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/amd64")
    build_image.main("kilter:dev", "", push=False)
    assert machine.brought == [("linux", "amd64")] * 2


def test_a_machine_without_docker_is_told_so_before_anything_is_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_image, "asked", ASKED)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MachineLacks, match="there is no `docker` on PATH"):
        build_image.main("kilter:dev", "", push=False)
    assert machine.commands == []


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/riscv64", "darwin/arm64", "linux"])
def test_a_platform_that_the_image_cannot_be_for_is_refused_before_the_build(machine: Machine, platform: str) -> None:
    with pytest.raises(BadInput, match="there is no image for"):
        build_image.main("kilter:dev", platform, push=False)
    assert not [command for command in machine.commands if command[0] == "docker"]
