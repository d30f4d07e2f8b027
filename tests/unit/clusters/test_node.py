"""What is read from a node's container: whose it is."""

from pathlib import Path

import pytest

from kilter.clusters.node import DESKTOP, is_at


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """A project's folder of volumes, in a home that has a link beside it."""
    (tmp_path / "home/volumes").mkdir(parents=True)
    (tmp_path / "other/volumes").mkdir(parents=True)
    (tmp_path / "link").symlink_to("home")
    (tmp_path / "elsewhere").symlink_to("other")
    (tmp_path / "renamed").symlink_to("home/volumes")
    return tmp_path / "home/volumes"


@pytest.mark.requirement("NS-4")
@pytest.mark.parametrize(
    ("source", "is_its"),
    [
        ("/home/volumes", True),
        ("/link/volumes", True),
        ("/other/volumes", False),
        ("/elsewhere/volumes", False),
        ("/home", False),
        ("/renamed", False),  # what is mounted keeps the folder's name
        ("/home/volumes/more", False),
    ],
)
@pytest.mark.parametrize("shown", ["", DESKTOP])
def test_a_mount_is_a_projects_by_its_folder_whatever_links_lead_there(
    volumes: Path, source: str, is_its: bool, shown: str
) -> None:
    assert is_at(f"{shown}{volumes.parent.parent}{source}", volumes) is is_its


def test_a_project_that_is_reached_by_a_link_has_the_mount_of_the_folder_itself(volumes: Path) -> None:
    assert is_at(str(volumes), volumes.parent.parent / "link/volumes")


@pytest.mark.parametrize("source", ["", "volumes", "home/volumes", "../volumes"])
def test_a_volume_of_dockers_own_is_no_folder(volumes: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(volumes.parent.parent)
    assert not is_at(source, volumes)
