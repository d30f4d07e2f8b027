"""The first kilter.yaml of a directory."""

from pathlib import Path

import pytest

from kilter.dev.init import init
from kilter.errors import BadInput
from kilter.project.load import load
from kilter.words import is_name

NAMES = ["shop", "My Shop", "2024", "été", "-x-", "a" * 80, "x;touch y", "'\"", "on"]


@pytest.mark.parametrize("dockerfile", [None, "FROM scratch\nEXPOSE 8080\n", "FROM scratch\n"])
@pytest.mark.parametrize("name", NAMES)
def test_what_init_writes_is_what_kilter_reads(name: str, dockerfile: str | None, tmp_path: Path) -> None:
    directory = tmp_path / name
    directory.mkdir()
    if dockerfile:
        (directory / "Dockerfile").write_text(dockerfile)
    said = init(directory, None, dry_run=False)
    project = load(directory / "kilter.yaml")
    assert is_name(project.name)
    assert said.startswith(f"wrote {directory / 'kilter.yaml'}\n")
    assert (directory / "kilter.yaml").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["shop", "null", "true", "off"])
def test_the_name_that_was_asked_for_is_the_projects(name: str, tmp_path: Path) -> None:
    init(tmp_path, name, dry_run=False)
    assert load(tmp_path / "kilter.yaml").name == name


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_the_services_in_the_comments_can_be_used_as_they_stand(service: str, tmp_path: Path) -> None:
    init(tmp_path, "shop", dry_run=False)
    file = tmp_path / "kilter.yaml"
    file.write_text(file.read_text().replace(" {}", "").replace(f"# {service}:", f"{service}:"))
    assert list(load(file).config.services) == [service]


def test_taking_the_comment_sign_away_is_enough(tmp_path: Path) -> None:
    init(tmp_path, "shop", dry_run=False)
    file = tmp_path / "kilter.yaml"
    file.write_text(file.read_text().replace("# redis:", "redis:"))
    assert list(load(file).config.services) == ["redis"]


def test_the_text_says_whether_an_app_will_run(tmp_path: Path) -> None:
    assert "runs the services alone" in init(tmp_path, "shop", dry_run=True)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert "is built and run" in init(tmp_path, "shop", dry_run=True)
    assert not (tmp_path / "kilter.yaml").exists()


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "kilter.yaml").write_text("mine")
    with pytest.raises(BadInput, match="exists already"):
        init(tmp_path, "shop", dry_run=False)
    assert (tmp_path / "kilter.yaml").read_text() == "mine"


def test_a_dockerfile_that_is_a_broken_link_is_no_directory_without_one(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").symlink_to("nowhere")
    assert "Without a Dockerfile" not in init(tmp_path, "shop", dry_run=True)


def test_neither_a_file_nor_a_link_that_leads_nowhere_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "kilter.yaml"
    file.symlink_to("elsewhere.yaml")
    with pytest.raises(BadInput, match=r"is a link to elsewhere\.yaml, which is not there") as caught:
        init(tmp_path, "shop", dry_run=False)
    assert caught.value.hint == "remove the link, or mend it"
    assert file.is_symlink()
    assert 'name: "shop"' in init(tmp_path, "shop", dry_run=True)
    (tmp_path / "elsewhere.yaml").write_text("name: mine\n")
    with pytest.raises(BadInput, match="exists already") as caught:
        init(tmp_path, "shop", dry_run=False)
    assert "`kilter init --dry-run`" in caught.value.hint
    assert 'name: "shop"' in init(tmp_path, "shop", dry_run=True)
    assert file.read_text() == "name: mine\n"


def test_a_name_that_no_project_can_have_is_refused_with_one_that_it_can(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'My Shop' cannot name a project") as caught:
        init(tmp_path, "My Shop", dry_run=False)
    assert caught.value.hint == "write it as 'my-shop'"
    assert not list(tmp_path.iterdir())
