"""What is built and pushed, by which engine, and what is known of it."""

import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import FakeRunner
from integration.deploy.conftest import RUN
from integration.deploy.test_deploy import AT, GRANTED, IMAGE
from integration.deploy.test_target import CHANGED, COMMIT, HEAD, STATUS, Platform, built, project

from kilter.deploy import deploy as deploying
from kilter.deploy.image import Source, source_of
from kilter.errors import BadInput, BuildFailed, Busy
from kilter.proc import Command, Outcome, SubprocessRunner
from kilter.project.load import load
from kilter.tools import docker, images

TREE = (*STATUS, ".")


def git(folder: Path, *words: str) -> None:
    """Run the real Git in a folder, as somebody."""
    who = ("-c", "user.name=mia", "-c", "user.email=mia@example.com", "-c", "protocol.file.allow=always")
    SubprocessRunner().run(Command(("git", *who, *words), cwd=folder))


def repository(folder: Path) -> Path:
    """Make a Git repository with one commit of all that lies in the folder."""
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")
    return folder


@pytest.mark.requirement("DP-Q28")
def test_no_setting_of_git_hides_a_file_that_is_in_no_commit(tmp_path: Path) -> None:
    here = project(tmp_path)
    repository(tmp_path)
    assert not source_of(SubprocessRunner(), here).dirty
    git(tmp_path, "config", "status.showUntrackedFiles", "no")
    (tmp_path / "notes.txt").touch()
    assert source_of(SubprocessRunner(), here).changes == ("notes.txt",)


@pytest.mark.requirement("DP-Q28")
def test_no_setting_of_git_hides_what_changed_in_a_submodule(tmp_path: Path) -> None:
    for name in ("part", "whole"):
        (tmp_path / name).mkdir()
    here = project(tmp_path / "whole")
    git(repository(tmp_path / "whole"), "submodule", "--quiet", "add", str(repository(tmp_path / "part")), "part")
    git(here.root, "commit", "--quiet", "--message", "two")
    git(here.root, "config", "diff.ignoreSubmodules", "all")
    (here.root / "part" / "notes.txt").touch()
    assert source_of(SubprocessRunner(), here).changes == ("part",)


@pytest.mark.requirement("DP-Q28")
def test_a_project_that_git_is_told_to_pass_over_is_in_no_commit(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    here = project(tmp_path / "sandbox")
    (tmp_path / ".gitignore").write_text("sandbox/\n")
    repository(tmp_path)
    assert source_of(SubprocessRunner(), here).changes == ("kilter.yaml",)
    git(tmp_path, "add", "--force", "sandbox/kilter.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "two")
    assert source_of(SubprocessRunner(), here).changes == ()


@pytest.mark.requirement("DP-Q28")
def test_a_worktree_whose_repository_is_not_there_is_not_taken_for_a_directory_outside_of_git(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    project(tmp_path / "whole")
    git(repository(tmp_path / "whole"), "worktree", "add", "--quiet", str(tmp_path / "tree"))
    here = load(tmp_path / "tree" / "kilter.yaml")
    assert not source_of(SubprocessRunner(), here).dirty
    (tmp_path / "whole").rename(tmp_path / "elsewhere")
    assert source_of(SubprocessRunner(), here).fault.startswith("not a git repository: ")


@pytest.mark.requirement("DP-Q28")
def test_the_repository_of_a_hook_is_not_taken_for_that_of_the_project(tmp_path: Path) -> None:
    for name in ("pushed.git", "whole/app", "outside"):
        (tmp_path / name).mkdir(parents=True)
    git(tmp_path / "pushed.git", "init", "--quiet", "--bare")
    here, outside = project(tmp_path / "whole" / "app"), project(tmp_path / "outside")
    repository(tmp_path / "whole")
    commit = source_of(SubprocessRunner(), here).commit
    hook = SubprocessRunner({**os.environ, "GIT_DIR": ".", "GIT_INDEX_FILE": str(tmp_path / "index"), "GIT_PREFIX": ""})
    assert source_of(hook, here) == Source(commit)
    assert source_of(hook, outside) == Source("")


@pytest.mark.requirement("LC-16", "DP-Q28")
def test_the_note_of_kilter_stop_is_no_change_in_a_folder_whose_name_git_writes_in_quotes(tmp_path: Path) -> None:
    folder = tmp_path / "my app"
    folder.mkdir()
    project(folder)
    commit = source_of(SubprocessRunner(), load(repository(tmp_path) / "my app" / "kilter.yaml")).commit
    assert source_of(SubprocessRunner(), project(folder, "name: shop\ncluster:\n  stopped: true\n")) == Source(commit)


def changing(folder: Path, env: str, head: str = COMMIT, changes: str = "", before: str = "") -> Platform:
    """Return a platform to which a project is deployed that has another commit or other changes after the build."""
    there = Platform(folder, prod="protected")
    built(there, "", f"{env}-{COMMIT[:12]}{'-dirty' if before else ''}")
    there.runner.answers = {**there.runner.answers, HEAD: [f"{COMMIT}\n", f"{head}\n"], TREE: [before, changes]}
    return there


@pytest.mark.requirement("DP-Q28")
@pytest.mark.parametrize(
    ("head", "changes", "named", "details"),
    [
        (COMMIT, CHANGED, "notes.txt, shop/greeting.py", ("shop/greeting.py", "notes.txt")),
        ("decaf" * 8, "", r"HEAD \(now decafdecafde\)", ("HEAD (now decafdecafde)",)),
        (COMMIT, "".join(f"?? {name}\n" for name in "abcde"), "a, b, c and 2 more", tuple("abcde")),
    ],
)
def test_what_changed_during_the_build_does_not_go_to_a_protected_environment(
    tmp_path: Path, head: str, changes: str, named: str, details: tuple[str, ...]
) -> None:
    there = changing(tmp_path, "prod", head, changes)
    with pytest.raises(BadInput, match=f"prod is protected, and .*: {named} changed during the build") as caught:
        there.deploy("prod", image="")
    assert caught.value.details == details
    assert "deploy again, or add `--allow-dirty`" in caught.value.hint
    assert not [body for body in there.sent if "image" in body], "nothing was submitted"
    assert not [command for command in there.runner.commands if "push" in command.argv]


@pytest.mark.requirement("DP-Q28")
@pytest.mark.parametrize(("env", "allowed"), [("dev", False), ("prod", True)])
def test_what_changed_during_the_build_is_told_and_submitted_as_uncommitted(
    tmp_path: Path, env: str, allowed: bool
) -> None:
    there = changing(tmp_path, env, COMMIT, " M a.py\n")
    there.deploy(env, image="", allow_dirty=allowed)
    assert "warn: no commit says what the release holds: a.py changed during the build" in there.progress.lines
    assert there.sent[-1]["source"] == {"commit": COMMIT, "dirty": True}


def test_a_tree_that_is_the_same_after_the_build_is_told_of_once(tmp_path: Path) -> None:
    there = changing(tmp_path, "dev", COMMIT, CHANGED, CHANGED)
    there.deploy("dev", image="")
    assert len([line for line in there.progress.lines if line.startswith("warn")]) == 1


def test_a_git_that_fails_after_the_build_is_said_to_be_what_keeps_it_from_telling(tmp_path: Path) -> None:
    there = changing(tmp_path, "dev")
    heads: list[str | Outcome] = [f"{COMMIT}\n", Outcome(128, "", "fatal: bad object HEAD\n")]
    there.runner.answers = {**there.runner.answers, HEAD: heads}
    there.deploy("dev", image="")
    assert "warn: no commit says what the release holds: bad object HEAD" in there.progress.lines
    assert there.sent[-1]["source"] == {"commit": COMMIT, "dirty": True}


def test_an_image_is_not_deployed_from_a_repository_that_it_was_not_pushed_to(tmp_path: Path) -> None:
    there = Platform(tmp_path)
    built(there, "")
    other = {**GRANTED, "repository": "localhost:1/other/shop", "expires_at": AT}
    [first] = there.table["POST__/v1/projects/acme/shop/push-credentials"]
    there.table["POST__/v1/projects/acme/shop/push-credentials"] = [first, (201, other)]
    with pytest.raises(Busy, match="takes images at localhost:1/other/shop, and this one is for localhost:1/acme/shop"):
        there.deploy("dev", image="")
    assert len(there.sent) == 2, "both credentials, and nothing was submitted"
    assert not [command for command in there.runner.commands if "push" in command.argv]


REFUSED = Outcome(1, "", "unauthorized: authentication required")
PUSHED = f"dev: digest: {IMAGE.partition('@')[2]} size: 1\n"
CREDENTIALS = "POST__/v1/projects/acme/shop/push-credentials"


@pytest.mark.requirement("DP-Q6")
@pytest.mark.parametrize(
    ("lives", "answers", "pushes"),
    [
        (0.0, [REFUSED, PUSHED], 2),
        (0.0, [REFUSED] * 4, 3),
        (600.0, [REFUSED, PUSHED], 1),  # what is refused sooner is refused for another reason
    ],
)
def test_a_push_that_takes_longer_than_its_credential_lives_goes_on_with_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: float, answers: list[str | Outcome], pushes: int
) -> None:
    monkeypatch.setattr(deploying, "CREDENTIAL", lives)
    there = Platform(tmp_path)
    built(there, "")
    push = images.push(f"localhost:1/acme/shop:dev-{COMMIT[:12]}-{RUN}").argv
    there.runner.answers = {**there.runner.answers, push: list(answers)}
    there.table[CREDENTIALS] = [(201, {**GRANTED, "expires_at": AT, "push_id": f"psh-{n}"}) for n in range(4)]
    is_pushed = answers[pushes - 1] == PUSHED
    with nullcontext() if is_pushed else pytest.raises(BuildFailed):
        there.deploy("dev", image="")
    assert [command.argv for command in there.runner.commands].count(push) == pushes
    if is_pushed:
        assert (there.sent[-1]["push_id"], there.sent[-1]["image"]) == ("psh-2", IMAGE)


def test_a_push_that_fails_comes_with_what_to_do(tmp_path: Path) -> None:
    """Docker begins while the registry is away, ends when it is back, and says that nobody logged in."""
    there = Platform(tmp_path)
    built(there, "")
    push = images.push(f"localhost:1/acme/shop:dev-{COMMIT[:12]}-{RUN}").argv
    there.runner.answers = {**there.runner.answers, push: REFUSED}
    with pytest.raises(BuildFailed, match="docker push") as caught:
        there.deploy("dev", image="")
    assert caught.value.hint.startswith("deploy again: the registry localhost:1 may have been away")
    assert "administrator" in caught.value.hint


def test_a_build_whose_words_say_nothing_comes_with_what_mends_it(tmp_path: Path) -> None:
    there = Platform(tmp_path)
    built(there, "")
    root, said = there.project.root, "rpc error: string field contains invalid UTF-8"
    (root / "caf\udce9.txt").touch()
    build = images.build(root, f"localhost:1/acme/shop:dev-{COMMIT[:12]}-{RUN}", dockerfile=root / "Dockerfile").argv
    there.runner.answers = {**there.runner.answers, build: Outcome(1, "", said)}
    with pytest.raises(BuildFailed, match="docker build") as caught:
        there.deploy("dev", image="")
    assert caught.value.hint.startswith(r"rename caf\xe9.txt, or list it in .dockerignore")
    assert caught.value.details == (said,)


@dataclass
class Looking(FakeRunner):
    """A fake that keeps what lies in the Docker config of a command: name → mode, or where a link leads."""

    config: Path = Path()
    found: dict[str, str] = field(default_factory=dict)

    def run(self, command: Command) -> Outcome:
        if place := command.env.get("DOCKER_CONFIG"):
            self.config = Path(str(place))
            for each in (self.config, *self.config.iterdir()):
                self.found[each.name] = str(each.readlink()) if each.is_symlink() else f"{each.stat().st_mode:o}"[-3:]
        return super().run(command)


def deployed_with(folder: Path, context: str) -> Looking:
    """Deploy with a docker CLI that uses this context; return what was run."""
    there = Platform(folder)
    built(there, "")
    there.runner = Looking({**there.runner.answers, docker.context().argv: f"{context} unix:///run/docker.sock\n"})
    there.deploy("dev", image="")
    return there.runner


ENGINE_WORDS = ("build", "push", "image")  # the commands that concern what is built


@pytest.mark.requirement("DP-Q6")
@pytest.mark.parametrize("named", ["DOCKER_CONFIG", "HOME"])
def test_the_context_of_the_moment_before_the_build_is_used_to_build_and_to_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    own = tmp_path / "own" if named == "DOCKER_CONFIG" else tmp_path / ".docker"
    (own / "contexts" / "meta").mkdir(parents=True)
    monkeypatch.setenv(named, str(own if named == "DOCKER_CONFIG" else tmp_path))
    runner = deployed_with(tmp_path, "far")
    used = [command.env for command in runner.commands if command.argv[1] in ENGINE_WORDS]
    assert [each.get("DOCKER_CONTEXT") for each in used] == ["far"] * 3
    assert not [each for each in used if "DOCKER_HOST" in each], "an address alone says nothing of TLS"
    assert runner.found == {runner.config.name: "700", "config.json": "600", "contexts": str(own / "contexts")}
    assert not runner.config.exists()
    assert [each.name for each in own.rglob("*")] == ["contexts", "meta"], "the user's own stays as it was"


@pytest.mark.requirement("DP-Q6")
@pytest.mark.parametrize(
    ("given", "certificates"),
    [
        ({}, None),
        ({"DOCKER_CERT_PATH": "/certs"}, None),
        ({"DOCKER_TLS_VERIFY": "1"}, "/own"),
        ({"DOCKER_TLS": "1"}, "/own"),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}, "/certs"),
    ],
)
def test_an_engine_by_its_address_is_spoken_to_with_the_certificates_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], certificates: str | None
) -> None:
    for name, value in {"DOCKER_HOST": "tcp://far:2376", "DOCKER_CONFIG": "/own", **given}.items():
        monkeypatch.setenv(name, value)
    runner = deployed_with(tmp_path, "default")
    used = [command.env for command in runner.commands if command.argv[1] in ENGINE_WORDS]
    assert [each.get("DOCKER_CERT_PATH") for each in used] == [certificates] * 3
    assert [each.get("DOCKER_CONTEXT") for each in used] == ["default"] * 3
    assert not [each for each in used if "DOCKER_HOST" in each], "what the user set is passed on as it is"
    assert "contexts" not in runner.found
