"""The flag that a clean stop leaves in kilter.yaml."""

import os
from pathlib import Path

import pytest
from unit.dev.support import machine, told

from kilter.dev import stopflag
from kilter.project.load import load

TEXT = "# mine\nname: shop   # ours\nservices:\n  redis:   # cache\n"


def project(folder: Path, text: str = TEXT) -> Path:
    file = folder / "kilter.yaml"
    file.write_text(text)
    return file


@pytest.mark.requirement("LC-16", "LC-Q13", "LC-Q14")
def test_stop_writes_the_flag_and_up_takes_it_out_without_a_trace(tmp_path: Path) -> None:
    file = project(tmp_path)
    stopflag.set_(machine(tmp_path), load(file))
    stopped = load(file)
    assert stopped.config.cluster is not None
    assert stopped.config.cluster.stopped is True
    assert "# mine\nname: shop   # ours\n" in file.read_text()
    stopflag.clear(machine(tmp_path), stopped)
    assert file.read_text() == TEXT


@pytest.mark.requirement("LC-Q7")
def test_a_second_stop_changes_nothing(tmp_path: Path) -> None:
    file = project(tmp_path)
    stopflag.set_(machine(tmp_path), load(file))
    once = file.read_text()
    stopflag.set_(machine(tmp_path), load(file))
    assert file.read_text() == once


@pytest.mark.requirement("LC-Q14")
def test_a_flag_that_is_false_is_left_to_its_owner(tmp_path: Path) -> None:
    text = f"{TEXT}cluster:\n  stopped: false\n"
    file = project(tmp_path, text)
    stopflag.clear(machine(tmp_path), load(file))
    assert file.read_text() == text


def test_what_else_is_said_of_the_cluster_stays(tmp_path: Path) -> None:
    file = project(tmp_path, f"{TEXT}cluster:\n  image: kindest/node:v1.37.0\n  stopped: true\n")
    stopflag.clear(machine(tmp_path), load(file))
    assert file.read_text() == f"{TEXT}cluster:\n  image: kindest/node:v1.37.0\n"


@pytest.mark.requirement("LC-Q15")
def test_a_file_that_is_gone_or_broken_is_a_warning(tmp_path: Path) -> None:
    here = machine(tmp_path)
    file = project(tmp_path)
    loaded = load(file)
    file.unlink()
    stopflag.set_(here, loaded)
    file.write_bytes(b"\xff\xfe not yaml")
    stopflag.set_(here, loaded)
    assert [line.partition(" was")[0] for line in told(here)] == [f"warn: {file}"] * 2
    assert file.read_bytes() == b"\xff\xfe not yaml"


@pytest.mark.requirement("LC-Q15")
def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "fsync", refuse)
    here, file = machine(tmp_path), project(tmp_path)
    stopflag.set_(here, load(file))
    [warning] = told(here)
    assert "Permission denied" in warning
    assert file.read_text() == TEXT


@pytest.mark.requirement("LC-Q15")
def test_a_file_of_an_unusual_form_is_a_warning_with_what_to_write_by_hand(tmp_path: Path) -> None:
    here, file = (
        machine(tmp_path),
        project(tmp_path, f"x-mine: &mine {{image: kindest/node:v1.37.0}}\n{TEXT}cluster: *mine\n"),
    )
    stopflag.set_(here, load(file))
    [warning] = told(here)
    assert warning.endswith("its form is unusual; write by hand: `stopped: true` under `cluster:`")
