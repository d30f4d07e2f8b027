"""What `kilter doctor` says of a machine, and what it mends."""

import errno
import json
import shutil
import tempfile
import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner
from unit.dev.support import machine, workspace

from kilter.clusters import ports, registry
from kilter.clusters.node import NODES, node_name
from kilter.clusters.ports import Holder
from kilter.dev import checks, doctor, tilt_process
from kilter.dev.documents import Check, DoctorDocument
from kilter.dev.machine import Machine
from kilter.errors import MachineLacks
from kilter.proc import Command, Outcome, missing
from kilter.state import ledger, records
from kilter.tools import docker
from kilter.tools.versions import TOOLS

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - as shutil has it
NODE_LIST = docker.list_containers(name=NODES).argv
OURS = docker.list_containers(name=doctor.OURS).argv
SHARED = docker.list_containers(labels=[registry.ROLE]).argv
WITHOUT_ENGINE = {
    *(f"tools.{name}" for name in TOOLS), "machine.disk", "machine.ipv6", "records.ports", "records.directories",
}  # fmt: skip
WITH_ENGINE = {
    "engine.local", "engine.memory", "engine.cgroup", "engine.buildx", "clusters.foreign", "ports.block",
    "registry.running",
}  # fmt: skip


def facts(**changes: Any) -> str:
    plugins = {"Plugins": [{"Name": "buildx", "Version": "v0.20.0"}]}
    common = {"ServerVersion": "28.2.2", "CgroupVersion": "2", "MemTotal": 8 * 2**30, "ClientInfo": plugins}
    return json.dumps(common | changes)


def shared(state: str = "running") -> str:
    rows = [
        {"Names": service.name, "State": state, "Labels": f"{registry.ROLE}={service.role}"}
        for service in registry.services({})
    ]
    return "\n".join(json.dumps(row) for row in rows)


def answers(address: str = "unix:///x", info: str | Outcome = "", **more: str) -> dict[tuple[str, ...], Any]:
    """What a healthy engine answers, without any cluster."""
    lists = {NODE_LIST: more.get("nodes", ""), OURS: more.get("ours", ""), SHARED: more.get("shared", shared())}
    return {docker.endpoint().argv: address, docker.info().argv: info or facts(), **lists}


def node(project: str, mounted: Path, state: str = "running") -> tuple[str, str]:
    """Return the row of `docker ps` and the answer of `docker inspect` for a project's node."""
    name = f"kilter-{project}-control-plane"
    inspected = {
        "Id": "id1",
        "Name": f"/{name}",
        "Image": "sha",
        "Config": {"Image": "kindest/node", "Labels": {docker.KIND_LABEL: f"kilter-{project}"}},
        "State": {"Status": state},
        "Mounts": [{"Type": "bind", "Source": str(mounted), "Destination": "/kilter"}],
    }
    labels = f"{docker.KIND_LABEL}=kilter-{project}"
    row = {"ID": "id1", "Names": name, "State": state, "Labels": labels, "Mounts": f"{mounted},/lib/modules"}
    return json.dumps(row), json.dumps([inspected])


class NoDocker(FakeRunner):
    """A machine without Docker."""

    def run(self, command: Command) -> Outcome:
        self.commands.append(command)
        raise missing(command)


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with room, free ports, and a tool for every wish."""
    monkeypatch.setattr(Machine, "tool", lambda _machine, name: Path("/copies") / name)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(2**40, 0, 2**39))
    monkeypatch.setattr(ports, "is_free", lambda _port: True)
    monkeypatch.setattr(ports, "has_ipv6", lambda: True)


def seen(here: Machine, *, fix: bool = False, directory: Path | None = None) -> dict[str, Check]:
    """Return the rows by id; an id occurs once."""
    document = doctor.doctor(here, fix=fix, directory=directory)
    rows = {row.id: row for row in document.checks}
    assert len(rows) == len(document.checks)
    assert document.ok == all(row.status != "fail" for row in document.checks)
    return rows


def state_of(rows: dict[str, Check]) -> dict[str, str]:
    return {name: row.status for name, row in rows.items() if row.status != "pass"}


def test_a_healthy_machine_passes_every_check_but_the_tools_still_to_come(tmp_path: Path) -> None:
    rows = seen(machine(tmp_path, FakeRunner(answers())))
    assert rows.keys() - {"machine.inotify"} == WITHOUT_ENGINE | WITH_ENGINE | {"engine.reachable"}
    assert state_of({name: row for name, row in rows.items() if name != "machine.inotify"}) == {
        f"tools.{name}": "warning" for name in TOOLS
    }


@pytest.mark.requirement("LC-Q3")
def test_without_docker_everything_is_checked_that_needs_none(tmp_path: Path) -> None:
    rows = seen(machine(tmp_path, NoDocker()))
    assert rows.keys() - {"machine.inotify"} == WITHOUT_ENGINE | {"engine.reachable", "engine.skipped"}
    assert rows["engine.reachable"].status == "fail"
    assert "Docker is not installed" in rows["engine.reachable"].message
    assert "docs.docker.com" in rows["engine.reachable"].fix
    assert rows["engine.skipped"].status == "warning"


def test_an_engine_that_is_down_is_one_row(tmp_path: Path) -> None:
    down = Outcome(1, json.dumps({"ServerErrors": ["Cannot connect to the Docker daemon"]}))
    rows = seen(machine(tmp_path, FakeRunner(answers(info=down))))
    assert rows["engine.reachable"].status == "fail"
    assert "Cannot connect" in rows["engine.reachable"].message
    assert "clusters.foreign" not in rows


@pytest.mark.requirement("LC-Q4", "C12")
def test_an_engine_elsewhere_fails_by_name_unless_allowed(tmp_path: Path) -> None:
    runner = FakeRunner(answers("tcp://10.0.0.5:2376"))
    rows = seen(machine(tmp_path, runner))
    assert rows["engine.local"].status == "fail"
    assert "tcp://10.0.0.5:2376" in rows["engine.local"].message
    assert "engine.reachable" not in rows
    allowed = seen(machine(tmp_path, runner, KILTER_ALLOW_REMOTE_DOCKER="1"))
    assert (allowed["engine.local"].status, allowed["engine.reachable"].status) == ("warning", "pass")


@pytest.mark.parametrize(
    ("changes", "row", "words"),
    [
        ({"MemTotal": 3 * 2**30}, "engine.memory", "3.0 GiB"),
        ({"MemTotal": 0}, "engine.memory", "no memory size"),
        ({"CgroupVersion": "1"}, "engine.cgroup", "on its way out"),
        ({"ClientInfo": {"Plugins": [{"Name": "compose"}]}}, "engine.buildx", "missing"),
        ({"ClientInfo": {"Plugins": None}}, "engine.buildx", "missing"),
        ({"ClientInfo": None}, "engine.buildx", "missing"),
    ],
)
def test_what_the_engine_lacks_is_a_warning(changes: dict[str, Any], row: str, words: str, tmp_path: Path) -> None:
    rows = seen(machine(tmp_path, FakeRunner(answers(info=facts(**changes)))))
    assert rows[row].status == "warning"
    assert words in rows[row].message
    assert rows[row].fix


@pytest.mark.requirement("LC-Q3")
def test_a_tool_is_named_with_its_version_and_where_it_is_from(tmp_path: Path) -> None:
    here = machine(tmp_path, NoDocker())
    folder = here.paths.tools_dir / "kind" / TOOLS["kind"].version
    folder.mkdir(parents=True)
    (folder / "receipt.json").write_text("{}")
    (folder / "kind").touch(mode=0o755)
    assert seen(here)["tools.kind"].message == f"kind {TOOLS['kind'].version}, kilter's copy: {folder / 'kind'}"


@pytest.mark.requirement("LC-Q3")
@pytest.mark.parametrize(("version", "status"), [("0.33.0", "pass"), ("0.20.0", "warning")])
def test_a_tool_on_path_is_judged_by_its_version(version: str, status: str, tmp_path: Path) -> None:
    own = tmp_path / "kind"
    own.touch(mode=0o755)
    runner = FakeRunner({**answers(), (str(own), "version"): f"kind v{version} go1.25 linux/amd64"})
    row = seen(machine(tmp_path, runner, PATH=str(tmp_path)))["tools.kind"]
    assert row.status == status
    assert f"{own}" in row.message
    assert version in row.message


def test_fix_fetches_what_is_missing_and_an_unreachable_source_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bring(_machine: Machine, name: str) -> Path:
        if name == "tilt":
            raise MachineLacks("tilt could not be had", why="no network", hint="connect to the network")
        return Path("/copies") / name

    monkeypatch.setattr(Machine, "tool", bring)
    rows = seen(machine(tmp_path, NoDocker()), fix=True)
    assert rows["tools.kind"].status == "pass"
    assert "/copies/kind" in rows["tools.kind"].message
    assert rows["tools.tilt"] == Check(
        id="tools.tilt",
        category="tools",
        status="fail",
        message="tilt could not be had (no network)",
        fix="connect to the network",
    )


@pytest.mark.parametrize(("free", "status"), [(11 * 2**30, "pass"), (9 * 2**30, "warning"), (2**30, "fail")])
def test_the_scarcest_disk_decides(free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "docker"
    root.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(2**40, 0, free if place == root else 2**39))
    rows = seen(machine(tmp_path, FakeRunner(answers(info=facts(DockerRootDir=str(root))))))
    assert rows["machine.disk"].status == status
    assert (str(root) in rows["machine.disk"].message) or status == "pass"


@pytest.mark.requirement("LC-Q3")
def test_a_folder_of_kilters_that_takes_no_file_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be room on it, and its records may be readable: every other command fails."""
    here = machine(tmp_path, FakeRunner(answers()))
    assert not {"machine.data", "machine.cache"} & set(seen(here))
    make = tempfile.TemporaryFile

    def refusing(**place: Any) -> object:
        if place["dir"] == here.paths.data:
            raise OSError(errno.EROFS, "Read-only file system")
        return make(**place)

    here.paths.data.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(tempfile, "TemporaryFile", refusing)
    rows = seen(here)
    assert "machine.cache" not in rows
    row = rows["machine.data"]
    assert (row.status, row.category) == ("fail", "machine")
    assert f"cannot write in {here.paths.data}" in row.message
    assert "Read-only file system" in row.message
    assert "XDG_DATA_HOME" in row.fix


def test_a_data_folder_that_is_not_there_yet_is_judged_by_what_will_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def usage(place: Path) -> Usage:
        asked.append(place)
        if place != tmp_path:
            raise FileNotFoundError(place)
        return Usage(2**40, 0, 2**39)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert checks.room([tmp_path / "a" / "b"]).status == "pass"
    assert asked == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]


@pytest.mark.parametrize(
    ("instances", "watches", "fix"),
    [
        (512, 524288, ""),
        (128, 524288, "sudo sysctl fs.inotify.max_user_instances=512"),
        (1024, 8192, "sudo sysctl fs.inotify.max_user_watches=524288"),
        (128, 8192, "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"),
    ],
)
def test_low_limits_come_with_the_line_that_raises_them(instances: int, watches: int, fix: str, tmp_path: Path) -> None:
    (tmp_path / "max_user_instances").write_text(f"{instances}\n")
    (tmp_path / "max_user_watches").write_text(f"{watches}\n")
    [row] = checks.inotify(tmp_path)
    assert row.fix == fix
    assert row.status == ("warning" if fix else "pass")


def test_a_kernel_without_inotify_has_no_row(tmp_path: Path) -> None:
    assert checks.inotify(tmp_path) == []


def test_a_machine_without_ipv6_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "has_ipv6", lambda: False)
    row = seen(machine(tmp_path, NoDocker()))["machine.ipv6"]
    assert (row.status, row.message) == ("pass", "localhost is 127.0.0.1 alone, without IPv6")


@pytest.mark.requirement("NS-Q14")
def test_a_damaged_record_fails_and_fix_puts_it_together_again(tmp_path: Path) -> None:
    before = workspace(tmp_path)
    here = machine(tmp_path, FakeRunner(answers()))
    here.paths.ports_file.write_text('{"schema": "kilter.por')
    rows = seen(here)
    assert rows["records.ports"].status == "fail"
    assert "doctor --fix" in rows["records.ports"].fix
    assert "records.directories" not in rows
    mended = seen(here, fix=True)
    assert mended["records.ports"].status == "pass"
    assert "shop" in mended["records.ports"].message
    assert records.read(here.paths, "shop") == before.allocation


@pytest.mark.requirement("NS-Q14")
def test_a_lost_record_is_noticed_and_put_back(tmp_path: Path) -> None:
    before = workspace(tmp_path)
    here = machine(tmp_path, NoDocker())
    here.paths.ports_file.unlink()
    row = seen(here)["records.ports"]
    assert row.status == "warning"
    assert "has lost shop" in row.message
    assert seen(here, fix=True)["records.ports"].status == "pass"
    assert records.read(here.paths, "shop") == before.allocation


@pytest.mark.requirement("NS-Q14")
def test_a_damaged_copy_of_a_known_record_is_named_and_written_anew(tmp_path: Path) -> None:
    before = workspace(tmp_path)
    here = machine(tmp_path, NoDocker())
    copy = here.paths.project_data("shop") / "record.json"
    copy.write_text("{")
    row = seen(here)["records.copies"]
    assert (row.status, row.category) == ("warning", "records")
    assert f"{copy} is damaged" in row.message
    assert seen(here, fix=True)["records.copies"].status == "pass"
    assert ledger.copy(here.paths, "shop") == before.allocation
    assert "records.copies" not in seen(here)


@pytest.mark.requirement("NS-Q14")
def test_a_record_that_is_lost_for_good_is_set_aside_and_the_lost_password_told(tmp_path: Path) -> None:
    workspace(tmp_path)
    here = machine(tmp_path, NoDocker())
    here.paths.ports_file.unlink()
    copy = here.paths.project_data("shop") / "record.json"
    copy.write_text("{")
    row = seen(here, fix=True)["records.copies"]
    assert row.status == "warning"
    assert "the record of shop is lost" in row.message
    assert "record.json.damaged" in row.fix
    assert copy.with_name("record.json.damaged").read_text() == "{"
    assert records.read(here.paths, "shop") is None


def test_the_record_of_a_newer_kilter_is_never_repaired(tmp_path: Path) -> None:
    workspace(tmp_path)
    here = machine(tmp_path, NoDocker())
    text = '{"schema": "kilter.ports/v2", "projects": {}}'
    here.paths.ports_file.write_text(text)
    row = seen(here, fix=True)["records.ports"]
    assert row.status == "fail"
    assert "update kilter" in row.fix
    assert here.paths.ports_file.read_text() == text


def test_a_record_whose_directory_vanished_is_named_with_the_way_out(tmp_path: Path) -> None:
    gone = workspace(tmp_path).project.root
    shutil.rmtree(gone)
    row = seen(machine(tmp_path, NoDocker()))["records.directories"]
    assert row.status == "warning"
    assert f"shop ({gone})" in row.message
    assert f"cd {gone} && kilter init --name shop && kilter destroy" in row.fix


@pytest.mark.requirement("NS-Q2", "C4")
def test_the_trial_platform_has_no_directory_that_could_vanish_or_be_moved_from(tmp_path: Path) -> None:
    here = machine(tmp_path, NoDocker())
    platform = records.claim(here.paths, "platform", here.paths.project_data("platform"))
    named = tmp_path / "platform"
    named.mkdir()
    (named / "kilter.yaml").write_text("services: {redis: }\n")
    rows = seen(here, fix=True, directory=named)
    assert rows["records.directories"].status == "pass"
    assert "records.moved" not in rows
    assert records.read(here.paths, "platform") == platform
    with pytest.raises(records.OwnedElsewhere) as caught:
        records.claim(here.paths, "platform", named)
    assert "doctor --fix" not in caught.value.hint


@pytest.mark.requirement("NS-Q2")
def test_a_project_that_was_moved_is_recorded_at_its_new_place_on_demand(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    fresh = tmp_path / "elsewhere" / "shop"
    fresh.parent.mkdir()
    opened.project.root.rename(fresh)
    here = machine(tmp_path, NoDocker())
    assert seen(here, directory=fresh)["records.moved"].status == "warning"
    assert records.read(here.paths, "shop") == opened.allocation
    rows = seen(here, fix=True, directory=fresh)
    assert rows["records.moved"].status == "pass"
    assert rows["records.directories"].status == "pass"
    moved = records.read(here.paths, "shop")
    assert moved is not None
    assert (moved.directory, moved.base, moved.password) == (
        str(fresh), opened.allocation.base, opened.allocation.password
    )  # fmt: skip


@pytest.mark.requirement("NS-Q2", "C4")
def test_a_directory_that_may_not_be_entered_is_not_taken_for_gone(
    tmp_path: Path, close: Callable[[Path], None]
) -> None:
    opened = workspace(tmp_path)
    second = tmp_path / "second" / "shop"
    shutil.copytree(opened.project.root, second)
    close(opened.project.root)
    rows = seen(machine(tmp_path, NoDocker()), fix=True, directory=second)
    assert "records.moved" not in rows
    assert rows["records.directories"].status == "pass"
    assert records.read(opened.machine.paths, "shop") == opened.allocation


def test_a_directory_that_cannot_be_judged_is_a_row_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checks, "directories", refuse)
    row = seen(machine(tmp_path, NoDocker()))["records.directories"]
    assert (row.status, row.message) == (
        "warning", "records.directories could not be checked: Input/output error"
    )  # fmt: skip


@pytest.mark.requirement("NS-Q2", "C4")
def test_a_second_checkout_takes_nothing_over(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    second = tmp_path / "second"
    shutil.copytree(opened.project.root, second / "shop")
    here = machine(tmp_path, NoDocker())
    assert "records.moved" not in seen(here, fix=True, directory=second / "shop")
    assert records.read(here.paths, "shop") == opened.allocation


def test_a_directory_without_a_project_is_fine(tmp_path: Path) -> None:
    assert "records.moved" not in seen(machine(tmp_path, NoDocker()), directory=tmp_path)


@pytest.mark.requirement("NS-Q3")
def test_containers_that_only_bear_our_name_are_named_and_left_alone(tmp_path: Path) -> None:
    listed, inspected = node("blog", tmp_path / "somebody" / "identity")
    stray = json.dumps({"ID": "id2", "Names": "kilter-tool", "State": "running", "Labels": "a=b"})
    given = answers(nodes=listed, ours=f"{listed}\n{stray}\n{shared()}")
    runner = FakeRunner({**given, docker.inspect(node_name("blog")).argv: inspected})
    row = seen(machine(tmp_path, runner))["clusters.foreign"]
    assert row.status == "warning"
    assert f"kilter-blog-control-plane is not ours: it belongs to the data folder {tmp_path}" in row.message
    assert "kilter-tool is not ours: it does not bear kilter's mark" in row.message
    assert all(command.argv[1] in ("context", "info", "ps", "inspect") for command in runner.commands)


def taken(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Let nginx hold one port."""
    monkeypatch.setattr(ports, "is_free", lambda number: number != port)
    monkeypatch.setattr(ports, "named", lambda _, numbers: [Holder(number, 7, "nginx") for number in numbers])


@pytest.mark.requirement("NS-Q16", "C13")
@pytest.mark.parametrize("state", ["absent", "exited", "running"])
def test_a_port_is_a_conflict_only_while_the_cluster_does_not_hold_it_itself(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace(tmp_path)
    port = opened.allocation.base
    taken(monkeypatch, port)
    listed, _ = node("shop", opened.machine.paths.identity("shop"), state)
    rows = seen(machine(tmp_path, FakeRunner(answers(nodes="" if state == "absent" else listed))))
    assert rows["clusters.foreign"].status == "pass"
    if state == "running":
        assert rows["ports.block"].status == "pass"
    else:
        assert rows["ports.block"].status == "warning"
        assert rows["ports.block"].message == f"shop: port {port} is held by nginx (process 7)"


@pytest.mark.requirement("NS-Q16")
@pytest.mark.parametrize("runs", [True, False])
def test_the_port_of_tilts_page_is_free_or_tilts(runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = workspace(tmp_path)
    taken(monkeypatch, opened.allocation.tilt_port)
    monkeypatch.setattr(tilt_process, "alive", lambda _paths, _name: runs or None)
    rows = seen(machine(tmp_path, FakeRunner(answers())))
    assert (rows["ports.block"].status == "pass") is runs


def test_many_conflicts_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace(tmp_path)
    taken(monkeypatch, 0)
    monkeypatch.setattr(ports, "is_free", lambda _number: False)
    row = seen(machine(tmp_path, FakeRunner(answers())))["ports.block"]
    assert row.message.count("is held by") == checks.SHOWN
    assert row.message.endswith("; and 14 more")


def test_a_registry_that_does_not_run_is_made_to_run_with_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = workspace(tmp_path)
    listed, _ = node("shop", opened.machine.paths.identity("shop"))
    runner = FakeRunner(answers(nodes=listed))
    runner.answers[SHARED] = shared("exited")  # type: ignore[index]
    row = seen(machine(tmp_path, runner))["registry.running"]
    assert (row.status, row.category) == ("warning", "engine")
    assert "kilter-registry" in row.message
    ensured: list[bool] = []

    def ensure(*_: object) -> None:
        ensured.append(True)
        runner.answers[SHARED] = shared()  # type: ignore[index]

    monkeypatch.setattr(registry, "ensure", ensure)
    assert seen(machine(tmp_path, runner), fix=True)["registry.running"].status == "pass"
    assert ensured == [True]


def test_without_a_cluster_there_need_be_no_registry(tmp_path: Path) -> None:
    rows = seen(machine(tmp_path, FakeRunner(answers(shared=""))), fix=True)
    assert rows["registry.running"].status == "pass"


def test_an_engine_that_dies_half_way_is_a_row_and_no_error(tmp_path: Path) -> None:
    gone: dict[tuple[str, ...], Any] = {**answers(), NODE_LIST: Outcome(1, "", "Cannot connect")}
    gone[SHARED] = Outcome(1, "", "Cannot connect")
    rows = seen(machine(tmp_path, FakeRunner(gone)))
    assert (rows["clusters.foreign"].status, rows["registry.running"].status) == ("fail", "fail")


def test_a_home_that_cannot_be_written_is_a_row_and_no_error(tmp_path: Path) -> None:
    own = tmp_path / "kind"
    own.touch(mode=0o755)
    runner = FakeRunner({**answers(), (str(own), "version"): "kind v0.33.0 go1.25 linux/amd64"})
    here = machine(tmp_path, runner, PATH=str(tmp_path))
    here.paths.cache.write_text("a file where the folder should be")
    assert seen(here)["tools.kind"].status == "fail"


def test_the_document_is_the_contract(tmp_path: Path) -> None:
    document = doctor.doctor(machine(tmp_path, NoDocker()), fix=False)
    assert isinstance(document, DoctorDocument)
    assert document.schema == "kilter.doctor/v1"
    assert document.ok is False
    assert {row.category for row in document.checks} <= {"engine", "tools", "machine", "records", "project"}


@pytest.mark.requirement("LC-Q22")
def test_ctrl_c_waits_for_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over, begun, ended, done = threading.Event(), threading.Event(), list[bool](), list[bool]()

    def download(_machine: Machine, _name: str, _fix: bool) -> list[Check]:
        begun.set()
        done.append(over.wait(5))
        return []

    def press(_machine: Machine) -> doctor.Sight:
        assert begun.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "_tool", download)
    monkeypatch.setattr(doctor, "look", press)
    monkeypatch.setattr(FakeRunner, "end_running", lambda _: ended.append(True))
    with pytest.raises(KeyboardInterrupt):
        doctor.doctor(machine(tmp_path), fix=True)
    assert done == [], "it waited for the download"
    over.set()
    assert ended == [True]
