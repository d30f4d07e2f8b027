import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner
from unit.dev.support import told, workspace

from kilter.clusters.imagecache import is_qualified
from kilter.dev.up import Up, UpOptions
from kilter.dev.warming import Warming, pull_into
from kilter.proc import Command, Outcome

NODE = "kilter-shop-control-plane"
REDIS = pull_into(NODE, "docker.io/library/redis:8").argv
ARCHITECTURE = ("docker", "exec", NODE, "uname", "-m")
GONE = Outcome(1, "", "no such container")


class Slow(FakeRunner):
    """A machine whose node has unpacked redis only when the test says so."""

    def __init__(self, answers: Any) -> None:
        super().__init__(answers)
        self.unpacked = threading.Event()

    def run(self, command: Command) -> Outcome:
        if command.argv == REDIS:
            self.unpacked.wait(5)
        return super().run(command)


class Building(FakeRunner):
    """A machine that builds every image, and keeps what it was given beside the context."""

    given: Mapping[str, str] = {}

    def run(self, command: Command) -> Outcome:
        if command.argv[1] != "build":
            return super().run(command)
        self.commands.append(command)
        file = Path(command.argv[command.argv.index("--file") + 1])
        self.given = {each.name: each.read_text() for each in file.parent.iterdir()}
        assert file.name in self.given
        return Outcome(0)


def done() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future


def test_images_of_services_are_pulled_until_the_node_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilter.dev.warming.RETRY", 0.01)
    runner = FakeRunner({REDIS: [Outcome(1, "", "no such container"), ""], ARCHITECTURE: GONE})
    warming = Warming(workspace(tmp_path, runner), done())
    with ThreadPoolExecutor() as pool:
        warming.begin(pool)
    assert [command.argv for command in runner.commands[:2]] == [REDIS, REDIS]


@pytest.mark.requirement("CT-Q2")
def test_once_the_images_were_pulled_the_caches_are_looked_at_for_all_their_parts(tmp_path: Path) -> None:
    runner = FakeRunner({REDIS: "", ARCHITECTURE: GONE})
    with ThreadPoolExecutor() as pool:
        Warming(workspace(tmp_path, runner), done()).begin(pool)
    assert [command.argv for command in runner.commands] == [REDIS, ARCHITECTURE]


def test_nobody_goes_on_trying_when_the_cluster_stands(tmp_path: Path) -> None:
    runner = FakeRunner({REDIS: Outcome(1, "", "no such image"), ARCHITECTURE: GONE})
    warming = Warming(workspace(tmp_path, runner), done())
    with ThreadPoolExecutor() as pool, warming:
        warming.begin(pool)
    assert {command.argv for command in runner.commands} <= {REDIS, ARCHITECTURE}


def test_an_image_of_the_project_is_built_pushed_and_pulled(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\nEXPOSE 80\nCOPY . .\n")
    tag = "localhost:32760/shop_shop:warm"
    pulled = pull_into(NODE, "kilter-registry:5000/shop_shop:warm").argv
    runner = Building({("docker", "push", tag): "", pulled: ""})
    warming = Warming(workspace(tmp_path, runner, "port: 80\nprocesses: {worker: {command: [work]}}\n"), done())
    with ThreadPoolExecutor() as pool:
        warming.begin(pool)
    assert [command.argv[1] for command in runner.commands] == ["build", "push", "exec"]
    assert runner.commands[0].argv[-4:] == ("--tag", tag, "--", str(root))


@pytest.mark.requirement("NS-Q26")
@pytest.mark.parametrize(
    ("name", "own"), [("", ""), (".dockerignore", "*.log"), ("Dockerfile.dockerignore", "*.tmp\n")]
)
def test_an_image_is_built_from_what_the_dev_loop_builds_it_from(name: str, own: str, tmp_path: Path) -> None:
    """With `COPY . .` a `.env` would lie in the machine's registry, and a `node_modules` be pushed for minutes."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\nEXPOSE 80\nCOPY . .\n")
    if name:
        (root / ".dockerignore").write_text("is behind Dockerfile.dockerignore")
        (root / name).write_text(own)
    runner = Building({("docker", "push", "localhost:32760/shop_shop:warm"): Outcome(1)})
    with ThreadPoolExecutor() as pool:
        Warming(workspace(tmp_path, runner, "port: 80\n"), done()).begin(pool)
    assert runner.given["Dockerfile"] == "FROM scratch\nEXPOSE 80\nCOPY . .\n"
    lines = runner.given["Dockerfile.dockerignore"].splitlines()
    assert lines[0] == own.strip()
    assert {"**/.git", "**/.env", "**/.env.*", "**/node_modules"} <= set(lines[1:])
    assert lines.index("**/.env.*") < lines.index("!.env.example")
    assert not Path(runner.commands[0].argv[3]).parent.exists()


def test_up_waits_for_the_images_of_services_because_pods_would_unpack_them_again(tmp_path: Path) -> None:
    """A node knows an image before it is unpacked; each pod that starts meanwhile does that work once more."""
    runner = Slow({REDIS: "", ARCHITECTURE: GONE})
    warming = Warming(workspace(tmp_path, runner), done())
    with ThreadPoolExecutor() as pool, warming:
        warming.begin(pool)
        assert not warming.await_services(0.01)
        runner.unpacked.set()
        assert warming.await_services(5)


def test_up_says_of_images_that_take_too_long_that_they_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, await_services = list[float](), Warming.await_services

    def at_once(self: Warming, seconds: float) -> bool:
        left.append(seconds)
        return await_services(self, 0.0)

    monkeypatch.setattr(Warming, "await_services", at_once)
    runner = Slow({REDIS: "", ARCHITECTURE: GONE})
    opened = workspace(tmp_path, runner)
    warming = Warming(opened, done())
    with ThreadPoolExecutor() as pool, warming:
        up = Up(opened.machine, opened.project, UpOptions(timeout=0.0), pool)  # a second is left in any case
        up.await_images(warming)
        assert told(opened.machine) == []
        warming.begin(pool)
        up.await_images(warming)
        runner.unpacked.set()
    assert max(left) == 1.0
    title = "bring the services' images into the cluster"
    assert f"{title}: done: goes on; the services start as their images come" in told(opened.machine)


def test_the_image_of_an_app_is_pulled_when_those_of_its_services_are_there(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\nEXPOSE 80\nCOPY . .\n")
    tag = "localhost:32760/shop_shop:warm"
    pulled = pull_into(NODE, "kilter-registry:5000/shop_shop:warm").argv

    class SlowerThanPush(Slow, Building):
        def run(self, command: Command) -> Outcome:
            outcome = super().run(command)
            if command.argv[1] == "push":
                self.unpacked.set()
            return outcome

    runner = SlowerThanPush({("docker", "push", tag): "", pulled: "", REDIS: "", ARCHITECTURE: GONE})
    warming = Warming(workspace(tmp_path, runner, "services: [redis]\nport: 80\n"), done())
    with ThreadPoolExecutor() as pool:
        warming.begin(pool)
    order = [command.argv for command in runner.commands]
    assert order.index(("docker", "push", tag)) < order.index(REDIS) < order.index(pulled)


def test_a_build_that_fails_is_left_to_tilt_to_tell(tmp_path: Path) -> None:
    class Failing(FakeRunner):
        def run(self, command: Command) -> Outcome:
            self.commands.append(command)
            raise command.error("no")

    root = tmp_path / "shop"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\nEXPOSE 80\n")
    runner = Failing()
    with ThreadPoolExecutor() as pool:
        Warming(workspace(tmp_path, runner, "port: 80\n"), done()).begin(pool)
    assert [command.argv[1] for command in runner.commands] == ["build"]


@pytest.mark.parametrize(
    ("image", "qualified"), [("docker.io/library/redis:8", True), ("pgvector/pgvector:pg17", False), ("redis:8", False)]
)
def test_only_a_reference_that_names_its_registry_can_be_pulled_by_the_node_itself(image: str, qualified: bool) -> None:
    assert is_qualified(image) is qualified
