"""Tidying the registry's volume: when it is time, what goes, and that nothing else does.

The folders are those that registry:3 makes; tests/conformance/test_registry_volume.py does the same with a real one.
"""

import stat
from pathlib import Path

import pytest
from unit.server.volume import NOW, A, B, Volume

from kilter.server.registry_volume import QUIET, look, prune


def test_a_volume_that_nobody_has_pushed_to_is_left_as_it_is(tmp_path: Path) -> None:
    assert not look(tmp_path, NOW)
    prune(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_is_time_to_collect_when_a_manifest_was_deleted_and_no_longer_when_it_was_pruned(volume: Volume) -> None:
    volume.push("acme/shop", A)
    volume.push("acme/shop", B)
    assert not look(volume.path, NOW)
    volume.delete("acme/shop", A)
    assert look(volume.path, NOW)
    prune(volume.path)
    assert not look(volume.path, NOW)


@pytest.mark.requirement("DP-Q25")
def test_a_repository_without_a_manifest_goes_with_the_folders_of_its_name(volume: Volume) -> None:
    volume.push("acme/gone", tag="1")
    volume.push("acme/shop")
    before = volume.tree("acme/shop")
    volume.delete("acme/gone")
    prune(volume.path)
    assert volume.tree() == sorted(["acme", "acme/shop", *(f"acme/shop/{path}" for path in before)])


def test_an_organisation_goes_with_its_last_repository_and_the_root_stays(volume: Volume) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    prune(volume.path)
    assert volume.tree() == []
    assert volume.root.is_dir()


def test_a_repository_within_anothers_name_stays_and_so_does_the_one_around_it(volume: Volume) -> None:
    volume.push("acme/shop/worker")
    volume.push("acme/shop")
    volume.delete("acme/shop")
    kept = volume.tree("acme/shop/worker")
    prune(volume.path)
    assert volume.tree("acme/shop") == sorted(["worker", *(f"worker/{path}" for path in kept)])
    volume.push("acme/shop")
    volume.delete("acme/shop/worker")
    prune(volume.path)
    assert (volume.root / "acme/shop/_manifests/revisions/sha256" / A / "link").exists()
    assert not (volume.root / "acme/shop/worker").exists()


def test_images_without_a_tag_stay_and_a_tag_that_leads_nowhere_keeps_nothing(volume: Volume) -> None:
    volume.push("acme/shop")
    volume.push("acme/torn", tag="latest")
    volume.delete("acme/torn")
    prune(volume.path)
    assert not (volume.root / "acme/torn").exists()
    assert (volume.root / "acme/shop/_manifests/revisions/sha256" / A / "link").exists()


def test_folders_of_what_was_removed_go_from_a_repository_that_stays(volume: Volume) -> None:
    volume.push("acme/shop", A, layers=A)
    volume.push("acme/shop", B, layers=B)
    volume.delete("acme/shop", A)
    (volume.root / f"acme/shop/_layers/sha256/{A}/link").unlink()  # as the registry's collection does
    prune(volume.path)
    left = [path for path in volume.tree("acme/shop") if path.endswith(A)]
    assert left == []
    assert (volume.root / "acme/shop/_layers/sha256").is_dir()


def test_layers_of_a_push_that_never_ended_go_when_it_is_long_over(volume: Volume) -> None:
    volume.at = NOW - QUIET / 2
    volume.layer("acme/broken", A)
    assert not look(volume.path, NOW)
    assert look(volume.path, NOW + QUIET)
    prune(volume.path)
    assert volume.tree() == []


@pytest.mark.parametrize("age", [0, QUIET - 1])
def test_nothing_is_collected_while_an_upload_goes_on_anywhere(volume: Volume, age: float) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    volume.at = NOW - age
    volume.upload("acme/shop")
    assert not look(volume.path, NOW)


def test_an_upload_that_was_given_up_holds_nothing_up_and_keeps_its_repository(volume: Volume) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    volume.push("acme/shop")
    volume.delete("acme/shop")
    volume.upload("acme/shop")
    assert look(volume.path, NOW)
    uploads = volume.tree("acme/shop/_uploads")
    prune(volume.path)
    assert volume.tree("acme/shop/_uploads") == uploads
    assert not (volume.root / "acme/gone").exists()
    assert not look(volume.path, NOW), (
        "an upload that the registry has not given up yet must not have it collect nightly"
    )


def test_nothing_is_collected_between_the_layers_of_a_push_and_its_manifest(volume: Volume) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    volume.push("acme/shop")
    volume.at = NOW - 5
    volume.layer("acme/shop", B)
    assert not look(volume.path, NOW)
    volume.at = NOW - 4
    volume.push("acme/shop", B, layers=A)
    assert look(volume.path, NOW)


def test_what_was_just_pushed_and_deleted_is_collected_at_once(volume: Volume) -> None:
    volume.at = NOW - 5
    volume.push("acme/gone")
    volume.at = NOW - 1
    volume.delete("acme/gone")
    assert look(volume.path, NOW)


def test_a_clock_that_was_ahead_once_holds_nothing_up(volume: Volume) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    volume.at = NOW + 10 * QUIET
    volume.upload("acme/shop")
    assert look(volume.path, NOW)


STRANGE = [
    "_manifests/revisions/sha256/note",
    "_manifests/revisions/md5/0123/link",
    "_manifests/tags/latest/current/link.bak",
    "_manifests/tags/latest/history/link",
    f"_manifests/revisions/sha256/{B}/data",
    f"_layers/sha256/{B}/data",
    "_layers/sha256/0123/link",
    "_uploads/readme",
    "_signatures/link",
]


@pytest.mark.parametrize("path", STRANGE)
def test_a_repository_with_something_strange_in_it_stays_whole_and_is_not_looked_at_every_night(
    volume: Volume, path: str
) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    volume.write(f"acme/gone/{path}", "precious")
    prune(volume.path)
    assert (volume.root / "acme/gone" / path).read_text() == "precious"
    assert (volume.root / f"acme/gone/_layers/sha256/{A}/link").exists()
    assert not look(volume.path, NOW)


def test_files_beside_repositories_stay(volume: Volume) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    volume.write("acme/gone/notes", "precious")
    volume.write("readme", "precious")
    prune(volume.path)
    assert volume.tree() == ["acme", "acme/gone", "acme/gone/notes", "readme"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder outside that looks just like a repository without manifests."""
    other = Volume(tmp_path / "elsewhere")
    other.push("acme/gone")
    other.delete("acme/gone")
    return other.root


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("acme", "acme"),
        ("acme/linked", "acme/gone"),
        ("acme/gone/_manifests", "acme/gone/_manifests"),
        (f"acme/gone/_layers/sha256/{B}", f"acme/gone/_layers/sha256/{A}"),
        ("acme/gone/_uploads", "acme/gone/_uploads"),
        (f"acme/gone/_layers/sha256/{A}/link", f"acme/gone/_layers/sha256/{A}/link"),
    ],
)
def test_a_symbolic_link_is_never_followed(volume: Volume, elsewhere: Path, link: str, target: str) -> None:
    if link.startswith("acme/gone"):
        volume.layer("acme/gone", A)
        (volume.root / "acme/gone/_uploads").rmdir()
    place = volume.root / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(elsewhere / target)
    before = sorted(elsewhere.rglob("*"))
    look(volume.path, NOW)
    prune(volume.path)
    assert place.is_symlink()
    assert sorted(elsewhere.rglob("*")) == before


def test_a_link_in_the_place_of_the_registrys_own_folders_is_not_followed_either(
    tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / "volume").symlink_to(elsewhere.parents[3])
    (tmp_path / "other/docker").mkdir(parents=True)
    (tmp_path / "other/docker/registry").symlink_to(elsewhere.parents[1])
    before = sorted(elsewhere.rglob("*"))
    assert not look(tmp_path / "other", NOW)
    prune(tmp_path / "other")
    assert sorted(elsewhere.rglob("*")) == before


def test_what_it_leaves_alone_keeps_its_rights(volume: Volume) -> None:
    volume.push("acme/shop")
    link = volume.root / f"acme/shop/_layers/sha256/{A}/link"
    link.chmod(0o640)
    prune(volume.path)
    assert stat.S_IMODE(link.stat().st_mode) == 0o640
