"""`kilter destroy --purge`: everything but the repository, and nothing that a link leads to."""

import errno
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from fakes import ENGINE, FakeRunner
from unit.dev.support import told, workspace

from kilter.cli.app import App
from kilter.cli.main import run
from kilter.clusters.kind import KindProvider
from kilter.clusters.node import engine_file
from kilter.clusters.provider import Cluster, State
from kilter.dev import tilt_process
from kilter.dev.destroy import destroy, losses, purged
from kilter.dev.machine import Machine
from kilter.dev.workspace import Workspace
from kilter.errors import BadInput, Failed
from kilter.project.load import load
from kilter.state import records
from kilter.state.records import OwnedElsewhere
from kilter.tools import docker, images

IMAGES = images.named("localhost:32760/shop_*").argv
ABSENT = {docker.inspect("kilter-shop-control-plane").argv: "[]", IMAGES: "", **ENGINE}


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    """The project `shop`, known to the machine and without a cluster, with a snapshot."""
    found = workspace(tmp_path, FakeRunner(dict(ABSENT)))
    snapshot = found.machine.paths.snapshots("shop") / "friday"
    snapshot.mkdir(parents=True)
    (snapshot / "dump").write_bytes(b"x" * 2048)
    return found


@pytest.mark.requirement("LC-Q10")
def test_purge_takes_the_data_folder_and_the_record_and_leaves_the_repository_and_the_neighbours(
    opened: Workspace,
) -> None:
    paths = opened.machine.paths
    neighbour = paths.project_data("shopping") / "record.json"
    neighbour.parent.mkdir()
    neighbour.write_text("mine")
    said = destroy(opened.machine, opened.project, purge=True)
    assert said.endswith("; its ports, its password, its images and its data folder are gone too")
    assert not paths.project_data("shop").exists()
    assert records.read(paths, "shop") is None
    assert neighbour.read_text() == "mine"
    assert opened.project.file.is_file()
    destroy(opened.machine, opened.project, purge=True)


@pytest.mark.requirement("NS-Q2", "C4")
@pytest.mark.parametrize("purge", [False, True])
def test_the_project_of_another_directory_is_neither_listed_nor_deleted(
    purge: bool, opened: Workspace, tmp_path: Path
) -> None:
    (copy := tmp_path / "copy").mkdir()
    (copy / "kilter.yaml").write_text("name: shop\n")
    project = load(copy / "kilter.yaml")
    for attempt in (lambda: losses(opened.machine, project), lambda: destroy(opened.machine, project, purge=purge)):
        with pytest.raises(OwnedElsewhere, match=str(opened.project.root)):
            attempt()
    assert opened.machine.runner.commands == []  # type: ignore[attr-defined]
    assert (opened.machine.paths.snapshots("shop") / "friday" / "dump").is_file()
    assert records.read(opened.machine.paths, "shop") == opened.allocation


@pytest.mark.requirement("LC-Q9")
def test_a_cluster_is_among_the_losses_and_is_said_to_be_gone(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KindProvider, "find", lambda _, name: Cluster(name, State.STOPPED))
    assert losses(opened.machine, opened.project) == ["the cluster kilter-shop (stopped)"]
    monkeypatch.setattr(KindProvider, "delete", lambda *_: True)
    assert destroy(opened.machine, opened.project, purge=False).startswith("shop is destroyed; ")
    monkeypatch.undo()
    assert destroy(opened.machine, opened.project, purge=False).startswith("shop was already destroyed; ")


@pytest.mark.requirement("LC-Q9", "LC-Q10")
def test_a_cluster_of_another_docker_is_named_before_and_after(opened: Workspace) -> None:
    """It runs on there, without its data, and nothing here would ever show it again."""
    engine_file(opened.machine.paths, "shop").write_text("another\n")
    opened.machine.runner.answers[docker.info().argv] = '{"ServerVersion": "29.0.0", "ID": "this"}'  # type: ignore[attr-defined]
    [said] = losses(opened.machine, opened.project)
    assert said.startswith("what the cluster kilter-shop needs, which was made on another Docker")
    destroy(opened.machine, opened.project, purge=False)
    assert any("kilter-shop was made on another Docker" in line for line in told(opened.machine))


@pytest.mark.requirement("LC-Q10", "LC-Q11")
def test_the_dev_loop_is_ended_first_and_the_flag_of_a_stop_goes_too(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    monkeypatch.setattr(tilt_process, "end", lambda _, name: happened.append(f"end the Tilt of {name}"))
    monkeypatch.setattr(KindProvider, "delete", lambda _, name: happened.append(f"delete {name}"))
    opened.project.file.write_text("name: shop\ncluster: {stopped: true}\n")
    destroy(opened.machine, load(opened.project.file), purge=False)
    assert happened == ["end the Tilt of shop", "delete shop"]
    assert opened.project.file.read_text() == "name: shop\n"


@pytest.mark.requirement("LC-Q10", "LC-28")
def test_without_purge_ports_password_snapshots_and_images_stay(opened: Workspace) -> None:
    before = records.read(opened.machine.paths, "shop")
    said = destroy(opened.machine, opened.project, purge=False)
    assert said.endswith("its ports, credentials and images are kept for the next `kilter up`")
    assert IMAGES not in [command.argv for command in opened.machine.runner.commands]  # type: ignore[attr-defined]
    assert records.read(opened.machine.paths, "shop") == before
    assert (opened.machine.paths.snapshots("shop") / "friday/dump").exists()


@pytest.mark.requirement("C9", "LC-Q10")
def test_purge_follows_no_link(opened: Workspace, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    folder = opened.machine.paths.project_data("shop")
    (folder / "elsewhere").symlink_to(precious)
    destroy(opened.machine, opened.project, purge=True)
    assert not folder.exists()
    folder.symlink_to(precious)
    destroy(opened.machine, opened.project, purge=True)
    assert not folder.is_symlink()
    assert (precious / "file").exists()


@pytest.mark.requirement("C9", "LC-Q10")
def test_of_a_cache_folder_that_is_a_link_the_link_alone_goes(opened: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    opened.cache.parent.mkdir(exist_ok=True)
    opened.cache.symlink_to(elsewhere)
    destroy(opened.machine, opened.project, purge=False)
    assert not opened.cache.is_symlink()
    assert (elsewhere / "file").exists()


@pytest.mark.requirement("F4")
def test_what_cannot_be_deleted_is_named_and_the_record_stays_for_the_next_attempt(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "dump")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    # What is rendered goes before, by the same function.
    monkeypatch.setattr("kilter.dev.destroy.rendered.remove", lambda _folder: None)
    with pytest.raises(Failed, match="could not be deleted") as caught:
        destroy(opened.machine, opened.project, purge=True)
    assert caught.value.why == "dump: Permission denied"
    assert "sudo rm -r" in caught.value.hint
    assert records.read(opened.machine.paths, "shop") == opened.allocation


def test_rendered_files_that_cannot_be_deleted_are_named_with_what_deletes_them(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = opened.machine.paths.project_cache("shop")
    folder.mkdir(parents=True)

    def refuse(_folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "kubeconfig")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(Failed, match=f"{folder} could not be deleted") as caught:
        destroy(opened.machine, opened.project, purge=False)
    assert caught.value.hint == f"run `sudo rm -r {folder}`"


@pytest.mark.requirement("LC-Q9", "LC-Q10")
def test_what_purge_takes_is_listed_with_sizes(opened: Workspace) -> None:
    block = opened.allocation.block
    image = {"Repository": "localhost:32760/shop_web", "Tag": "tilt-1"}
    opened.machine.runner.answers[IMAGES] = [json.dumps(image), json.dumps(image), ""]  # type: ignore[attr-defined]
    opened.machine.runner.answers[images.remove("localhost:32760/shop_web:tilt-1").argv] = ""  # type: ignore[attr-defined]
    assert purged(opened.machine, opened.project) == [
        f"the ports {block[0]}-{block[-1]} and the password",
        "the snapshot friday (2.0 KiB)",
        f"the folder {opened.machine.paths.project_data('shop')}",
        "the image localhost:32760/shop_web:tilt-1",
    ]
    destroy(opened.machine, opened.project, purge=True)
    removal = images.remove("localhost:32760/shop_web:tilt-1").argv
    assert [one.argv for one in opened.machine.runner.commands].count(removal) == 1  # type: ignore[attr-defined]
    opened.machine.runner.answers[IMAGES] = ""  # type: ignore[attr-defined]
    assert purged(opened.machine, opened.project) == []


def volume(opened: Workspace, files: dict[str, int]) -> Path:
    """Make the volume of redis with files of these sizes."""
    folder = opened.machine.paths.volumes("shop") / "shop-dev_redis"
    for name, size in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * size)
    return folder


@pytest.mark.requirement("LC-Q9")
@pytest.mark.parametrize(
    ("closed", "size"),
    [("none", "3.0 KiB"), ("shop-dev_redis", "size unknown"), ("shop-dev_redis/sub", "at least 2.0 KiB")],
)
def test_a_volume_that_the_user_may_not_read_is_not_called_empty(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch, closed: str, size: str
) -> None:
    shut, scandir = opened.machine.paths.volumes("shop") / closed, os.scandir

    def scan(folder: str | Path) -> object:
        if Path(folder) == shut:
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    volume(opened, {"dump": 2048, "sub/log": 1024})
    monkeypatch.setattr(os, "scandir", scan)
    assert losses(opened.machine, opened.project) == [f"the volume redis ({size})"]


@pytest.mark.requirement("LC-Q9")
def test_a_file_that_a_running_database_removes_meanwhile_is_not_counted(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanishing, lstat = volume(opened, {"dump": 2048, "temporary": 9}) / "temporary", Path.lstat

    def look(path: Path) -> os.stat_result:
        if path == vanishing:
            path.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", look)
    assert losses(opened.machine, opened.project) == ["the volume redis (2.0 KiB)"]


@pytest.mark.requirement("LC-Q9", "C17")
def test_purge_asks_for_the_name_and_takes_nothing_before_it_is_typed(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    machine: Machine = opened.machine
    monkeypatch.setattr(App, "machine", machine)
    monkeypatch.setattr("kilter.cli.console.Console.progress", machine.progress)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert run(["-C", str(opened.project.root), "destroy", "--purge"]) == 130
    assert "note: the snapshot friday (2.0 KiB)" in told(machine)
    assert machine.paths.project_data("shop").is_dir()
    assert records.read(machine.paths, "shop") is not None


def test_a_cache_folder_that_is_the_data_folder_is_refused_before_anything_goes(opened: Workspace) -> None:
    paths = opened.machine.paths
    paths.project_cache("shop").parent.mkdir(exist_ok=True)
    paths.project_cache("shop").symlink_to(paths.project_data("shop"))
    with pytest.raises(BadInput, match="is a project's data folder"):
        destroy(opened.machine, opened.project, purge=True)
    assert (paths.snapshots("shop") / "friday" / "dump").is_file()
    assert opened.machine.runner.commands == []  # type: ignore[attr-defined]


def test_volumes_that_may_not_be_looked_into_are_among_the_losses(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes = opened.machine.paths.volumes("shop")
    volumes.mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert losses(opened.machine, opened.project) == [f"the volumes in {volumes} (size unknown)"]
