"""What is refused, or told, before anything is built."""

from pathlib import Path
from typing import Any

import pytest
from fakes import ENGINE, FakeRunner
from integration.deploy.conftest import RUN
from integration.deploy.server import serving
from integration.deploy.test_attach import ENVIRONMENT
from integration.deploy.test_deploy import ACCEPTED, AT, GRANTED, IMAGE, INFO

from kilter.deploy.client import Client
from kilter.deploy.deploy import Deployment, DeployOptions
from kilter.deploy.image import ALL_CHANGES, source_of
from kilter.deploy.logins import Login
from kilter.deploy.names import ProjectName
from kilter.errors import BadInput
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.project.load import Project, load
from kilter.tools import images

COMMIT = "c0ffee" * 6 + "c0ff"
HEAD, STATUS = ("git", "rev-parse", "HEAD"), ("git", "status", "--porcelain", *ALL_CHANGES, "--")
IGNORED = ("git", "check-ignore", "--quiet", "--", "kilter.yaml")
CHANGED = " M shop/greeting.py\n?? notes.txt\n"
ENVS = "/v1/projects/acme/shop/envs"
SCOPES = [{"project": "acme/*", "env": "*"}]
WHO = {"actor": "mia", "role": "maintainer", "scopes": SCOPES, "token_id": "t", "expires_at": AT}
WARNING = f"warn: the release holds uncommitted changes (2 on top of {COMMIT[:12]})"


def project(folder: Path, text: str = "name: shop\n") -> Project:
    (folder / "kilter.yaml").write_text(text)
    (folder / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    return load(folder / "kilter.yaml")


class Platform:
    """A platform whose environments have these classes, and what it was sent."""

    def __init__(
        self, folder: Path, changes: str = "", info: Any = INFO, text: str = "name: shop\n", **classes: str
    ) -> None:
        self.project = project(folder, text)
        self.runner = FakeRunner(
            {**ENGINE, HEAD: f"{COMMIT}\n", (*STATUS, "."): changes, IGNORED: Outcome(1)},
        )
        self.table: dict[str, Any] = {"GET__/v1/info": [(200, info)], "GET__/v1/whoami": [(200, WHO)]}
        for env in ("dev", "prod"):
            self.table[f"POST__{ENVS}/{env}/deploys"] = [(202, ACCEPTED)]
        for env, env_class in classes.items():
            self.table[f"GET__{ENVS}/{env}"] = [(200, {**ENVIRONMENT, "env": env, "env_class": env_class})]
        self.progress, self.sent = Recorder(), list[Any]()

    def deploy(self, env: str, **options: Any) -> None:
        with serving(**self.table) as served, Client(Login(served.address, "t")) as client:
            given = DeployOptions(**{"env": env, "image": IMAGE, "wait": False, **options})
            try:
                name = ProjectName("acme", "shop")
                Deployment(client, self.runner, self.progress, self.project, name, given).run()
            finally:
                self.sent = [body for what, _, body in served.asked if not what.startswith("GET")]


@pytest.mark.requirement("DP-Q28")
@pytest.mark.parametrize(
    ("env", "platform"),
    [
        ("dev", {"dev": "protected"}),
        ("prod", {"info": {**INFO, "protected_envs": ["prod"]}}),
        ("prod", {"info": {**INFO, "protected_envs": ["pro*"]}, "prod": "standard"}),
    ],
)
def test_a_protected_environment_is_refused_uncommitted_changes_before_the_build(
    tmp_path: Path, env: str, platform: dict[str, Any]
) -> None:
    there = Platform(tmp_path, CHANGED, **platform)
    with pytest.raises(BadInput, match=f"{env} is protected, and the working tree has uncommitted changes") as caught:
        there.deploy(env, image="")
    assert caught.value.details == ("shop/greeting.py", "notes.txt")
    assert "`--allow-dirty`" in caught.value.hint
    assert there.sent == []


@pytest.mark.requirement("DP-Q28")
def test_uncommitted_changes_that_are_meant_are_told_and_allowed(tmp_path: Path) -> None:
    there = Platform(tmp_path, CHANGED, prod="protected")
    there.deploy("prod", allow_dirty=True)
    assert WARNING in there.progress.lines
    [body] = there.sent
    assert (body["allow_dirty"], body["source"]["dirty"]) == (True, True)


@pytest.mark.requirement("DP-Q28")
@pytest.mark.parametrize("classes", [{"dev": "standard"}, {}])
def test_elsewhere_uncommitted_changes_are_told_alone(tmp_path: Path, classes: dict[str, str]) -> None:
    there = Platform(tmp_path, CHANGED, info={**INFO, "protected_envs": ["prod"]}, **classes)
    there.deploy("dev")
    assert WARNING in there.progress.lines
    assert "allow_dirty" not in there.sent[0]


def test_a_clean_tree_is_nothing_to_talk_about(tmp_path: Path) -> None:
    there = Platform(tmp_path, prod="protected")
    there.deploy("prod")
    assert not [line for line in there.progress.lines if line.startswith("warn")]
    assert there.sent[0]["source"] == {"commit": COMMIT}


def test_of_many_uncommitted_files_some_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    there = Platform(tmp_path, "".join(f"?? file-{number:02}\n" for number in range(12)), prod="protected")
    with pytest.raises(BadInput) as caught:
        there.deploy("prod")
    assert caught.value.details[-2:] == ("file-09", "and 2 more")


@pytest.mark.requirement("DP-Q28")
@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (Outcome(128, "", "fatal: not a git repository (or any of the parent directories): .git\n"), ""),
        (
            Outcome(128, "", "fatal: detected dubious ownership in repository at '/src'\nTo add"),
            "detected dubious owner",
        ),
        (Outcome(128, "", "fatal: ambiguous argument 'HEAD': unknown\n"), "the branch has no commit yet"),
    ],
)
def test_what_git_cannot_tell_is_not_taken_for_committed(tmp_path: Path, said: Outcome, fault: str) -> None:
    there = Platform(tmp_path, prod="protected")
    there.runner.answers = {**there.runner.answers, HEAD: said}
    if fault:
        with pytest.raises(BadInput, match=f"prod is protected, and Git cannot tell what is committed: {fault}"):
            there.deploy("prod")
    there.deploy("prod", allow_dirty=True)
    assert [fault in line for line in there.progress.lines if line.startswith("warn: no commit says")] == [True] * bool(
        fault
    )
    assert there.sent[0].get("source", {}) == ({"dirty": True} if fault else {})


SERVICES = "name: shop\nservices: {db: {type: postgres}, queue: {type: temporal}, redis: }\n"


@pytest.mark.requirement("DP-Q20")
def test_every_service_that_the_platform_does_not_offer_is_named_before_the_build(tmp_path: Path) -> None:
    there = Platform(tmp_path, info={**INFO, "services": ["postgres"]}, text=SERVICES)
    with pytest.raises(BadInput, match=r"does not offer queue \(temporal\), redis$") as caught:
        there.deploy("dev", image="")
    assert caught.value.why == "it offers postgres"
    assert "take it out of `services:`" in caught.value.hint
    assert there.sent == []


VERSIONS = {"postgres": ["16", "17"], "redis": ["8"]}
OLD = "name: shop\nservices: {postgres: {version: '9'}, cache: {type: redis, version: '7'}, queue: {type: temporal}}\n"


@pytest.mark.requirement("DP-Q20")
def test_versions_that_the_platform_does_not_have_are_named_too_with_those_it_has(tmp_path: Path) -> None:
    told = {**INFO, "services": ["postgres", "redis"], "service_versions": VERSIONS}
    there = Platform(tmp_path, info=told, text=OLD)
    missing = r"does not offer queue \(temporal\), postgres 9, cache \(redis 7\)$"
    with pytest.raises(BadInput, match=missing) as caught:
        there.deploy("dev", image="")
    assert caught.value.why == "it offers postgres 16 or 17, redis 8"
    assert "choose a version that it has" in caught.value.hint
    assert there.sent == []


@pytest.mark.requirement("DP-Q20")
@pytest.mark.parametrize(
    "told", [{}, {"service_versions": None}, {"service_versions": {}}, {"service_versions": {"postgres": ["9", "17"]}}]
)
def test_versions_that_the_platform_has_or_may_have_are_left_to_it(tmp_path: Path, told: dict[str, Any]) -> None:
    there = Platform(tmp_path, info={**INFO, **told}, text="name: shop\nservices: {postgres: {version: '9'}}\n")
    there.deploy("dev")
    assert there.sent[0]["app"]["services"][0]["version"] == "9"


@pytest.mark.requirement("DP-Q20")
@pytest.mark.parametrize("told", [{"services": ["postgres", "redis", "temporal"]}, {}, {"services": None}])
def test_services_that_are_offered_or_may_be_are_left_to_the_platform(tmp_path: Path, told: dict[str, Any]) -> None:
    there = Platform(tmp_path, info={**INFO, **told}, text=SERVICES)
    there.deploy("dev")
    assert [each["kind"] for each in there.sent[0]["app"]["services"]] == ["postgres", "temporal", "redis"]


MIXED = {**INFO, "platforms": ["linux/amd64", "linux/arm64"], "binds_platform": True}
BUILT = {"POST__/v1/projects/acme/shop/push-credentials": [(201, {**GRANTED, "expires_at": AT})]}


def built(there: Platform, platform: str, name: str = f"dev-{COMMIT[:12]}") -> None:
    """Let the platform's image be built for `platform` alone, and be pushed."""
    tag, folder = f"localhost:1/acme/shop:{name}-{RUN}", there.project.root
    build = images.build(folder, tag, dockerfile=folder / "Dockerfile", platform=platform)
    pushed = f"dev: digest: {IMAGE.partition('@')[2]} size: 1\n"
    answers = {build.argv: "", images.push(tag).argv: pushed, images.untag(tag).argv: ""}
    there.runner.answers = {**there.runner.answers, **answers}
    there.table |= BUILT


@pytest.mark.requirement("DP-Q5")
@pytest.mark.parametrize(("nodes", "wanted"), [(["linux/arm64"], ""), (["linux/amd64", "linux/arm64"], "linux/arm64")])
def test_the_platform_is_told_what_the_image_was_built_for(tmp_path: Path, nodes: list[str], wanted: str) -> None:
    there = Platform(tmp_path, info={**MIXED, "platforms": nodes})
    built(there, "linux/arm64")
    there.deploy("dev", image="", platform=wanted)
    assert there.sent[-1]["platform"] == "linux/arm64"


@pytest.mark.requirement("DP-Q5")
def test_an_older_platform_is_not_told_what_it_would_not_understand(tmp_path: Path) -> None:
    there = Platform(tmp_path, info={**INFO, "platforms": ["linux/arm64"]})
    built(there, "linux/arm64")
    there.deploy("dev", image="")
    assert "platform" not in there.sent[-1]


@pytest.mark.requirement("DP-Q5")
def test_an_image_that_is_built_already_runs_anywhere_unless_it_is_said_what_it_is_for(tmp_path: Path) -> None:
    there = Platform(tmp_path, info=MIXED)
    there.deploy("dev")
    assert "platform" not in there.sent[0]
    there.deploy("dev", platform="linux/arm64")
    assert there.sent[0]["platform"] == "linux/arm64"


@pytest.mark.requirement("DP-Q5")
@pytest.mark.parametrize(
    ("wanted", "said"),
    [("", "has nodes for linux/amd64, linux/arm64"), ("linux/riscv64", "has no nodes for linux/riscv64")],
)
def test_where_no_node_could_be_meant_nothing_is_built(tmp_path: Path, wanted: str, said: str) -> None:
    there = Platform(tmp_path, info=MIXED)
    with pytest.raises(BadInput, match=said):
        there.deploy("dev", image="", platform=wanted)
    assert there.sent == []


@pytest.mark.requirement("LC-16", "DP-Q28")
@pytest.mark.parametrize(
    ("committed", "written", "changes"),
    [
        ("name: shop\n", "name: shop\ncluster:\n  stopped: true\n", ("a.py",)),
        ("name: shop\ncluster:\n  stopped: true\n", "name: shop\n", ("a.py",)),
        ("name: shop\n", "name: shop\npublic: false\ncluster:\n  stopped: true\n", ("kilter.yaml", "a.py")),
        (Outcome(128, "", "fatal: path 'kilter.yaml' exists on disk, but not in 'HEAD'"), "name: shop\n", None),
    ],
)
def test_the_note_of_kilter_stop_is_no_change(
    tmp_path: Path, committed: str | Outcome, written: str, changes: tuple[str, ...] | None
) -> None:
    answers = {
        HEAD: f"{COMMIT}\n",
        (*STATUS, "."): " M kilter.yaml\n M a.py\n",
        (*STATUS, "kilter.yaml"): " M kilter.yaml\n",
        ("git", "show", "HEAD:./kilter.yaml"): committed,
        IGNORED: Outcome(1),
    }
    found = source_of(FakeRunner(answers), project(tmp_path, written))
    assert (found.commit, found.changes) == (COMMIT, changes or ("kilter.yaml", "a.py"))
