"""The verbs that need neither an engine nor a cluster, driven by their command lines."""

import io
import json
import os
import sys
from pathlib import Path

import pytest
from fakes import ENGINE, FakeRunner

from kilter.catalog.load import names
from kilter.cli.app import App
from kilter.cli.main import run
from kilter.dev import kubectl as dev_kubectl
from kilter.dev import rendering
from kilter.dev.machine import Machine
from kilter.progress import Recorder
from kilter.project.load import load
from kilter.state import lock, records
from kilter.state.files import write_whole
from kilter.state.lock import project_lock
from kilter.state.paths import Paths
from kilter.tools import docker, images
from kilter.tools.kubectl import Kubectl

NODE = docker.inspect("kilter-shop-control-plane").argv
IMAGES = images.named("localhost:32760/shop_*").argv


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project's directory."""
    directory = tmp_path / "shop"
    directory.mkdir()
    (directory / "kilter.yaml").write_text("# mine\nservices:\n  redis:\n")
    return directory


def paths_in(folder: Path) -> Paths:
    return Paths(folder / "data", folder / "cache")


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """The processes of `App.machine`: an engine without a cluster."""
    fake = FakeRunner({**ENGINE, NODE: "[]", IMAGES: ""})
    machine = Machine(fake, paths_in(tmp_path), {}, Recorder())
    monkeypatch.setattr(App, "machine", machine)
    return fake


def test_init_writes_a_file_that_kilter_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "My Shop"
    directory.mkdir()
    assert run(["-C", str(directory), "init"]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {directory / 'kilter.yaml'}\n")
    assert load(directory / "kilter.yaml").name == "my-shop"


@pytest.mark.requirement("C5")
def test_init_never_touches_a_file_that_is_there(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "init"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (shop / "kilter.yaml").read_text() == "# mine\nservices:\n  redis:\n"


@pytest.mark.requirement("C5")
def test_init_never_touches_a_link_that_leads_nowhere_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "kilter.yaml"
    link.symlink_to("mounted/later.yaml")
    assert run(["-C", str(tmp_path), "init"]) == 2
    assert "mounted/later.yaml" in capsys.readouterr().err
    assert link.readlink() == Path("mounted/later.yaml")


def test_init_can_print_instead(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "init", "--dry-run", "--name", "other"]) == 0
    assert 'name: "other"\n' in capsys.readouterr().out
    assert "other" not in (shop / "kilter.yaml").read_text()


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("line", [["env"], ["-C", ".", "up"], ["init"]])
def test_a_working_directory_that_was_deleted_is_named_where_one_is_needed(
    line: list[str], shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = shop / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(line) == 6
    assert capsys.readouterr().err.startswith("error: the working directory is gone\n")
    assert run(["version"]) == 0
    assert run(["-C", str(shop), "env"]) == 0


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("verb", [["logs"], ["restart"], ["kubectl", "get", "pods"]])
def test_no_kubectl_is_brought_to_find_that_there_is_no_cluster(
    verb: list[str], shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought: list[str] = []
    monkeypatch.setattr(Machine, "tool", lambda _, name: brought.append(name))
    assert run(["-C", str(shop), *verb]) == 6
    assert "project shop has no cluster" in capsys.readouterr().err
    assert brought == []


@pytest.mark.requirement("LC-Q22")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("verb", [["down"], ["stop"], ["destroy", "--yes"], ["restart"], ["render"]])
def test_whoever_changes_a_project_waits_for_nobody_and_names_who_is_at_work(
    verb: list[str], shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "kilter.yaml").write_text("name: shop\n")
    monkeypatch.setattr(Machine, "tool", lambda _, name: Path(name))
    monkeypatch.setattr(rendering, "has_ipv6", lambda: True)
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    records.claim(paths_in(shop.parent), "shop", shop)
    with project_lock(paths_in(shop.parent), "shop", "up"):
        assert run(["-C", str(shop), *verb]) == 3
    said = capsys.readouterr().err
    assert "`kilter up` is working on project shop" in said
    assert f"process {os.getpid()} holds the project's lock since " in said


def test_up_begins_nothing_for_what_this_release_cannot_give(
    shop: Path, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought: list[str] = []
    monkeypatch.setattr(Machine, "tool", lambda _, name: brought.append(name))
    (shop / "kilter.yaml").write_text("name: shop\ncluster: {provider: k3d}\n")
    assert run(["-C", str(shop), "up"]) == 2
    assert "not in this release" in capsys.readouterr().err
    assert runner.commands == []
    assert brought == []


def test_init_takes_no_empty_name_for_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), "init", "--name", ""]) == 2
    assert "`--name` has an empty value" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.requirement("NS-Q1", "C1", "C3")
@pytest.mark.parametrize("name", ["a;touch x", "$(id)", "Shop", "-f", "x" * 43])
def test_init_refuses_a_bad_name_and_proposes_a_good_one(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path), "init", f"--name={name}"]) == 2
    assert "next: write it as '" in capsys.readouterr().err
    assert list(tmp_path.glob("kilter.yaml")) == []


@pytest.mark.requirement("C17", "LC-Q9")
def test_destroy_asks_nobody_without_a_terminal_and_deletes_nothing(
    shop: Path, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("shop\n"))
    assert run(["-C", str(shop), "destroy"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert runner.commands[-1].argv == NODE


@pytest.mark.requirement("C17", "LC-Q9")
@pytest.mark.parametrize("typed", ["sho\n", "y\n", "\n", ""])
def test_destroy_takes_no_other_word_than_the_name(
    typed: str, shop: Path, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert run(["-C", str(shop), "destroy"]) == 130
    assert runner.commands[-1].argv == NODE


@pytest.mark.requirement("LC-Q9", "C17")
@pytest.mark.usefixtures("runner")
def test_destroy_lists_what_would_go_and_refuses_without_a_snapshot(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = Paths(tmp_path / "data", tmp_path / "cache").volumes("shop") / "pvc-1_shop-dev_data-redis-0"
    volume.mkdir(parents=True)
    (volume / "dump.rdb").write_bytes(b"x" * 2048)
    assert run(["-C", str(shop), "destroy", "--yes"]) == 2
    said = capsys.readouterr().err
    assert "  the volume data-redis-0 (2.0 KiB)\n" in said
    assert "--no-snapshot" in said
    assert (volume / "dump.rdb").exists()


@pytest.mark.requirement("LC-Q7")
@pytest.mark.usefixtures("runner")
def test_destroying_what_is_not_there_is_fine(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "destroy", "--yes"]) == 0
    assert "was already destroyed" in capsys.readouterr().out


@pytest.mark.requirement("NS-Q24", "NS-24")
def test_env_needs_no_engine(shop: Path, runner: FakeRunner, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "env"]) == 0
    assert "REDIS_URL=" in capsys.readouterr().out
    assert runner.commands == []


@pytest.mark.requirement("NS-Q24")
def test_env_says_on_standard_error_why_no_address_answers(
    shop: Path, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, file = paths_in(shop.parent), shop / "kilter.yaml"
    heard = []
    for mark, flag in ((False, ""), (True, "cluster: {stopped: true}\n"), (True, "")):
        file.write_text(f"services: [redis]\n{flag}")
        if mark:
            write_whole(paths.cluster_mark("shop"), "shop\n")
        assert run(["-C", str(shop), "env"]) == 0
        said = capsys.readouterr()
        assert "REDIS_URL=" in said.out
        heard.append(said.err)
    assert heard == [
        "shop has no cluster yet: `kilter up` makes one\n",
        "kilter.yaml says that shop is stopped: `kilter up` resumes it\n",
        "",
    ]
    assert runner.commands == []


@pytest.mark.requirement("NS-34", "NS-35", "NS-Q27")
def test_a_file_with_old_addresses_is_neither_read_nor_mended(
    shop: Path, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(shop), "env"]) == 0
    text, old = capsys.readouterr().out, "REDIS_URL=redis://:old@localhost:1/0\n"
    (shop / ".env").write_text(old)
    for line, code in ((["env"], 0), (["env", "--check", str(shop / ".env")], 1), (["stop"], 0)):
        assert run(["-C", str(shop), *line]) == code
    assert capsys.readouterr().out.startswith(text)
    assert (shop / ".env").read_text() == old
    assert sorted(file.name for file in shop.iterdir()) == [".env", "kilter.yaml"]


@pytest.mark.usefixtures("runner")
def test_env_has_one_json_document(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--json"], ["-o", "json"], ["--format", "json"]):
        assert run(["-C", str(shop), "env", *flags]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["schema"], document["project"]) == ("kilter.env/v1", "shop")
        assert set(document["variables"][0]) == {"name", "service", "inCluster", "localhost"}


@pytest.mark.requirement("NS-Q27")
@pytest.mark.usefixtures("runner")
def test_env_compares_a_file_and_exits_with_1_for_a_difference(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "env", "--localhost"]) == 0
    file = shop / ".env"
    file.write_text(capsys.readouterr().out)
    assert run(["-C", str(shop), "env", "--check", str(file)]) == 0
    file.write_text("REDIS_URL=redis://localhost:1\n")
    assert run(["-C", str(shop), "env", "--check", str(file)]) == 1
    assert "REDIS_URL" in capsys.readouterr().out
    assert run(["-C", str(shop), "env", "--check", str(shop / "none")]) == 6


@pytest.mark.requirement("NS-Q20")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("form", [["--json"], ["--format", "export"], []])
def test_an_address_that_does_not_answer_is_no_line_of_what_env_prints(
    form: list[str], shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is read by programs: `eval`, `jq`, a file that is compared later."""
    monkeypatch.setattr("kilter.dev.environment.live", lambda _view: ([], ["redis at localhost:1: refused"]))
    assert run(["-C", str(shop), "env", *form]) == 0
    printed = capsys.readouterr().out
    assert run(["-C", str(shop), "env", *form, "--check-live"]) == 1
    said = capsys.readouterr()
    assert said.out == printed
    assert "redis at localhost:1: refused" in said.err


@pytest.mark.requirement("NS-Q27")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize(
    "other", ["--check-live", "--json", "--output=json", "--format=json", "--format=export", "--in-cluster"]
)
def test_env_refuses_beside_a_file_to_compare_what_it_would_pass_over(
    other: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / ".env").write_text("")
    assert run(["-C", str(shop), "env", "--check", ".env", other]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--check" in said.err


@pytest.mark.usefixtures("runner")
def test_env_looks_for_the_file_where_it_acts(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".env").write_text("REDIS_URL=redis://localhost:1\n")
    monkeypatch.chdir(elsewhere)
    assert run(["-C", str(shop), "env", "--check", ".env"]) == 6
    assert str(shop / ".env") in capsys.readouterr().err
    assert run(["-C", str(shop), "env", "--localhost"]) == 0
    (shop / ".env").write_text(capsys.readouterr().out)
    assert run(["-C", str(shop), "env", "--check", ".env"]) == 0
    assert capsys.readouterr().err == f"{shop / '.env'}: no difference\n"
    monkeypatch.chdir(shop)
    assert run(["env", "--check", ".env"]) == 0
    assert capsys.readouterr().err == ".env: no difference\n"


@pytest.mark.requirement("NS-Q2", "C4")
@pytest.mark.usefixtures("runner")
def test_a_second_checkout_of_a_name_is_refused_naming_the_first(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(shop), "env"]) == 0
    other = tmp_path / "other" / "shop"
    other.mkdir(parents=True)
    (other / "kilter.yaml").write_text("services: {redis: }\n")
    assert run(["-C", str(other), "env"]) == 2
    assert str(shop) in capsys.readouterr().err


@pytest.mark.requirement("NS-Q2", "C4")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("line", [["down"], ["stop"], ["destroy", "--yes", "--no-snapshot"]])
def test_a_second_checkout_cannot_end_what_the_first_runs(
    line: list[str], shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(shop), "env"]) == 0
    other = tmp_path / "other" / "shop"
    other.mkdir(parents=True)
    (other / "kilter.yaml").write_text("services: {redis: }\n")
    assert run(["-C", str(other), *line]) == 2
    assert str(shop) in capsys.readouterr().err


@pytest.mark.requirement("LC-Q32")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("verb", ["logs", "restart"])
def test_an_unknown_service_ends_with_2_and_the_nearest_known(
    verb: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(shop), verb, "rediss"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'redis'?" in said
    assert "known: redis" in said


@pytest.mark.requirement("NS-Q9", "C11")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("arguments", [["--context", "prod", "get", "pods"], ["--kubeconfig=/x", "get", "pods"]])
def test_kubectl_speaks_to_no_other_cluster(
    arguments: list[str], shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(shop), "kubectl", "--", *arguments]) == 5
    assert "kind-kilter-shop" in capsys.readouterr().err


def test_kubectl_runs_in_the_directory_that_is_named(
    shop: Path, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path among its arguments, as in `apply -f`, is meant from there."""
    commands = Kubectl("kubectl", shop / "kubeconfig", "kind-kilter-shop", "shop-dev")
    monkeypatch.setattr(dev_kubectl, "kubectl", lambda _workspace: commands)
    runner.answers = {("kubectl", "apply", "-f", "job.yaml"): ""}
    assert run(["-C", str(shop), "kubectl", "--", "apply", "-f", "job.yaml"]) == 0
    assert runner.commands[-1].cwd == shop


@pytest.mark.requirement("LC-Q7")
@pytest.mark.usefixtures("runner")
def test_down_of_a_project_that_never_ran_says_so(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "down"]) == 6
    assert "was never started" in capsys.readouterr().err


@pytest.mark.usefixtures("runner")
def test_stopping_what_has_no_cluster_changes_nothing(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(shop), "stop"]) == 0
    assert "has no cluster" in capsys.readouterr().out
    assert "stopped" not in (shop / "kilter.yaml").read_text()


@pytest.mark.requirement("CT-Q9")
@pytest.mark.parametrize(
    "line", [["up"], ["env"], ["status"], ["logs"], ["restart"], ["render"], ["kubectl", "get", "pods"]]
)
def test_an_unknown_service_is_refused_at_its_place_before_anything_runs(
    line: list[str], shop: Path, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "kilter.yaml").write_text("services:\n  postgre:\n")
    assert run(["-C", str(shop), *line]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: kilter.yaml has 1 fault\n  kilter.yaml:2:3 services.postgre: the catalog has no ")
    assert ", ".join(names()) in said
    assert runner.commands == []


@pytest.mark.requirement("CT-Q9", "LC-Q15")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize(("line", "code"), [(["stop"], 0), (["destroy", "--yes"], 0), (["down"], 6)])
def test_an_unknown_service_does_not_keep_a_project_running(line: list[str], code: int, shop: Path) -> None:
    (shop / "kilter.yaml").write_text("services:\n  postgre:\n")
    assert run(["-C", str(shop), *line]) == code


def test_a_data_folder_of_a_snap_is_passed_over_with_one_warning(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    snap = home / "snap" / "code" / "171"
    (snap / "kilter").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert run(["-C", str(shop), "env"]) == 0
    usual = capsys.readouterr()
    monkeypatch.setenv("XDG_DATA_HOME", str(snap))
    assert run(["-C", str(shop), "env"]) == 0
    said = capsys.readouterr()
    assert said.out == usual.out, "the same password in every terminal"
    [line] = set(said.err.splitlines()) - set(usual.err.splitlines())
    used = home / ".local" / "share" / "kilter"
    assert f"XDG_DATA_HOME={snap} is a snap's own and is passed over for {used}" in line
    assert line.endswith(f"what is in {snap}/kilter stays there")
