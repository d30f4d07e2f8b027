"""Verbs that only end things, where kilter.yaml does not say any more what the project is."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import ENGINE, FakeRunner
from unit.dev.support import machine, told

from kilter.cli.app import App
from kilter.cli.main import run
from kilter.clusters.kind import KindProvider
from kilter.clusters.node import NODES, creation_mark, node_name
from kilter.dev import tilt_process
from kilter.dev.machine import Machine
from kilter.dev.quiesce import CTR, WITHOUT_DATA, with_data
from kilter.proc import Outcome
from kilter.project.load import FILE_NAME
from kilter.state import ledger, lock, records
from kilter.state.files import write_whole
from kilter.state.lock import project_lock
from kilter.state.paths import Paths
from kilter.tools import docker, images

ABSENT = {docker.inspect(node_name("shop")).argv: "[]", images.named("localhost:32760/shop_*").argv: ""}
LISTED = docker.list_containers(name=NODES).argv
MEASURED = json.dumps({"Name": node_name("shop"), "MemUsage": "1.5GiB / 8GiB", "CPUPerc": "3%"})
BROKEN = ["services: [redis\n", "services: {redis: {port: many}}\n", "nmae: shop\n", "- redis\n", "", "\0"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that knows the project `shop` of a directory with another name, and runs no cluster of it."""
    found = machine(tmp_path, FakeRunner({**ENGINE, **ABSENT}))
    records.claim(found.paths, "shop", directory(tmp_path))
    monkeypatch.setattr(App, "machine", found)
    return found


def directory(folder: Path, name: str = "checkout") -> Path:
    (folder / name).mkdir(exist_ok=True)
    return folder / name


def written(folder: Path, text: str) -> Path:
    file = directory(folder) / FILE_NAME
    file.write_text(text)
    return file


def run_clusters(here: Machine, *projects: str, status: str = "running") -> None:
    """Let the engine have a cluster of each project, which runs."""
    rows, answers = [], dict(answering(here).answers)
    for name in projects:
        node, mount = node_name(name), str(here.paths.identity(name))
        labels = {docker.KIND_LABEL: f"kilter-{name}"}
        row = {"ID": node, "Names": node, "State": status, "Mounts": mount}
        rows.append(json.dumps(row | {"Labels": f"{docker.KIND_LABEL}=kilter-{name}"}))
        container = {
            "Id": node,
            "Name": f"/{node}",
            "Image": "sha256:1",
            "Config": {"Image": "kindest/node:v1", "Labels": labels},
            "State": {"Status": status, "ExitCode": 0},
            "Mounts": [{"Type": "bind", "Source": mount, "Destination": "/kilter"}],
        }
        answers |= {
            docker.inspect(node).argv: json.dumps([container]),
            docker.execute(node, "systemctl", "stop", "kubelet").argv: "",
            **{
                docker.execute(node, *CTR, "containers", "list", "--quiet", *chosen).argv: ""
                for chosen in (with_data(name), WITHOUT_DATA)
            },
            docker.execute(node, *CTR, "tasks", "list").argv: "",
            docker.stop(node, 20).argv: "",
            docker.unpause(node).argv: "",
        }
    answering(here).answers = {**answers, LISTED: "\n".join(rows)}


def answering(here: Machine) -> FakeRunner:
    assert isinstance(here.runner, FakeRunner)
    return here.runner


def stopped(here: Machine) -> list[str]:
    """Return the containers that were stopped."""
    return [command.argv[-1] for command in answering(here).commands if command.argv[:2] == ("docker", "stop")]


def warnings(here: Machine) -> list[str]:
    return [line for line in told(here) if line.startswith("warn: ")]


@pytest.mark.requirement("LC-Q15")
@pytest.mark.parametrize("text", BROKEN)
def test_stop_needs_no_valid_file_and_names_its_fault(text: str, here: Machine, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    run_clusters(here, "shop")
    assert run(["-C", str(file.parent), "stop"]) == 0
    assert stopped(here) == [node_name("shop")]
    assert f"warn: {FILE_NAME} has 1 fault, {FILE_NAME}:" in warnings(here)[0]
    assert warnings(here)[0].endswith("the project is shop")


@pytest.mark.requirement("LC-Q15", "LC-16")
def test_the_flag_is_written_where_the_faulty_file_can_be_edited(here: Machine, tmp_path: Path) -> None:
    file = written(tmp_path, "# mine\nservices: {redis: {port: many}}\n")
    run_clusters(here, "shop")
    assert run(["-C", str(file.parent), "stop"]) == 0
    assert file.read_text() == "# mine\nservices: {redis: {port: many}}\ncluster:\n  stopped: true\n"


@pytest.mark.requirement("LC-9", "LC-Q5")
@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (Outcome(0, f"{MEASURED}\n"), "its cluster runs on with 1.5 GiB of memory, which `kilter stop` frees, and "),
        (Outcome(0, ""), "its cluster runs on with its memory, which `kilter stop` frees, and "),
    ],
)
def test_down_says_what_runs_on_and_what_would_free_it(
    usage: Outcome, said: str, here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "name: shop\n")
    run_clusters(here, "shop")
    runner = answering(here)
    runner.answers = {**runner.answers, docker.stats(node_name("shop")).argv: usage}
    assert run(["-C", str(file.parent), "down"]) == 0
    assert said + "every address answers as before" in capsys.readouterr().out
    assert {command.argv[1] for command in runner.commands} == {"inspect", "stats"}


@pytest.mark.requirement("LC-Q5", "LC-Q7")
@pytest.mark.parametrize(
    ("answer", "said"),
    [(Outcome(0, "[]"), "its cluster does not run"), (Outcome(1, "", "no engine"), "Docker did not answer")],
)
def test_down_claims_no_cluster_that_it_did_not_see(
    answer: Outcome, said: str, here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "name: shop\n")
    answering(here).answers = {docker.inspect(node_name("shop")).argv: answer}
    assert run(["-C", str(file.parent), "down"]) == 0
    assert f"the dev loop was already down; {said}" in capsys.readouterr().out


@pytest.mark.requirement("LC-Q11")
def test_stop_ends_tilt_then_lets_the_databases_close_and_then_stops_the_container(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "name: shop\n")
    run_clusters(here, "shop")
    before: list[int] = []
    monkeypatch.setattr(tilt_process, "end", lambda *_: before.append(len(answering(here).commands)))
    assert run(["-C", str(file.parent), "stop"]) == 0
    done = [command.argv for command in answering(here).commands]
    kubelet = docker.execute(node_name("shop"), "systemctl", "stop", "kubelet").argv
    assert before[0] < done.index(kubelet) < done.index(docker.stop(node_name("shop"), 20).argv)
    assert docker.unpause(node_name("shop")).argv not in done, "Docker fails where nothing is paused"
    assert capsys.readouterr().out == "shop is stopped; all data is kept; `kilter up` resumes\n"


@pytest.mark.requirement("LC-Q7", "LC-Q11")
def test_a_stopped_cluster_is_asked_nothing_and_stays_stopped(
    here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "name: shop\n")
    run_clusters(here, "shop", status="exited")
    assert run(["-C", str(file.parent), "stop"]) == 0
    assert not [command for command in answering(here).commands if command.argv[1] in ("unpause", "exec", "stop")]
    assert capsys.readouterr().out == "shop was already stopped; `kilter up` resumes\n"


@pytest.mark.requirement("LC-Q4", "C12")
@pytest.mark.parametrize("line", [["stop"], ["stop", "--all"], ["destroy", "--yes"]])
def test_nothing_ends_on_the_docker_of_another_host(
    line: list[str], here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "name: shop\n")
    run_clusters(here, "shop")
    answering(here).answers = {**answering(here).answers, docker.endpoint().argv: "ssh://build.example.com\n"}
    assert run(["-C", str(file.parent), *line]) == 4
    assert "Docker runs on another host" in capsys.readouterr().err
    assert {command.argv for command in answering(here).commands} == {docker.endpoint().argv}


@pytest.mark.requirement("LC-22")
def test_a_stop_that_fails_leaves_no_flag(here: Machine, tmp_path: Path) -> None:
    file = written(tmp_path, "name: shop\n")
    run_clusters(here, "shop")
    answering(here).answers = {
        **answering(here).answers,
        docker.stop(node_name("shop"), 20).argv: Outcome(1, "", "cannot stop it"),
    }
    assert run(["-C", str(file.parent), "stop"]) == 1
    assert file.read_text() == "name: shop\n"


@pytest.mark.requirement("LC-Q15")
@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["stop"], "shop has no cluster"),
        (["down"], "shop: the dev loop was already down"),
        (["destroy", "--yes"], "shop was already destroyed"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_faulty_file_keeps_nothing_running(
    line: list[str], said: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(written(tmp_path, text).parent), *line]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.requirement("LC-Q15")
@pytest.mark.parametrize("line", [["stop"], ["down"], ["destroy", "--yes"], ["stop", "--all"]])
def test_what_frees_memory_and_disk_works_on_a_full_disk(
    line: list[str], here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "name: shop\n")
    if "stop" in line:
        run_clusters(here, "shop")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("pwrite", "fsync"):
        monkeypatch.setattr(os, name, full)
    assert run(["-C", str(file.parent), *line]) == 0
    assert stopped(here) == ([node_name("shop")] if "stop" in line else [])


@pytest.mark.requirement("LC-Q12")
def test_what_the_system_refuses_for_one_project_keeps_no_other_running(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "name: shop\n")
    for name in ("blog", "lost"):
        records.claim(here.paths, name, tmp_path / name)
    run_clusters(here, "blog", "lost", "shop")
    known = ledger.load(here.paths.ports_file)
    ledger.save(here.paths.ports_file, {name: known[name] for name in ("blog", "shop")})
    (here.paths.project_data("lost") / "record.json").write_text("{")
    end = tilt_process.end

    def refused(paths: Paths, name: str) -> bool:
        if name == "blog":
            raise PermissionError(13, "Permission denied", "/there")
        return end(paths, name)

    monkeypatch.setattr(tilt_process, "end", refused)
    assert run(["stop", "--all"]) == 1
    assert stopped(here) == [node_name("shop")]
    said = capsys.readouterr().err
    assert "  blog: Permission denied: /there\n" in said
    assert f"  lost: {here.paths.project_data('lost') / 'record.json'} is damaged\n" in said


@pytest.mark.requirement("LC-Q15", "C4")
@pytest.mark.parametrize("verb", ["stop", "down", "destroy"])
def test_a_faulty_file_of_a_directory_that_ran_nothing_is_an_error(
    verb: str, here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = directory(tmp_path, "other")
    (other / FILE_NAME).write_text("services: [redis\n")
    assert run(["-C", str(other), verb]) == 2
    assert f"{FILE_NAME} has 1 fault" in capsys.readouterr().err
    assert answering(here).commands == []


@pytest.mark.requirement("LC-Q15", "C4")
def test_of_several_projects_of_a_directory_the_one_that_the_file_still_names_ends(
    here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records.claim(here.paths, "shop2", directory(tmp_path))
    file = written(tmp_path, "name: shop\nservices: {redis: {port: many}}\n")
    assert run(["-C", str(file.parent), "stop"]) == 0
    assert "shop has no cluster" in capsys.readouterr().out
    for text in ("name: shop3\nservices: {redis: {port: many}}\n", "services: [redis\n"):
        assert run(["-C", str(written(tmp_path, text).parent), "destroy", "--yes"]) == 2


def renamed(here: Machine, tmp_path: Path) -> Path:
    """The project's directory once its file says another name, while the cluster of the first one is there."""
    cluster_mark = here.paths.cluster_mark("shop")
    cluster_mark.parent.mkdir(parents=True)
    cluster_mark.touch()
    gone = {docker.inspect(node_name("store")).argv: "[]", images.named("localhost:32760/store_*").argv: ""}
    answering(here).answers = {**answering(here).answers, **gone}
    return written(tmp_path, "name: store\n")


@pytest.mark.requirement("NS-Q2", "C4")
@pytest.mark.parametrize("line", [["stop"], ["destroy", "--yes"], ["destroy", "--yes", "--purge"], ["down"]])
def test_the_cluster_of_a_name_that_the_file_has_no_longer_is_not_hidden(
    line: list[str], here: Machine, tmp_path: Path
) -> None:
    file = renamed(here, tmp_path)
    run(["-C", str(file.parent), *line])
    [said] = warnings(here)
    assert said == (
        "warn: this directory was shop: its cluster and data are still there; `name: shop` in kilter.yaml reaches them"
    )
    here.paths.cluster_mark("shop").unlink()
    run(["-C", str(file.parent), *line])
    assert warnings(here) == [said], "there is nothing to tell any more"


def test_the_cluster_of_a_directory_that_is_gone_may_be_that_of_one_that_has_none(
    here: Machine, tmp_path: Path
) -> None:
    file = renamed(here, tmp_path)
    file.parent.rename(tmp_path / "store")
    for _ in range(2):
        assert run(["-C", str(tmp_path / "store"), "stop"]) == 0
    first, second = warnings(here)
    assert first == second
    assert f"the directory of shop, {file.parent}, is gone, and its cluster and data are still there" in first
    records.claim(here.paths, "store", tmp_path / "store")
    records.claim(here.paths, "without", tmp_path / "gone")
    write_whole(here.paths.cluster_mark("store"), "store")
    assert run(["-C", str(tmp_path / "store"), "stop"]) == 0
    assert warnings(here) == [first, second], "a project that has a cluster was not moved here"
    here.paths.cluster_mark("store").unlink()
    assert run(["-C", str(tmp_path / "store"), "stop"]) == 0
    assert warnings(here) == [first, second, first], "another that is gone has no cluster"


def test_the_cluster_of_a_directory_that_may_not_be_looked_at_is_not_said_to_have_lost_it(
    here: Machine, tmp_path: Path, close: Callable[[Path], None]
) -> None:
    (hidden := tmp_path / "hidden").mkdir()
    records.claim(here.paths, "shop2", directory(hidden))
    write_whole(here.paths.cluster_mark("shop2"), "shop2")
    file = written(tmp_path, "name: shop\n")
    close(hidden)
    assert run(["-C", str(file.parent), "stop"]) == 0
    assert warnings(here) == []


def test_who_destroys_a_cluster_is_not_told_of_one_that_it_may_have_had_elsewhere(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.claim(here.paths, "lost", tmp_path / "gone")
    write_whole(here.paths.cluster_mark("lost"), "lost")
    file = written(tmp_path, "name: shop\n")
    for deleted in (True, False):
        monkeypatch.setattr(KindProvider, "delete", lambda *_, deleted=deleted: deleted)
        assert run(["-C", str(file.parent), "destroy", "--yes"]) == 0
        assert bool(warnings(here)) is not deleted


@pytest.mark.requirement("LC-Q12")
def test_stop_all_stops_both_names_of_a_directory_and_warns_of_none(here: Machine, tmp_path: Path) -> None:
    file = renamed(here, tmp_path)
    records.claim(here.paths, "store", file.parent)
    run_clusters(here, "shop", "store")
    assert run(["stop", "--all"]) == 0
    assert stopped(here) == [node_name("shop"), node_name("store")]
    assert warnings(here) == []


@pytest.mark.requirement("LC-Q12", "LC-Q15")
def test_stop_all_stops_the_projects_with_faulty_and_without_files_too(here: Machine, tmp_path: Path) -> None:
    written(tmp_path, "services: [redis\n")
    records.claim(here.paths, "gone", tmp_path / "gone")
    records.claim(here.paths, "renamed", directory(tmp_path, "blog"))
    (tmp_path / "blog" / FILE_NAME).write_text("name: blog\nservices: {redis: }\n")
    run_clusters(here, "gone", "renamed", "shop")
    assert run(["stop", "--all"]) == 0
    assert stopped(here) == [node_name(name) for name in ("gone", "renamed", "shop")]
    assert "stopped" not in (tmp_path / "blog" / FILE_NAME).read_text()


@pytest.mark.requirement("LC-Q12", "LC-Q15")
def test_stop_all_stops_a_project_whose_directory_may_not_be_entered(
    here: Machine, tmp_path: Path, close: Callable[[Path], None]
) -> None:
    close(written(tmp_path, "name: shop\n").parent)
    run_clusters(here, "shop")
    assert run(["stop", "--all"]) == 0
    assert stopped(here) == [node_name("shop")]
    assert "cannot be read; by this machine's record the project is shop" in warnings(here)[0]


@pytest.mark.requirement("LC-Q12", "LC-Q22")
def test_stop_all_stops_the_node_of_a_creation_that_was_cut_off(here: Machine, tmp_path: Path) -> None:
    written(tmp_path, "name: shop\n")
    run_clusters(here, "shop")
    creation_mark(here.paths, "shop").touch()
    assert run(["stop", "--all"]) == 0
    assert stopped(here) == [node_name("shop")]


@pytest.mark.requirement("LC-Q11", "LC-Q12")
def test_stop_all_stops_a_paused_cluster_too_and_lets_its_databases_close_first(here: Machine, tmp_path: Path) -> None:
    """It has its memory and its ports, and no program in it runs that could close a file."""
    written(tmp_path, "name: shop\n")
    run_clusters(here, "shop", status="paused")
    assert run(["stop", "--all"]) == 0
    done = [command.argv[1] for command in answering(here).commands if command.argv[1] in ("unpause", "exec", "stop")]
    assert (done[0], done[1], done[-1]) == ("unpause", "exec", "stop")
    assert stopped(here) == [node_name("shop")]


@pytest.mark.requirement("LC-Q12")
def test_stop_all_stops_a_cluster_of_kilters_whose_record_is_lost(here: Machine) -> None:
    """The node bears the mark, so it is nobody else's."""
    run_clusters(here, "ghost")
    assert run(["stop", "--all"]) == 0
    assert stopped(here) == [node_name("ghost")]


@pytest.mark.requirement("LC-Q12", "LC-Q22")
def test_stop_all_leaves_a_cluster_alone_that_another_command_works_on(
    here: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_clusters(here, "ghost")
    monkeypatch.setattr(lock, "PATIENCE", 0)
    with project_lock(here.paths, "ghost", "up"):
        assert run(["stop", "--all"]) == 1
    assert stopped(here) == []
    said = capsys.readouterr()
    assert "ghost: `kilter up` is working on project ghost" in said.err
    assert "no kilter project runs" not in said.out


@pytest.mark.requirement("LC-Q12", "NS-Q3")
def test_stop_all_passes_over_what_is_stopped_and_what_is_not_kilters(here: Machine, tmp_path: Path) -> None:
    file = written(tmp_path, "name: shop\n")
    run_clusters(here, "shop")
    running = answering(here).answers[LISTED]
    resting, foreign = (
        json.dumps({"ID": name, "Names": node_name(name), "State": state, "Mounts": mount, "Labels": label})
        for name, state, mount, label in (
            ("a-rest", "exited", str(here.paths.identity("a-rest")), f"{docker.KIND_LABEL}=kilter-a-rest"),
            ("b-foreign", "running", "/x", f"{docker.KIND_LABEL}=kilter-b-foreign"),
        )
    )
    answering(here).answers = {**answering(here).answers, LISTED: f"{resting}\n{foreign}\n{running}"}
    assert run(["stop", "--all"]) == 0
    assert stopped(here) == [node_name("shop")]
    assert "stopped: true" in file.read_text()


@pytest.mark.requirement("LC-Q12")
def test_stop_all_says_so_where_nothing_runs(here: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    run_clusters(here)
    assert run(["stop", "--all"]) == 0
    assert capsys.readouterr().out == "no kilter project runs on this machine\n"


@pytest.mark.requirement("LC-Q12")
def test_stop_all_ends_with_1_and_names_what_runs_on(
    here: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "name: shop\nservices: {redis: }\n")
    records.claim(here.paths, "blog", tmp_path / "blog")
    run_clusters(here, "blog", "shop")
    runner = answering(here)
    refused = {docker.stop(node_name("shop"), 20).argv: Outcome(1, "", "no")}
    runner.answers = {**runner.answers, docker.inspect(node_name("blog")).argv: "[]", **refused}
    assert run(["stop", "--all"]) == 1
    said = capsys.readouterr()
    assert "blog was already stopped" in said.out
    assert "shop" not in said.out
    assert said.err.startswith("error: 1 project could not be stopped\n  shop: ")
