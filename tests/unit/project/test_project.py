"""Finding a project, loading it, and what its components turn out to be."""

from pathlib import Path

import pytest

from kilter.errors import BadInput, NotFound
from kilter.project.load import InvalidProject, Project, find, load


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a valid name for a project."""
    root = tmp_path / "shop"
    root.mkdir()
    return root


def loaded(root: Path, text: str, **files: str) -> Project:
    """The project of a directory into which files were written; `_` in their names stands for `/`."""
    for name, content in files.items():
        place = root / name.replace("_", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    (root / "kilter.yaml").write_text(text)
    return load(root / "kilter.yaml")


def faults(project: Project) -> list[str]:
    with pytest.raises(InvalidProject) as raised:
        project.components()
    return [str(fault) for fault in raised.value.faults]


@pytest.mark.requirement("LC-Q12")
def test_the_file_is_found_upwards(project: Path) -> None:
    (project / "kilter.yaml").write_text("detect: true\n")
    (project / "a" / "b").mkdir(parents=True)
    assert find(project / "a" / "b") == project / "kilter.yaml"


@pytest.mark.requirement("LC-Q12")
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_is_not_passed_over_for_the_project_above(kind: str, project: Path) -> None:
    """Who runs `kilter destroy` there means the inner one."""
    (project / "kilter.yaml").write_text("detect: true\n")
    inner = project / "inner" / "kilter.yaml"
    inner.parent.mkdir()
    if kind == "link":
        inner.symlink_to("not-there.yaml")
    else:
        inner.mkdir()
    with pytest.raises(BadInput) as raised:
        find(inner.parent)
    assert raised.value.what == f"{inner} is no file"
    assert raised.value.hint == "mend it, or remove it"
    assert ("it is a link" in raised.value.why) is (kind == "link")


def test_one_above_is_the_parents_file_and_never_the_one_that_is_left(project: Path) -> None:
    """`-C ..` in a project within another's directory means the other."""
    child = project / "a" / "child"
    child.mkdir(parents=True)
    for place in (project, child):
        (place / "kilter.yaml").write_text("detect: true\n")
    assert find(child / "..") == project / "kilter.yaml"


@pytest.mark.requirement("NS-Q1")
def test_a_directory_is_one_project_whatever_way_leads_there(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "kilter.yaml").write_text("detect: true\n")
    (link := project.parent / "link").symlink_to(project)
    for way in (project, link, project / "sub" / "..", link / "sub" / ".."):
        found = load(find(way))
        assert (found.name, found.root, found.file) == ("shop", project, project / "kilter.yaml")


def test_a_file_that_is_a_link_belongs_to_the_directory_of_the_link(project: Path) -> None:
    (elsewhere := project.parent / "theirs.yaml").write_text("detect: true\n")
    (project / "kilter.yaml").symlink_to(elsewhere)
    found = load(find(project))
    assert (found.name, found.file) == ("shop", project / "kilter.yaml")


def test_a_way_that_is_closed_is_bad_input(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(BadInput, match="cannot be looked for") as caught:
        find(project)
    assert caught.value.why == "Permission denied"
    assert "with -C" in caught.value.hint


@pytest.mark.requirement("CT-Q7")
def test_without_a_file_the_way_to_make_one_is_named(project: Path) -> None:
    with pytest.raises(NotFound) as raised:
        find(project)
    assert "kilter init" in raised.value.hint
    with pytest.raises(NotFound) as raised:
        load(project / "kilter.yaml")
    assert "kilter init" in raised.value.hint


@pytest.mark.requirement("NS-Q1")
def test_the_name_is_that_of_the_file_or_of_the_directory(project: Path) -> None:
    assert loaded(project, "name: other\n").name == "other"
    assert loaded(project, "detect: true\n").name == "shop"


def test_a_file_that_cannot_be_read_is_bad_input(project: Path) -> None:
    (project / "kilter.yaml").mkdir()
    with pytest.raises(BadInput, match="cannot be read") as caught:
        load(project / "kilter.yaml")
    assert caught.value.why == "Is a directory"
    assert caught.value.hint


@pytest.mark.requirement("Y6")
def test_of_a_huge_file_no_more_is_read_than_says_so(project: Path) -> None:
    file = project / "kilter.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)  # a hole: more than any memory, and nothing on the disk
    with pytest.raises(InvalidProject) as caught:
        load(file)
    assert [str(fault) for fault in caught.value.faults] == [
        "kilter.yaml:1:1 the file has more than 1,000,000 bytes, which are the limit"
    ]


@pytest.mark.requirement("C5")
def test_directories_with_odd_names_work_when_the_file_names_the_project(tmp_path: Path) -> None:
    root = tmp_path / "a 'b'\n\"c\" é"
    root.mkdir()
    assert loaded(root, "name: fine\n", Dockerfile="FROM x\nEXPOSE 80\n").components()["fine"].port == 80


@pytest.mark.requirement("CT-Q35")
def test_a_project_of_services_only_has_no_component(project: Path) -> None:
    assert loaded(project, "services: [redis]\n").components() == {}


@pytest.mark.requirement("CT-37", "CT-Q35")
def test_an_app_at_the_top_level_is_one_component_named_after_the_project(project: Path) -> None:
    (component,) = loaded(project, "env: {A: x}\n", Dockerfile="FROM x\nEXPOSE 80\n").components().items()
    assert component[0] == "shop"
    assert (component[1].port, component[1].dockerfile, component[1].primary) == (80, "Dockerfile", True)
    assert component[1].env == {"A": "x"}


def test_an_image_needs_no_dockerfile_and_a_port(project: Path) -> None:
    component = loaded(project, "image: nginx:1\nport: 80\n").components()["shop"]
    assert (component.dockerfile, component.port) == (None, 80)
    (fault,) = faults(loaded(project, "image: nginx:1\n"))
    assert fault.startswith("kilter.yaml:1:1 the port of shop is not known (an image does not tell its port here)")
    assert fault.endswith("add `port: 8080`, or `port: 0` if it listens on none")


@pytest.mark.parametrize(
    ("dockerfile", "port"),
    [
        ("FROM x AS dev\nFROM x\nEXPOSE 80\n", 80),
        ("FROM x AS dev\nEXPOSE 3000 9229\nFROM x\nEXPOSE 80\n", 3000),
        ("FROM x\n", 8080),
    ],
)
def test_of_a_port_that_is_not_known_the_dockerfiles_own_word_is_proposed(
    project: Path, dockerfile: str, port: int
) -> None:
    (fault,) = faults(loaded(project, "name: shop\n", Dockerfile=dockerfile))
    assert fault.endswith(f"add `port: {port}`, or `port: 0` if it listens on none")


def test_several_components_are_completed_and_the_first_is_primary(project: Path) -> None:
    text = "components:\n  web: {path: web}\n  job: {image: 'x:1', port: 0}\n"
    components = loaded(project, text, web_Dockerfile="FROM x AS dev\nEXPOSE 3000\nFROM x\nEXPOSE 80\n").components()
    assert [(name, each.port, each.primary) for name, each in components.items()] == [
        ("web", 3000, True),
        ("job", 0, False),
    ]


@pytest.mark.requirement("CT-Q26", "C13", "Y8")
def test_every_component_that_cannot_run_is_named_with_its_place(project: Path, tmp_path: Path) -> None:
    (project / "out").symlink_to(tmp_path)
    text = "components:\n  a: {path: none}\n  b: {path: two}\n  c: {path: zero}\n  d: {path: out}\n"
    found = faults(loaded(project, text, two_Dockerfile="FROM x\nEXPOSE 1 2\n", zero_Dockerfile="FROM x\n"))
    assert found[0] == "kilter.yaml:2:3 components.a: a has nothing to run: add the file none/Dockerfile, or `image:`"
    assert "components.b: the port of b is not known (its Dockerfile exposes 1, 2)" in found[1]
    assert (
        "components.c: the port of c is not known (its Dockerfile has no EXPOSE with the number of a port)" in found[2]
    )
    assert "components.d.path: out leads out of the project" in found[3]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("loop", "Too many levels of symbolic links"),
        ("loop/deep", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_path_that_the_system_cannot_follow_is_a_fault_at_its_place(project: Path, path: str, why: str) -> None:
    (project / "loop").symlink_to("loop")
    (fault,) = faults(loaded(project, f"components:\n  web:\n    port: 1\n    path: {path}\n"))
    assert fault == f"kilter.yaml:4:5 components.web.path: {path} cannot be followed: {why}"


@pytest.mark.parametrize("text", ["detect: true\n", "processes: {worker: {command: [x]}}\n"])
@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("docker/web", "shop has nothing to run: Dockerfile is a link to docker/web, which is no file"),
        ("Dockerfile", "path: ./Dockerfile cannot be followed: Too many levels of symbolic links"),
    ],
)
def test_a_dockerfile_that_is_a_broken_link_is_no_project_without_an_app(
    project: Path, text: str, target: str, says: str
) -> None:
    """It was meant, and `kilter up` would say that all is up."""
    (project / "Dockerfile").symlink_to(target)
    assert says in faults(loaded(project, text))[0]


@pytest.mark.requirement("DP-58", "DP-59")
def test_processes_without_an_app_are_a_fault(project: Path) -> None:
    assert "there is no app" in faults(loaded(project, "processes: {worker: {command: [x]}}\n"))[0]


@pytest.mark.requirement("Y13")
def test_an_app_named_like_a_service_is_a_fault(project: Path) -> None:
    text = "name: redis\nimage: x:1\nport: 1\nservices:\n  redis:\n"
    assert faults(loaded(project, text))[0].startswith(
        "kilter.yaml:5:3 services.redis: the app itself is named 'redis'"
    )


def test_the_target_is_the_stage_of_that_name_or_the_last(project: Path) -> None:
    found = loaded(project, "port: 1\n", Dockerfile="FROM x AS dev\nFROM x\n")
    component = found.components()["shop"]
    assert (found.target(component), found.target(component, "release")) == ("dev", None)
    image = loaded(project, "image: x:1\nport: 1\n")
    assert image.target(image.components()["shop"]) is None


@pytest.mark.requirement("Y8")
def test_a_path_never_leads_out_of_the_project(project: Path, tmp_path: Path) -> None:
    found = loaded(project, "detect: true\n")
    (project / "link").symlink_to(tmp_path / "elsewhere")
    assert found.inside("a/../b") == project.resolve() / "b"
    for path in ("../x", "/etc", "link", "link/deep"):
        with pytest.raises(BadInput, match="leads out of the project"):
            found.inside(path)
